/** The time that every pane shows: one range, one cursor, and whether they move by themselves. */

import { computed, signal } from "@preact/signals";
import { change, param } from "./place";

export const LAST_DEFAULT = "1h";

/** How often what is followed is asked for anew: often enough to be believed, cheap enough to leave open. */
export const TICK_MS = 5_000;

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A range of milliseconds since 1970. */
export interface Span {
	start: number;
	end: number;
}

export type Range = { kind: "last"; text: string; ms: number } | ({ kind: "fixed" } & Span);

/** The clock of the page; moves while something is followed. */
export const now = signal(Date.now());

/** paused: nothing moves. following: the range ends now. playing: the cursor walks through it. */
export type Mode = "paused" | "following" | "playing";

export const isPaused = signal(false);
export const isPlaying = signal(false);

export const range = computed<Range>(() => {
	const start = readTime(param("start"));
	const end = readTime(param("end"));
	if (start !== null && end !== null && start < end) return { kind: "fixed", start, end };
	const text = param("last") ?? LAST_DEFAULT;
	const ms = readDuration(text);
	return ms === null
		? { kind: "last", text: LAST_DEFAULT, ms: 3_600_000 }
		: { kind: "last", text, ms };
});

export const mode = computed<Mode>(() => {
	if (isPlaying.value) return "playing";
	return range.value.kind === "last" && !isPaused.value ? "following" : "paused";
});

/** The range in milliseconds, as it is on the screen. */
export const window_ = computed<Span>(() => {
	const shown = range.value;
	if (shown.kind === "fixed") return { start: shown.start, end: shown.end };
	return { start: now.value - shown.ms, end: now.value };
});

/** The moment that panes about one moment show; null is the end of the range. */
export const cursor = computed<number | null>(() => readTime(param("at")));

/** The same as the address has it: milliseconds in a number do not hold a writer's nanoseconds. */
export const cursorTime = computed<string | null>(() =>
	cursor.value === null ? null : param("at"),
);

/** The range as parameters of the server. */
export function rangeQuery(): { last: string } | { start: string; end: string } {
	const shown = range.value;
	if (shown.kind === "last" && !isPaused.value) return { last: shown.text };
	const { start, end } = window_.value;
	return { start: writeTime(start), end: writeTime(end) };
}

/** What changes when an answer about the range is to be asked for anew. */
export const rangeKey = computed<string>(() =>
	JSON.stringify([rangeQuery(), mode.value === "following" ? now.value : 0]),
);

export function showLast(text: string): void {
	isPaused.value = false;
	change({ last: text, start: null, end: null });
}

export function showSpan({ start, end }: Span): void {
	change({ last: null, start: writeTime(start), end: writeTime(end) });
}

/** Move the cursor; the time of an event goes as it was told, so that the event is in what is shown. */
export function moveCursor(at: number | string | null): void {
	change({ at: typeof at === "number" ? writeTime(at) : at }, { replace: true });
}

/** Let the clock of the page run; the answer stops it. */
export function runClock(): () => void {
	const tick = () => {
		if (mode.value === "following" && !document.hidden) now.value = Date.now();
	};
	const timer = window.setInterval(tick, TICK_MS);
	document.addEventListener("visibilitychange", tick);
	return () => {
		window.clearInterval(timer);
		document.removeEventListener("visibilitychange", tick);
	};
}

/** Return milliseconds of `15m`, `2h`, `7d`, `1w`, or null. */
export function readDuration(text: string): number | null {
	const found = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text.trim());
	const unit = found === null ? undefined : UNITS[found[2] as string];
	if (found === null || unit === undefined) return null;
	const ms = Number(found[1]) * unit * 1000;
	return ms > 0 ? ms : null;
}

/** Return milliseconds since 1970 of a time as documents write it, or null. */
export function readTime(text: string | null | undefined): number | null {
	if (!text) return null;
	const whole = Date.parse(text.replace(/\.\d+/, ""));
	if (Number.isNaN(whole)) return null;
	// Date knows milliseconds; a span may be shorter than that.
	const fraction = /\.(\d+)/.exec(text);
	return fraction === null ? whole : whole + Number(`0.${fraction[1]}`) * 1000;
}

/** Return nanoseconds since 1970 of a time as documents write it, or null. */
export function readNanos(text: string | null | undefined): bigint | null {
	const whole = text ? Date.parse(text.replace(/\.\d+/, "")) : Number.NaN;
	if (!text || Number.isNaN(whole)) return null;
	const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
	return BigInt(whole) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/** Return a time as the server reads it, to the microsecond. */
export function writeTime(ms: number): string {
	const whole = Math.floor(ms);
	const micros = Math.min(999, Math.round((ms - whole) * 1000));
	const text = new Date(whole).toISOString();
	return micros === 0 ? text : text.replace("Z", `${String(micros).padStart(3, "0")}Z`);
}

/** No pane shows more points than that, so nothing new is seen before so much of the range went by. */
const POINTS = 120;

/** Even of a long range something is renewed this often. */
const SLOW_MS_MAX = 60_000;

/** As `rangeKey`, for what is costly to ask: it changes when the picture would, not with each tick. */
export const slowRangeKey = computed<string>(() => {
	const shown = range.value;
	if (shown.kind === "fixed" || mode.value !== "following") return rangeKey.value;
	const step = Math.max(TICK_MS, Math.min(SLOW_MS_MAX, shown.ms / POINTS));
	return JSON.stringify([shown.text, Math.floor(now.value / step)]);
});
