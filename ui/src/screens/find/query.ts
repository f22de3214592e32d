/** What Find asks, read from the address and written to it. Pure. */

import type { Saved } from "../../parts/SaveQuery";
import { readDuration } from "../../state/time";

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

/** Records of one answer: as many dots as can still be told apart. */
export const LIMIT = 500;

/** Return those of the filters that log records have. */
export function logFilters({ service, text, q, attribute }: Filters): Filters {
	return { service, text, q, attribute };
}

/** Return filters as an expression of `q`, to be handed to questions that take nothing else. */
export function asExpression(filters: Filters): string {
	const parts: string[] = [];
	if (filters.operation) parts.push(`operation ~= ${quoted(filters.operation)}`);
	if (filters.status) parts.push(`status = ${filters.status}`);
	if (filters.min_duration_ms !== undefined) parts.push(`duration >= ${filters.min_duration_ms}ms`);
	if (filters.max_duration_ms !== undefined) parts.push(`duration <= ${filters.max_duration_ms}ms`);
	if (filters.root) parts.push("root");
	if (filters.text) parts.push(`text ~= ${quoted(filters.text)}`);
	for (const each of filters.attribute ?? []) parts.push(attributeExpression(each));
	if (filters.q) parts.push(`(${filters.q})`);
	return parts.join(" AND ");
}

const ATTRIBUTE =
	/^(!?)((?:span|resource|scope|event|link)\.)?("(?:\\.|[^"\\])*"|[^=!~<>]+)(?:(!=|!~|~=|=~|>=|<=|=|>|<)(.*))?$/s;

/** Return an entry of `attribute=` in the words of the expression, where values are quoted. */
export function attributeExpression(entry: string): string {
	const found = ATTRIBUTE.exec(entry);
	if (found === null) return quoted(entry);
	const [, not = "", place = "", key = "", operator, value = ""] = found;
	const target = place + (key.startsWith('"') ? key : quoted(key.trim()));
	const said = operator === undefined ? target : `${target} ${operator} ${quoted(value)}`;
	return not === "!" ? `NOT ${said}` : said;
}

/** Return what Find asks as a query to be kept; null where it asks for everything. */
export function asSaved(tab: Tab, filters: Filters, statement: string | null): Saved | null {
	if (tab === "sql") return statement === null ? null : { language: "sql", query: statement };
	const asked = tab === "logs" ? logFilters(filters) : filters;
	const parts = asked.service ? [`service = ${quoted(asked.service)}`] : [];
	const rest = asExpression(asked);
	const query = [...parts, ...(rest === "" ? [] : [rest])].join(" AND ");
	if (query === "") return null;
	return { language: "filter", query, description: tab === "traces" ? "" : tab };
}

/** A time as the server is asked for it. */
export type Time = { last: string } | { start: string; end: string };

/** Return filters as a statement over a table, with what a statement cannot say beside it. */
export function asStatement(
	table: "otel_traces" | "otel_logs",
	filters: Filters,
	time: Time,
): string {
	const isSpans = table === "otel_traces";
	const conditions: string[] = [];
	if ("last" in time) {
		const seconds = Math.ceil((readDuration(time.last) ?? 0) / 1000);
		conditions.push(`Timestamp >= now() - INTERVAL ${seconds} SECOND`);
	} else {
		const [start, end] = [time.start, time.end].map((each) =>
			literal(each.slice(0, 23).replace("T", " ").replace("Z", "")),
		);
		conditions.push(`Timestamp >= ${start} AND Timestamp < ${end}`);
	}
	if (filters.service) conditions.push(`ServiceName = ${literal(filters.service)}`);
	if (isSpans && filters.operation)
		conditions.push(`position(SpanName, ${literal(filters.operation)}) > 0`);
	if (isSpans && filters.status)
		conditions.push(
			`StatusCode = '${{ error: "Error", ok: "Ok", unset: "Unset" }[filters.status]}'`,
		);
	if (isSpans && filters.min_duration_ms !== undefined)
		conditions.push(`Duration >= ${Math.round(filters.min_duration_ms * 1e6)}`);
	if (isSpans && filters.max_duration_ms !== undefined)
		conditions.push(`Duration <= ${Math.round(filters.max_duration_ms * 1e6)}`);
	if (isSpans && filters.root) conditions.push("ParentSpanId = ''");
	if (filters.text) {
		const text = `%${filters.text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;
		conditions.push(`${isSpans ? "SpanText" : "LogText"} LIKE ${literal(text)}`);
	}
	const apart = [...(filters.attribute ?? []), ...(filters.q ? [filters.q] : [])];
	const remarks = apart.map(
		(each) => `-- and, in the words of filters: ${each.replace(/\s+/g, " ")}\n`,
	);
	const where = conditions.join(" AND ");
	return `${remarks.join("")}SELECT * FROM ${table} WHERE ${where} ORDER BY Timestamp DESC LIMIT 100`;
}

/** Return the statement for the traces that hold such spans, the last begun first. */
export function asTraceStatement(filters: Filters, time: Time): string {
	return asStatement("otel_traces", filters, time).replace(
		/SELECT \* FROM (.*) ORDER BY Timestamp DESC LIMIT (\d+)$/s,
		"SELECT TraceId, min(Timestamp) AS Started, count() AS Spans FROM $1" +
			" GROUP BY TraceId ORDER BY Started DESC LIMIT $2",
	);
}

/** Return filters as the tools for agents name them; one that they lack is said as an expression. */
export function asArguments({ root, ...others }: Filters): Record<string, unknown> {
	if (!root) return others;
	return { ...others, q: others.q ? `root AND (${others.q})` : "root" };
}

function literal(text: string): string {
	return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function quoted(text: string): string {
	return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
