/** What lies on the bars of a waterfall: events, log records, and links as arrows. Pure. */

import type { Comment, LogRecord } from "../../api/schema";
import { sayValue } from "../../parts/words";
import { type Span as Range, readTime } from "../../state/time";
import type { Row } from "./layout";

/** Something that happened within a span, at one moment. */
export interface Mark {
	kind: "event" | "log" | "comment";
	isBad: boolean;
	/** Milliseconds since 1970. */
	at: number;
	text: string;
}

const BAD_SEVERITIES = new Set(["error", "fatal"]);

/** A log record may hold a book. */
const TEXT_MAX = 200;

/** Return the marks of each span by its id: its events, log records that name it, what was said of it. */
export function marksOf(
	rows: readonly Row[],
	logs: readonly LogRecord[],
	comments: readonly Comment[] = [],
): ReadonlyMap<string, readonly Mark[]> {
	const marks = new Map<string, Mark[]>();
	const add = (spanId: string, mark: Mark) => {
		const before = marks.get(spanId);
		if (before) before.push(mark);
		else marks.set(spanId, [mark]);
	};
	for (const { span, start } of rows) {
		for (const event of span.events) {
			const isBad = event.name === "exception";
			const said = isBad
				? `${sayValue(event.attributes["exception.type"])} ${sayValue(event.attributes["exception.message"])}`
				: "";
			const text = `${event.name} ${said}`.trim().slice(0, TEXT_MAX);
			add(span.span_id, { kind: "event", isBad, at: readTime(event.timestamp) ?? start, text });
		}
	}
	const known = new Set(rows.map((row) => row.span.span_id));
	// A record that names the trace but no span of it stands with the first.
	const first = rows[0]?.span.span_id;
	for (const log of logs) {
		const spanId = log.span_id && known.has(log.span_id) ? log.span_id : first;
		const at = readTime(log.timestamp);
		if (spanId === undefined || at === null) continue;
		const text = `${log.severity}: ${sayValue(log.body).slice(0, TEXT_MAX)}`;
		add(spanId, { kind: "log", isBad: BAD_SEVERITIES.has(log.severity), at, text });
	}
	const starts = new Map(rows.map((row) => [row.span.span_id, row.start]));
	for (const { span_id, author, body } of comments) {
		// What is said of the whole trace stands with the first span, at its beginning.
		const spanId = span_id ?? first;
		const at = spanId === undefined ? undefined : starts.get(spanId);
		if (spanId === undefined || at === undefined) continue;
		const text = `${author}: ${body.slice(0, TEXT_MAX)}`;
		add(spanId, { kind: "comment", isBad: false, at, text });
	}
	for (const each of marks.values()) each.sort((one, other) => one.at - other.at);
	return marks;
}

export interface PlacedMark {
	mark: Mark;
	x: number;
	/** How many fell on this pixel, itself included. */
	count: number;
}

/** Pixels that a mark takes. */
const MARK = 5;

/** Return the marks of one row where they are seen: of those on one place, the worst. */
export function placeMarks(marks: readonly Mark[], shown: Range, width: number): PlacedMark[] {
	const scale = width / (shown.end - shown.start);
	const placed: PlacedMark[] = [];
	for (const mark of marks) {
		const x = (mark.at - shown.start) * scale;
		if (x < -MARK || x > width + MARK) continue;
		const before = placed.at(-1);
		if (before === undefined || x - before.x >= MARK) placed.push({ mark, x, count: 1 });
		else {
			before.count += 1;
			if (rank(mark) > rank(before.mark)) before.mark = mark;
		}
	}
	return placed;
}

/** Which of two marks on one place is seen: what somebody said, then what failed. */
function rank(mark: Mark): number {
	return mark.kind === "comment" ? 2 : Number(mark.isBad);
}

/** A link between two spans of one trace: what came first, and what names it. */
export interface Arrow {
	from: Row;
	to: Row;
	/** Their lines in the waterfall. */
	fromLine: number;
	toLine: number;
}

/** Beyond so many they are a mesh; then only those of the span that is selected are drawn. */
export const ARROWS_MAX = 200;

/** Return the links between rows that are shown. */
export function arrowsOf(rows: readonly Row[], selected: string | null): Arrow[] {
	const lines = new Map<string, number>();
	const linking: number[] = [];
	for (let at = 0; at < rows.length; at += 1) {
		const { span } = rows[at] as Row;
		lines.set(span.span_id, at);
		if (span.links.length > 0) linking.push(at);
	}
	const arrows: Arrow[] = [];
	for (const toLine of linking) {
		const to = rows[toLine] as Row;
		for (const link of to.span.links) {
			const fromLine = lines.get(link.span_id);
			if (fromLine === undefined || link.trace_id !== to.span.trace_id || fromLine === toLine)
				continue;
			arrows.push({ from: rows[fromLine] as Row, to, fromLine, toLine });
		}
	}
	if (arrows.length <= ARROWS_MAX) return arrows;
	return arrows
		.filter(({ from, to }) => from.span.span_id === selected || to.span.span_id === selected)
		.slice(0, ARROWS_MAX);
}

/** Whether a span names spans of other traces. */
export function leadsAway(row: Row): boolean {
	return row.span.links.some((link) => link.trace_id !== row.span.trace_id);
}
