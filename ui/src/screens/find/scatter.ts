/** Traces by time and duration, as dots: the slow and the failed stand out. Pure. */

import type { TraceSummary } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";
import { readTime, type Span } from "../../state/time";

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
		return { trace, x: x - DOT / 2, y: y - DOT / 2, width: DOT, height: DOT };
	});
	// Failed ones are painted last, so that none hides behind what is well.
	return dots.sort(
		(one, other) => Number(one.trace.error_count > 0) - Number(other.trace.error_count > 0),
	);
}
