/** A trace as rows, and those of them that are seen as bars. Pure: spans in, rectangles out. */

import type { Span } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";
import { type Span as Range, readTime } from "../../state/time";

export const ROW = 22;

/** A span as it stands in the waterfall. Times are milliseconds since 1970. */
export interface Row {
	span: Span;
	index: number;
	depth: number;
	start: number;
	end: number;
	/** How many rows follow that belong to it. */
	below: number;
	/** The row it stands under, or -1. */
	parent: number;
	isCollapsed: boolean;
}

/** Spans in the order of a tree: a span, then what it called, by when that began. */
export function orderSpans(spans: readonly Span[]): Row[] {
	const byId = new Map(spans.map((span) => [span.span_id, span]));
	const children = new Map<string, Span[]>();
	const roots: Span[] = [];
	for (const span of spans) {
		const parent = span.parent_span_id;
		if (parent && byId.has(parent) && parent !== span.span_id) {
			const siblings = children.get(parent);
			if (siblings) siblings.push(span);
			else children.set(parent, [span]);
		} else {
			roots.push(span);
		}
	}
	const rows: Row[] = [];
	const seen = new Set<string>();
	// By hand rather than by recursion: a trace may be deeper than a stack.
	const waiting: { span: Span; depth: number; parent: number }[] = [];
	const visit = (from: Span) => {
		waiting.push({ span: from, depth: 0, parent: -1 });
		for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
			const { span, depth, parent } = next;
			if (seen.has(span.span_id)) continue;
			seen.add(span.span_id);
			const start = readTime(span.start_time) ?? 0;
			const index = rows.length;
			rows.push({
				span,
				index,
				depth,
				start,
				end: start + span.duration_ms,
				below: 0,
				parent,
				isCollapsed: false,
			});
			const under = children.get(span.span_id) ?? [];
			for (let at = under.length - 1; at >= 0; at -= 1)
				waiting.push({ span: under[at] as Span, depth: depth + 1, parent: index });
		}
	};
	for (const root of roots) visit(root);
	// What is left is a circle of spans that name each other as parents.
	for (const span of spans) if (!seen.has(span.span_id)) visit(span);
	for (let at = rows.length - 1; at >= 0; at -= 1) {
		const row = rows[at] as Row;
		const parent = rows[row.parent];
		if (parent) parent.below += row.below + 1;
	}
	return rows;
}

/** Return the rows that are not hidden below one that was folded. */
export function unfolded(rows: readonly Row[], folded: ReadonlySet<string>): Row[] {
	if (folded.size === 0) return rows as Row[];
	const shown: Row[] = [];
	for (let at = 0; at < rows.length; ) {
		const row = rows[at] as Row;
		const isCollapsed = folded.has(row.span.span_id) && row.below > 0;
		shown.push(isCollapsed ? { ...row, isCollapsed } : row);
		at += isCollapsed ? row.below + 1 : 1;
	}
	return shown;
}

export interface Bar extends Rect {
	row: Row;
	/** Where the part starts and ends that the span itself spent on the critical path. */
	isCritical: boolean;
	isFailed: boolean;
}

/** A bar is seen, however short the span. */
const BAR_MIN = 2;

/** Return the bars of the rows between two heights, for the part of time that is shown. */
export function layoutBars(
	rows: readonly Row[],
	shown: Range,
	width: number,
	top: number,
	height: number,
): Bar[] {
	const first = Math.max(0, Math.floor(top / ROW));
	const last = Math.min(rows.length, Math.ceil((top + height) / ROW));
	const scale = width / (shown.end - shown.start);
	const bars: Bar[] = [];
	for (let at = first; at < last; at += 1) {
		const row = rows[at] as Row;
		const x = (row.start - shown.start) * scale;
		bars.push({
			row,
			x,
			y: at * ROW - top,
			width: Math.max(BAR_MIN, (row.end - row.start) * scale),
			height: ROW,
			isCritical: row.span.critical_path === true,
			isFailed: row.span.status === "error",
		});
	}
	return bars;
}

/** Return the rows that are shown as thin lines: the whole trace in the height of a few words. */
export function layoutMap(
	rows: readonly Row[],
	whole: Range,
	width: number,
	height: number,
): Bar[] {
	const scale = width / Math.max(whole.end - whole.start, 1e-6);
	const step = height / Math.max(rows.length, 1);
	// No more lines than pixels: the longest of those that share one stands for them.
	const lines = new Map<number, Bar>();
	for (let at = 0; at < rows.length; at += 1) {
		const row = rows[at] as Row;
		const line = Math.floor(at * step);
		const wide = Math.max(1, (row.end - row.start) * scale);
		const before = lines.get(line);
		const isFailed = row.span.status === "error" || before?.isFailed === true;
		if (before && before.width >= wide) before.isFailed = isFailed;
		else
			lines.set(line, {
				row,
				x: (row.start - whole.start) * scale,
				y: line,
				width: wide,
				height: Math.max(1, Math.min(step - 1, 6)),
				isCritical: row.span.critical_path === true,
				isFailed,
			});
	}
	return [...lines.values()];
}

