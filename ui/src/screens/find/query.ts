/** What Find asks, read from the address and written to it. Pure. */

export const TABS = ["traces", "spans", "logs", "sql"] as const;
export type Tab = (typeof TABS)[number];

export type Status = "error" | "ok" | "unset";

/** Filters as the server names them; what is not set is not sent. */
export interface Filters {
	service?: string | undefined;
	operation?: string | undefined;
	status?: Status | undefined;
	min_duration_ms?: number | undefined;
	max_duration_ms?: number | undefined;
	attribute?: string[] | undefined;
	q?: string | undefined;
	text?: string | undefined;
	root?: boolean | undefined;
}

export function readTab(params: URLSearchParams): Tab {
	const wanted = params.get("show") as Tab | null;
	return wanted !== null && TABS.includes(wanted) ? wanted : "traces";
}

export function readFilters(params: URLSearchParams): Filters {
	const status = params.get("status") as Status | null;
	const attribute = params.getAll("attribute");
	return {
		service: params.get("service") ?? undefined,
		operation: params.get("operation") ?? undefined,
		status: status !== null && ["error", "ok", "unset"].includes(status) ? status : undefined,
		min_duration_ms: readNumber(params.get("min_duration_ms")),
		max_duration_ms: readNumber(params.get("max_duration_ms")),
		attribute: attribute.length > 0 ? attribute : undefined,
		q: params.get("q") ?? undefined,
		text: params.get("text") ?? undefined,
		root: params.get("root") === "true" ? true : undefined,
	};
}

function readNumber(text: string | null): number | undefined {
	const value = Number(text);
	return text === null || text === "" || !Number.isFinite(value) ? undefined : value;
}

/** Whether anything narrows the search. */
export function isNarrowed(filters: Filters): boolean {
	return Object.values(filters).some((value) => value !== undefined);
}

/** Return filters as an expression of `q`, to be handed to questions that take nothing else. */
export function asExpression(filters: Filters): string {
	const parts: string[] = [];
	if (filters.operation) parts.push(`operation = ${quoted(filters.operation)}`);
	if (filters.status) parts.push(`status = ${filters.status}`);
	if (filters.min_duration_ms !== undefined) parts.push(`duration >= ${filters.min_duration_ms}ms`);
	if (filters.max_duration_ms !== undefined) parts.push(`duration <= ${filters.max_duration_ms}ms`);
	if (filters.q) parts.push(`(${filters.q})`);
	return parts.join(" AND ");
}

function quoted(text: string): string {
	return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
