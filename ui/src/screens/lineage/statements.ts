/** Lineage as statements over its links. Pure. */

import type { Span } from "../../state/time";

/** Outputs to choose from. */
const OUTPUTS = 30;

/** Statement for the outputs that were made last within the range. */
export function outputsSql({ start, end }: Span): string {
	return (
		"SELECT toString(TraceId) AS id, max(Timestamp) AS at, uniqExact(ParentTraceId) AS inputs" +
		` FROM trace_links WHERE Timestamp >= fromUnixTimestamp64Milli(${Math.floor(start)})` +
		` AND Timestamp < fromUnixTimestamp64Milli(${Math.ceil(end)})` +
		` GROUP BY TraceId ORDER BY at DESC LIMIT ${OUTPUTS}`
	);
}

/** Statement for the edges of a walk; null for what is no plain id: that of a span is looked up first. */
export function walkSql(id: string, direction: "up" | "down", depth: number): string | undefined {
	if (!/^\d+$/.test(id)) return undefined;
	const [from, to] =
		direction === "up" ? ["TraceId", "ParentTraceId"] : ["ParentTraceId", "TraceId"];
	return (
		`WITH RECURSIVE walk AS (SELECT TraceId, ParentTraceId, 1 AS depth FROM trace_links WHERE ${from} = ${id}` +
		" UNION ALL SELECT links.TraceId, links.ParentTraceId, walk.depth + 1 AS depth" +
		` FROM trace_links AS links JOIN walk ON links.${from} = walk.${to} WHERE walk.depth < ${depth})` +
		" SELECT toString(TraceId) AS trace_id, toString(ParentTraceId) AS parent_trace_id," +
		" min(depth) AS depth FROM walk GROUP BY TraceId, ParentTraceId ORDER BY depth"
	);
}
