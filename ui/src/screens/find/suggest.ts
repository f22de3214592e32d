/** What the filters complete with: names and values that were seen in the time that is looked at. */

import { get } from "../../api/client";
import type { Completion } from "../../parts/CompletingText";
import { sayMany } from "../../parts/words";
import { rangeQuery } from "../../state/time";
import {
	type Field,
	keyOf,
	LOG_FIELDS,
	operatorsFor,
	SPAN_FIELDS,
	type Wanted,
	wantedAt,
	writeKey,
	writeValue,
} from "./expression";
import type { Filters, Tab } from "./query";

/** As many as are read through in one look. */
const SUGGESTED = 30;

export async function suggestServices(text: string, until: AbortSignal) {
	const found = await get("/api/v1/services", { query: rangeQuery(), until });
	return found.services
		.filter((each) => has(each.name, text))
		.map((each) => ({ text: each.name, note: sayMany(each.span_count, "span") }));
}

export async function suggestOperations(
	text: string,
	service: string | undefined,
	until: AbortSignal,
) {
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

export async function completeExpression(
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
	fields: readonly Field[],
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
			note: `${each.place}, ${sayMany(each.values, "value")}`,
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
		note: sayMany(each.count, "time"),
	}));
}
