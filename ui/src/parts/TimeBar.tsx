/** The time of everything on the page: how much there is and when, the range, the cursor. */

import { useEffect, useState } from "preact/hooks";
import { addressOf, get } from "../api/client";
import { lostSince } from "../api/reach";
import type { Density } from "../api/schema";
import { colour, Drawing, paintMoment, type Rect } from "../canvas/Drawing";
import { useAnswer } from "../state/answer";
import { addKeys } from "../state/keys";
import { param } from "../state/place";
import { watchStanding } from "../state/standing";
import {
	cursor,
	isPaused,
	isPlaying,
	LAST_DEFAULT,
	type Mode,
	mode,
	moveCursor,
	now,
	range,
	rangeKey,
	rangeQuery,
	readTime,
	type Span,
	showLast,
	showSpan,
	window_,
} from "../state/time";
import { CopyMenu } from "./CopyMenu";
import { Away, Partial, Place } from "./States";
import { isOneDay, sayCount, sayMany, sayTime } from "./words";

const CHOICES = ["5m", "15m", "1h", "6h", "1d", "7d", "30d"];

const HEIGHT = 34;

const MODES: Record<Mode, string> = {
	following: "● following",
	paused: "‖ paused",
	playing: "▶ playing",
};

/** How many steps the cursor takes through the range when it plays. */
const PLAY_STEPS = 300;
const PLAY_EVERY_MS = 100;

export function TimeBar() {
	const shown = window_.value;
	const density = useAnswer(rangeKey.value, (until) =>
		get("/api/v1/density", { query: rangeQuery(), until }),
	);
	useEffect(() => watchStanding(), []);
	useEffect(() => {
		if (!isPlaying.value) return;
		const timer = window.setInterval(() => {
			const { start, end } = window_.value;
			const at = cursor.value;
			// A range that was chosen meanwhile may lie elsewhere.
			const from = at === null || at < start || at > end ? start : at;
			const next = from + (end - start) / PLAY_STEPS;
			if (next >= end) {
				isPlaying.value = false;
				moveCursor(end);
			} else {
				moveCursor(next);
			}
		}, PLAY_EVERY_MS);
		return () => window.clearInterval(timer);
	}, [isPlaying.value]);
	useEffect(
		() =>
			addKeys([
				{ keys: "p", what: "Play or pause the cursor", act: togglePlay },
				{ keys: "l", what: "Follow what comes, or pause", act: toggleFollow },
				{ keys: "z", what: "Zoom out", act: zoomOut },
				{ keys: "Escape", what: "Take the cursor away", act: dropCursor },
			]),
		[],
	);
	const [pointed, setPointed] = useState<number | null>(null);
	const momentAt = (x: number) => {
		const width = document.querySelector(".timebar .drawing")?.clientWidth ?? 1;
		return shown.start + (x / width) * (shown.end - shown.start);
	};
	const said = density.data === undefined ? "" : sayDensity(density.data);
	return (
		<footer class={`timebar ${density.problem || lostSince.value !== null ? "is-stale" : ""}`}>
			<Away />
			<Place />
			<Partial />
			<div class="modes">
				<button
					type="button"
					class="mode"
					aria-pressed={mode.value === "following"}
					title="Follow what comes, or pause (l)"
					onClick={toggleFollow}
				>
					{MODES[mode.value]}
				</button>
				<button
					type="button"
					aria-pressed={mode.value === "playing"}
					aria-label="Play"
					title="Let the cursor walk through the range (p)"
					onClick={togglePlay}
				>
					{isPlaying.value ? "‖" : "▶"}
				</button>
			</div>
			<div class="density">
				<Drawing<Column>
					label={`Density over time. ${said}`}
					height={HEIGHT}
					layout={(size) =>
						density.data === undefined ? [] : layoutDensity(density.data, shown, size.width, HEIGHT)
					}
					paint={(context, columns, size) =>
						paintDensity(context, columns, size.width, shown, [
							[readTime(param("from")), "accent"],
							[cursor.value, "focus"],
						])
					}
					onPoint={(_, x, y) => setPointed(x === 0 && y === 0 ? null : x)}
					onPick={(_, x) => moveCursor(momentAt(x))}
					onBrush={(from, to) => showSpan(part(shown, from, to))}
					of={[density.data, shown, cursor.value, param("from")]}
				/>
				{pointed !== null && density.data !== undefined && (
					<div class="moment small" style={{ "--at": `${pointed}px` }} aria-hidden="true">
						{sayBucket(density.data, momentAt(pointed), now.value)}
					</div>
				)}
			</div>
			<div class="bar">
				<CopyMenu
					of="the density"
					isLow
					sql={densitySql(shown, density.data?.bucket_ms)}
					url={addressOf("/api/v1/density", {}, rangeQuery())}
				/>
				<span class="small soft at" title={said}>
					{cursor.value !== null
						? `at ${sayTime(cursor.value, now.value)}`
						: range.value.kind === "fixed"
							? sayRange(shown, now.value)
							: sayTime(shown.end, now.value, { fraction: false })}
				</span>
				<select
					aria-label="Range"
					value={range.value.kind === "last" ? range.value.text : ""}
					onChange={(event) => showLast(event.currentTarget.value || LAST_DEFAULT)}
				>
					{range.value.kind === "fixed" && <option value="">chosen range</option>}
					{range.value.kind === "last" && !CHOICES.includes(range.value.text) && (
						<option value={range.value.text}>last {range.value.text}</option>
					)}
					{CHOICES.map((each) => (
						<option key={each} value={each}>
							last {each}
						</option>
					))}
				</select>
			</div>
		</footer>
	);
}

