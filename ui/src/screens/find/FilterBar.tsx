/** The filters of Find: each completes, and the expression says in its place what is wrong with it. */

import { useEffect, useState } from "preact/hooks";
import { get } from "../../api/client";
import { Complete } from "../../parts/Complete";
import { CompletingText, type Completion } from "../../parts/CompletingText";
import { sayCount } from "../../parts/words";
import { change } from "../../state/place";
import { rangeQuery } from "../../state/time";
import {
	type Fault,
	type Field as FieldOf,
	keyOf,
	LOG_FIELDS,
	operatorsFor,
	SPAN_FIELDS,
	type Wanted,
	wantedAt,
	writeKey,
	writeValue,
} from "./expression";
import { type Filters, isNarrowed, type Tab } from "./query";

/** As many as are read through in one look. */
const SUGGESTED = 30;

interface FilterBarProps {
	tab: Tab;
	filters: Filters;
	fault: Fault | null;
}

export function FilterBar({ tab, filters, fault }: FilterBarProps) {
	return (
		<search class="filters">
			<Complete
				label="service"
				value={filters.service ?? ""}
				suggest={async (text, until) => suggestServices(text, until)}
				onChoose={(service) => change({ service })}
			/>
			{tab !== "logs" && (
				<>
					<Complete
						label="operation"
						value={filters.operation ?? ""}
						suggest={(text, until) => suggestOperations(text, filters.service, until)}
						onChoose={(operation) => change({ operation })}
					/>
					<select
						aria-label="status"
						value={filters.status ?? ""}
						onChange={(event) => change({ status: event.currentTarget.value })}
					>
						<option value="">any status</option>
						<option value="error">failed</option>
						<option value="ok">ok</option>
						<option value="unset">unset</option>
					</select>
					<Field
						label="at least … ms"
						name="min_duration_ms"
						value={filters.min_duration_ms?.toString() ?? ""}
					/>
					{filters.max_duration_ms !== undefined && (
						<Field
							label="at most … ms"
							name="max_duration_ms"
							value={filters.max_duration_ms.toString()}
						/>
					)}
				</>
			)}
			<Field label='words: "timeout", checkout' name="text" value={filters.text ?? ""} />
			<CompletingText
				label="expression"
				placeholder="expression: http.status_code >= 500 AND NOT user.id = 7"
				value={filters.q ?? ""}
				fault={fault}
				complete={(text, caret, until) => completeExpression(text, caret, tab, filters, until)}
				onSend={(q) => change({ q: q.trim() })}
			/>
			{isNarrowed(filters) && (
				<button type="button" class="plain" onClick={clear}>
					Clear
				</button>
			)}
			{filters.attribute?.map((each) => (
				<button
					key={each}
					type="button"
					class="tag"
					title="Take this filter away"
					onClick={() =>
						change({ attribute: filters.attribute?.filter((other) => other !== each) })
					}
				>
					{each} ×
				</button>
			))}
		</search>
	);
}

function clear(): void {
	change({
		service: null,
		operation: null,
		status: null,
		min_duration_ms: null,
		max_duration_ms: null,
		attribute: null,
		q: null,
		text: null,
		root: null,
		box: null,
	});
}

interface FieldProps {
	label: string;
	name: string;
	value: string;
}

function Field({ label, name, value }: FieldProps) {
	const [text, setText] = useState(value);
	useEffect(() => setText(value), [value]);
	const send = () => {
		if (text !== value) change({ [name]: text });
	};
	return (
		<input
			type="search"
			aria-label={label}
			placeholder={label}
			value={text}
			onInput={(event) => setText(event.currentTarget.value)}
			onBlur={send}
			onKeyDown={(event) => {
				if (event.key === "Enter") send();
			}}
		/>
	);
}

async function suggestServices(text: string, until: AbortSignal) {
	const found = await get("/api/v1/services", { query: rangeQuery(), until });
	return found.services
		.filter((each) => has(each.name, text))
		.map((each) => ({ text: each.name, note: `${sayCount(each.span_count)} spans` }));
}

async function suggestOperations(text: string, service: string | undefined, until: AbortSignal) {
	const query = { ...rangeQuery(), limit: 500 };
	const found = await get("/api/v1/operations", { query, until });
	return found.operations
		.filter((each) => !service || each.service === service)
		.filter((each) => has(each.operation, text))
		.slice(0, SUGGESTED)
		.map((each) => ({ text: each.operation, note: each.service }));
}

function has(text: string, part: string): boolean {
	return text.toLowerCase().includes(part.toLowerCase());
}

async function completeExpression(
	text: string,
	caret: number,
	tab: Tab,
	filters: Filters,
	until: AbortSignal,
): Promise<Completion> {
	const wanted = wantedAt(text, caret);
	const fields = tab === "logs" ? LOG_FIELDS : SPAN_FIELDS;
	const signal = tab === "logs" ? "logs" : "traces";
	const found = await suggestFor(wanted, fields, signal, filters.service, until);
	return { from: wanted.from, to: wanted.to, found };
}

async function suggestFor(
	wanted: Wanted,
	fields: readonly FieldOf[],
	signal: "logs" | "traces",
	service: string | undefined,
	until: AbortSignal,
) {
	const { kind, word, target } = wanted;
	const asked = { ...rangeQuery(), signal, service, limit: SUGGESTED };
	if (kind === "join")
		return ["AND", "OR"].filter((each) => has(each, word)).map((each) => ({ text: each }));
	if (kind === "operator")
		return operatorsFor(target)
			.filter(([each]) => each.toLowerCase().startsWith(word.toLowerCase()))
			.map(([each, note]) => ({ text: each, note }));
	if (kind === "target") {
		const place = /^(span|resource|scope|event|link)\./.exec(word)?.[0] ?? "";
		const prefix = keyOf(word);
		const query = { ...asked, prefix: prefix || undefined };
		const own = fields
			.filter((each) => place === "" && each.name.startsWith(word.toLowerCase()))
			.map((each) => ({ text: each.name, note: each.note }));
		const { attributes } = await get("/api/v1/attributes", { query, until });
		const keys = attributes.map((each) => ({
			text: place + writeKey(each.key, place === "" ? fields : []),
			note: `${each.place}, ${sayCount(each.values)} values`,
		}));
		const seen = new Set<string>();
		return [...own, ...keys].filter((each) => !seen.has(each.text) && seen.add(each.text));
	}
	const field = fields.find((each) => each.name === target);
	if (field?.values)
		return field.values.filter((each) => has(each, word)).map((each) => ({ text: each }));
	const quote = <Kind extends { text: string }>(all: Kind[]) =>
		all.map((each) => ({ ...each, text: writeValue(each.text) }));
	if (target === "service") return quote(await suggestServices(word, until));
	if (target === "operation" || target === "name")
		return quote(await suggestOperations(word, service, until));
	// Ids and texts have no values to choose from.
	if (field !== undefined) return [];
	const found = await get("/api/v1/attributes/{key}/values", {
		in: { key: keyOf(target) },
		query: { ...asked, prefix: word || undefined },
		until,
	});
	return found.values.map((each) => ({
		text: writeValue(each.value),
		note: `${sayCount(each.count)} times`,
	}));
}
