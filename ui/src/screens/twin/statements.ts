/** The twin's lists as statements over its events. Pure. */

import { readNanos, type Span } from "../../state/time";

const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

const moment = (nanos: bigint) => `fromUnixTimestamp64Nano(${nanos})`;

const within = (column: string, { start, end }: Span) =>
	`${column} >= fromUnixTimestamp64Milli(${Math.floor(start)})` +
	` AND ${column} < fromUnixTimestamp64Milli(${Math.ceil(end)})`;

const ofObject = (type: string, id: string) =>
	`FROM trilog_events WHERE ObjType = ${quoted(type)} AND ObjId = ${quoted(id)}`;

interface Bounds {
	/** Only what happened after this, and until that; as documents write times. */
	after?: string | null;
	until?: string | null;
	/** Only what had come by then, in milliseconds. */
	recorded?: number | null;
}

function bounded({ after, until, recorded }: Bounds): string {
	const [first, last] = [readNanos(after), readNanos(until)];
	const conditions = [
		first === null ? "" : ` AND Timestamp > ${moment(first)}`,
		last === null ? "" : ` AND Timestamp <= ${moment(last)}`,
		recorded === null || recorded === undefined
			? ""
			: ` AND Received <= fromUnixTimestamp64Micro(${Math.round(recorded * 1000)})`,
	];
	return `${conditions.join("")} ORDER BY Timestamp, Seq`;
}

/** The events of an object in the order in which they count: what its state is folded from. */
export function eventsSql(type: string, id: string, bounds: Bounds = {}): string {
	return `SELECT * ${ofObject(type, id)}${bounded(bounds)}`;
}

/** What set a field, and to what: each value as JSON. */
export function historySql(type: string, id: string, field: string, bounds: Bounds = {}): string {
	const name = quoted(field);
	return (
		`SELECT Timestamp, Patch[${name}] AS value, TraceId, SpanId ${ofObject(type, id)}` +
		` AND mapContains(Patch, ${name}) AND Verdict != 'rejected'${bounded(bounds)}`
	);
}

interface Objects {
	type: string | undefined;
	text: string;
	limit: number;
}

/** Objects that said something in a time, those that did last first. */
export function objectsSql({ type, text, limit }: Objects, shown: Span): string {
	const like =
		text === ""
			? ""
			: " AND arrayExists(each -> positionCaseInsensitive(each, " +
				`${quoted(text)}) > 0, arrayConcat([ObjId], mapValues(Patch)))`;
	return (
		"SELECT ObjType, ObjId, max(Timestamp) AS last_at, uniqExact(EventId) AS events" +
		` FROM trilog_events WHERE Verdict != 'rejected' AND ObjId != '' AND ${within("Timestamp", shown)}` +
		`${type ? ` AND ObjType = ${quoted(type)}` : ""}${like}` +
		` GROUP BY ObjType, ObjId ORDER BY last_at DESC LIMIT ${limit}`
	);
}

/** Phases as processes told them in a time, the newest first. */
export function phasesSql(shown: Span, limit: number): string {
	return (
		"SELECT Timestamp, ObjType, ObjId, Phase, Status, ServiceName, TraceId, SpanId" +
		" FROM trilog_events WHERE (Phase != '' OR Status != '') AND Verdict != 'rejected'" +
		` AND ${within("Timestamp", shown)} ORDER BY Timestamp DESC LIMIT ${limit}`
	);
}

/** What came in a time and does not count, or counts with a warning; and why. */
export function rejectedSql(isWarned: boolean, shown: Span, limit: number): string {
	return (
		"SELECT Timestamp, ObjType, ObjId, Patch, Issues, ServiceName, TraceId, SpanId" +
		` FROM trilog_events WHERE Verdict = '${isWarned ? "warned" : "rejected"}'` +
		` AND ${within("Received", shown)} ORDER BY Received DESC LIMIT ${limit}`
	);
}

/** What was said of objects within a trace: its steps. */
export function stepsSql(trace: string): string {
	return `SELECT * FROM trilog_events WHERE TraceId = ${quoted(trace)} ORDER BY Timestamp, Seq`;
}