export function toggleFollow(): void {
	isPlaying.value = false;
	if (range.value.kind === "fixed") showLast(LAST_DEFAULT);
	else {
		isPaused.value = !isPaused.value;
		if (!isPaused.value) now.value = Date.now();
	}
}

export function togglePlay(): void {
	isPlaying.value = !isPlaying.value;
	const [{ start, end }, at] = [window_.value, cursor.value];
	// From where it stands; from the beginning where it has no further way to go.
	if (isPlaying.value && (at === null || at < start || at >= end)) moveCursor(start);
}

export function dropCursor(): void {
	isPlaying.value = false;
	moveCursor(null);
}

export function zoomOut(): void {
	const { start, end } = window_.value;
	const half = (end - start) / 2;
	showSpan({ start: start - half, end: end + half });
}

/** Return a part of a range, by shares of it. */
export function part({ start, end }: Span, from: number, to: number): Span {
	return { start: start + from * (end - start), end: start + to * (end - start) };
}

interface Column extends Rect {
	kind: "spans" | "logs" | "errors";
}

/** Return columns, spans above logs from one ground; errors as the red part of spans. Pure. */
export function layoutDensity(
	density: Density,
	shown: Span,
	width: number,
	height: number,
): Column[] {
	const first = Date.parse(density.start);
	const step = density.bucket_ms;
	const scale = width / (shown.end - shown.start);
	const tallest = Math.max(1, ...density.spans.map((spans, at) => spans + (density.logs[at] ?? 0)));
	// A root brings out what is rare beside what is common.
	const tall = (count: number) =>
		count === 0 ? 0 : Math.max(1.5, Math.sqrt(count / tallest) * height);
	return density.spans.flatMap((spans, at) => {
		const x = (first + at * step - shown.start) * scale;
		const wide = Math.max(1, step * scale - 1);
		const logs = density.logs[at] ?? 0;
		const errors = density.errors[at] ?? 0;
		const whole = tall(spans + logs);
		const below = spans + logs === 0 ? 0 : whole * (logs / (spans + logs));
		const red =
			errors === 0 ? 0 : Math.max(2, (whole - below) * Math.min(1, errors / Math.max(spans, 1)));
		const columns: Column[] = [];
		if (whole > below)
			columns.push({ kind: "spans", x, y: height - whole, width: wide, height: whole - below });
		if (below > 0) columns.push({ kind: "logs", x, y: height - below, width: wide, height: below });
		if (red > 0) columns.push({ kind: "errors", x, y: height - whole, width: wide, height: red });
		return columns;
	});
}

function paintDensity(
	context: CanvasRenderingContext2D,
	columns: readonly Column[],
	width: number,
	shown: Span,
	cursors: readonly (readonly [number | null, string])[],
): void {
	const colours = { spans: colour("hue-0"), logs: colour("line-strong"), errors: colour("bad") };
	for (const each of columns) {
		context.fillStyle = colours[each.kind];
		context.fillRect(each.x, each.y, each.width, each.height);
	}
	// The moment that is compared with, and over it the one that is shown.
	for (const [at, name] of cursors)
		paintMoment(context, at, shown, { x: 0, y: 0, width, height: HEIGHT }, name);
}

/** Statement for what the bar draws of spans. */
function densitySql({ start, end }: Span, bucketMs = 60_000): string {
	const [from, to] = [Math.floor(start), Math.ceil(end)];
	const at = `toStartOfInterval(Timestamp, INTERVAL ${bucketMs} MILLISECOND)`;
	return (
		`SELECT ${at} AS at, count() AS spans, countIf(StatusCode = 'Error') AS errors FROM otel_traces` +
		` WHERE Timestamp >= fromUnixTimestamp64Milli(${from})` +
		` AND Timestamp < fromUnixTimestamp64Milli(${to}) GROUP BY at ORDER BY at`
	);
}

/** From when to when; the day is told once where it is one. Pure. */
export function sayRange({ start, end }: Span, clock: number): string {
	const [from, to] = [start, end].map((at) => sayTime(at, clock, { fraction: false }));
	return `${from} – ${isOneDay(start, end) ? to?.split(" ").at(-1) : to}`;
}

/** What came at a moment. Pure. */
export function sayBucket(density: Density, at: number, clock: number): string {
	const bucket = Math.floor((at - Date.parse(density.start)) / density.bucket_ms);
	const [spans, errors, logs] = [density.spans, density.errors, density.logs].map(
		(counts) => counts[bucket] ?? 0,
	) as [number, number, number];
	const counted = [
		...(spans > 0 ? [sayMany(spans, "span")] : []),
		...(errors > 0 ? [`${sayCount(errors)} failed`] : []),
		...(logs > 0 ? [sayMany(logs, "log record")] : []),
	];
	const what = counted.length > 0 ? counted.join(", ") : "nothing came";
	return `${sayTime(at, clock, { fraction: false })}: ${what}`;
}

function sayDensity(density: Density): string {
	const sum = (counts: readonly number[]) => counts.reduce((all, each) => all + each, 0);
	const [spans, logs] = [sum(density.spans), sum(density.logs)];
	return `${sayMany(spans, "span")}, ${sayCount(sum(density.errors))} failed, ${sayMany(logs, "log record")}`;
}
