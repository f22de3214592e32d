/** Traces by time and duration, as dots: the slow and the failed stand out. Pure. */

import type { TraceSummary } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";
import { readTime, type Span, writeTime } from "../../state/time";
import { asExpression, type Filters } from "./query";

export interface Dot extends Rect {
	trace: TraceSummary;
}

const DOT = 6;
const PAD = 4;

/** Ticks of the upright axis, in milliseconds. */
export const DURATIONS = [0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

export interface Axis {
	low: number;
	high: number;
}

/** Return the durations between which all dots lie, in logarithms of milliseconds. */
export function axisOf(traces: readonly TraceSummary[]): Axis {
	const logs = traces.map((each) => Math.log10(Math.max(each.duration_ms, 0.001)));
	const low = Math.min(...logs, 1);
	const high = Math.max(...logs, 2);
	return { low: low - 0.1, high: high + 0.1 };
}

/** Return where a duration lies, from the top. */
export function heightOf(durationMs: number, { low, high }: Axis, height: number): number {
	const share = (Math.log10(Math.max(durationMs, 0.001)) - low) / (high - low);
	return PAD + (1 - share) * (height - 2 * PAD);
}

export function layoutDots(
	traces: readonly TraceSummary[],
	shown: Span,
	width: number,
	height: number,
): Dot[] {
	const axis = axisOf(traces);
	const dots = traces.map((trace) => {
		const at = readTime(trace.start_time) ?? shown.start;
		const x = ((at - shown.start) / (shown.end - shown.start)) * width;
		const y = heightOf(trace.duration_ms, axis, height);
		// Whole at the edge, too: what came first or last is often what is looked for.
		const left = Math.max(0, Math.min(x - DOT / 2, width - DOT));
		return { trace, x: left, y: y - DOT / 2, width: DOT, height: DOT };
	});
	// Failed ones are painted last, so that none hides behind what is well.
	return dots.sort(
		(one, other) => Number(one.trace.error_count > 0) - Number(other.trace.error_count > 0),
	);
}

/** A part of the picture: a time, and durations. */
export interface Box extends Span {
	/** Milliseconds. */
	low: number;
	high: number;
}

/** Return the duration at a height, as `heightOf` places it. */
export function durationAt(y: number, { low, high }: Axis, height: number): number {
	const share = 1 - (y - PAD) / (height - 2 * PAD);
	return 10 ** (low + share * (high - low));
}

/** Return what a box of shares of the picture covers. */
export function boxAt(share: Rect, shown: Span, axis: Axis, height: number): Box {
	const wide = shown.end - shown.start;
	return {
		start: shown.start + share.x * wide,
		end: shown.start + (share.x + share.width) * wide,
		low: durationAt((share.y + share.height) * height, axis, height),
		high: durationAt(share.y * height, axis, height),
	};
}

export function isWithin(trace: TraceSummary, box: Box): boolean {
	const at = readTime(trace.start_time) ?? 0;
	const isThen = at >= box.start && at <= box.end;
	return isThen && trace.duration_ms >= box.low && trace.duration_ms <= box.high;
}

/** Return a box as a parameter of the address. */
export function writeBox({ start, end, low, high }: Box): string {
	const ms = (value: number) => String(Number(value.toPrecision(6)));
	return [writeTime(start), writeTime(end), ms(low), ms(high)].join("~");
}

export function readBox(text: string | null): Box | null {
	const [from, to, lowest, highest] = (text ?? "").split("~");
	const [start, end] = [readTime(from), readTime(to)];
	const [low, high] = [Number(lowest), Number(highest)];
	if (start === null || end === null || !Number.isFinite(low) || !(high > low)) return null;
	return { start, end, low, high };
}

/** More ids than these are too long for an expression of 4096 characters. */
const IDS_MAX = 100;

/** What sets a box apart from all that is outside of it, as the server is asked for it. */
export interface BoxQuestion {
	bad: string;
	/** The time of the box, where durations alone would not tell it from the rest. */
	time: Span | null;
}

/**
 * Return the expression of what a box holds. Few traces are named one by one, which is exactly what was
 * drawn around; many are told by their durations, within the time of the box.
 */
export function askAbout(box: Box, traces: readonly TraceSummary[], filters: Filters): BoxQuestion {
	const within = traces.filter((each) => isWithin(each, box));
	if (within.length <= IDS_MAX)
		return { bad: `trace_id IN (${within.map((each) => each.trace_id).join(", ")})`, time: null };
	const ms = (value: number) => `${Number(value.toPrecision(6))}ms`;
	const { min_duration_ms: _low, max_duration_ms: _high, ...others } = filters;
	const narrowed = asExpression(others);
	const duration = `duration >= ${ms(box.low)} AND duration <= ${ms(box.high)}`;
	return {
		bad: `${narrowed === "" ? "root" : narrowed} AND ${duration}`,
		time: { start: box.start, end: box.end },
	};
}
