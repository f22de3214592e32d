/** The filters of Find: each completes, and the expression says in its place what is wrong with it. */

import { Complete } from "../../parts/Complete";
import { CompletingText } from "../../parts/CompletingText";
import { Written } from "../../parts/Written";
import { change } from "../../state/place";
import type { Fault } from "./expression";
import { type Filters, isNarrowed, type Tab } from "./query";
import { completeExpression, suggestOperations, suggestServices } from "./suggest";

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
				suggest={suggestServices}
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
			<Field label='words: "timed out"' name="text" value={filters.text ?? ""} />
			<CompletingText
				label="expression"
				placeholder="expression: duration > 1s AND user.id = 7"
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
	return <Written label={label} value={value} onSend={(text) => change({ [name]: text })} />;
}