/** Return the part of the map that the waterfall shows: its time across, its rows down. */
export function layoutView(
	shown: Range,
	whole: Range,
	seen: { top: number; height: number },
	rows: number,
	width: number,
	height: number,
): Rect {
	const scale = width / Math.max(whole.end - whole.start, 1e-6);
	const tall = Math.max(rows * ROW, 1);
	const y = Math.min(1, seen.top / tall) * height;
	return {
		x: (shown.start - whole.start) * scale,
		y,
		width: Math.max(2, (shown.end - shown.start) * scale),
		height: Math.max(4, Math.min(1, seen.height / tall) * height),
	};
}

/** Where the duration of a bar is written, so that it never lies across the edge of one. */
export interface Label {
	x: number;
	/** Whether it stands on the bar itself, in the colour of paper. */
	isInside: boolean;
}

const LABEL_GAP = 6;

/** Return where a label of some width goes: after the bar, else before it, else on it; or nowhere. */
export function placeLabel(bar: Rect, wide: number, width: number): Label | null {
	const after = bar.x + bar.width + LABEL_GAP;
	if (after >= 0 && after + wide <= width) return { x: after, isInside: false };
	const before = bar.x - LABEL_GAP - wide;
	if (before >= 0 && before + wide <= width) return { x: before, isInside: false };
	const from = Math.max(bar.x, 0);
	const to = Math.min(bar.x + bar.width, width);
	return to - from >= wide + 2 * LABEL_GAP ? { x: to - LABEL_GAP - wide, isInside: true } : null;
}

/** Return the time that a trace takes. */
export function wholeOf(rows: readonly Row[]): Range {
	let start = Number.POSITIVE_INFINITY;
	let end = Number.NEGATIVE_INFINITY;
	for (const row of rows) {
		start = Math.min(start, row.start);
		end = Math.max(end, row.end);
	}
	if (!Number.isFinite(start)) return { start: 0, end: 1 };
	return { start, end: end > start ? end : start + 0.001 };
}

/** Return a range moved into the whole, or null for all of it: what is as long as the whole is no part of it. */
export function within(whole: Range, { start, end }: Range): Range | null {
	const length = end - start;
	if (length >= whole.end - whole.start) return null;
	const from = Math.max(whole.start, Math.min(start, whole.end - length));
	return { start: from, end: from + length };
}

/** Return round moments of an axis between two, both in milliseconds from its start. */
export function ticksOf(from: number, to: number, width: number): number[] {
	const step = stepOf(to - from, width);
	// Zero is added so that the first is never a zero below zero.
	const first = Math.ceil(from / step - 1e-9) + 0;
	const ticks: number[] = [];
	// By whole steps: a sum of fractions would drift off the round moments.
	for (let at = first; at * step <= to + step * 1e-9 && ticks.length < 100; at += 1)
		ticks.push(at * step);
	return ticks;
}

/** Pixels that a moment of an axis needs to be read. */
const TICK_WIDTH = 110;

/** Steps that are round on a clock, in milliseconds. */
const CLOCK_STEPS = [10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200].map(
	(seconds) => seconds * 1000,
);

function stepOf(length: number, width: number): number {
	const most = Math.max(2, Math.floor(width / TICK_WIDTH));
	const rough = Math.max(length, 1e-6) / most;
	const power = 10 ** Math.floor(Math.log10(rough));
	// A little less than wanted is better than twice as much.
	const decimal =
		[1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.9) ?? rough;
	if (decimal < (CLOCK_STEPS[0] as number)) return decimal;
	return CLOCK_STEPS.find((each) => each >= rough) ?? Math.ceil(rough / 86_400_000) * 86_400_000;
}

const TICK_UNITS: readonly [name: string, ms: number][] = [
	["h", 3_600_000],
	["min", 60_000],
	["s", 1000],
	["ms", 1],
	["µs", 1e-3],
	["ns", 1e-6],
];

/** Return what to write at the moments of an axis: one unit for all, and digits that tell them apart. */
export function sayTicks(ticks: readonly number[]): string[] {
	const last = Math.max(...ticks.map(Math.abs), 0);
	const step = ticks.length > 1 ? Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0)) : last;
	// Minutes and hours only where the steps are whole ones.
	const [name, ms] = TICK_UNITS.find((each) => (each[1] > 1000 ? step : last) >= each[1]) ?? [
		"ns",
		1e-6,
	];
	const digits = Math.max(
		0,
		Math.min(9, -Math.floor(Math.log10(Math.max(step / ms, 1e-9)) + 1e-9)),
	);
	return ticks.map((tick) => (tick === 0 ? "0" : `${(tick / ms).toFixed(digits)} ${name}`));
}
