/** Traces that were found: by time and duration, and as a list. */

import { useMemo, useState } from "preact/hooks";
import { get } from "../../api/client";
import type { TraceList, TraceSummary } from "../../api/schema";
import { colour, Drawing, paintMoment, type Rect } from "../../canvas/Drawing";
import { Moment } from "../../parts/Moment";
import { Rows } from "../../parts/Rows";
import { sayDuration, sayMany, sayTime } from "../../parts/words";
import { change, go, linkTo, param } from "../../state/place";
import { cursor, now, rangeQuery, type Span, showSpan, window_, writeTime } from "../../state/time";
import { Different } from "./Different";
import { useMore } from "./more";
import { type Filters, LIMIT } from "./query";
import { Count } from "./Results";
import {
	type Axis,
	axisOf,
	type Box,
	boxAt,
	type Dot,
	DURATIONS,
	heightOf,
	isWithin,
	layoutDots,
	readBox,
	writeBox,
} from "./scatter";

const SCATTER_HEIGHT = 150;

/** From so many dots on they overlap: each is fainter, and where there are many it is dark. */
const MANY_DOTS = 150;

interface TracesProps {
	found: TraceList;
	filters: Filters;
	about: string;
}

export function Traces({ found, filters, about }: TracesProps) {
	const order = param("order") === "slowest" ? "slowest" : "newest";
	const more = useMore<TraceSummary>(
		// What is slowest is there at once; what else there is took less.
		{ items: found.traces, next: order === "slowest" ? null : (found.next ?? null) },
		about,
		async (next, until) => {
			const query = { ...rangeQuery(), ...filters, view: "traces" as const, limit: LIMIT, next };
			const page = (await get("/api/v1/traces", { query, until })) as TraceList;
			return { items: page.traces, next: page.next ?? null };
		},
	);
	const box = readBox(param("box"));
	const within = box === null ? null : more.items.filter((each) => isWithin(each, box));
	const listed = within ?? more.items;
	const traces = useMemo(
		() =>
			order === "newest"
				? listed
				: [...listed].sort((one, other) => other.duration_ms - one.duration_ms),
		[more.items, param("box"), order],
	);
	const longest = traces.reduce((most, each) => Math.max(most, each.duration_ms), 0.001);
	return (
		<>
			<Scatter traces={more.items} shown={window_.value} box={box} />
			<div class="bar counted">
				{box === null && order === "slowest" ? (
					<span>the slowest: {sayMany(traces.length, "trace")}</span>
				) : box === null ? (
					<Count found={found} more={more} what="trace" />
				) : (
					<Chosen box={box} count={traces.length} />
				)}
				<span class="grow" />
				<select
					aria-label="Order"
					value={order}
					onChange={({ currentTarget: { value } }) =>
						change({ order: value === "slowest" ? value : null }, { replace: true })
					}
				>
					<option value="newest">newest first</option>
					<option value="slowest">slowest first</option>
				</select>
				<Different filters={filters} traces={more.items} box={box} />
			</div>
			<Rows
				items={traces}
				height={34}
				label="Traces"
				render={(trace) => (
					<a class="row" href={linkTo("trace", [trace.trace_id])}>
						<Moment at={trace.start_time} />
						<span class="service">{trace.service}</span>
						<span class="grow cut">{trace.operation}</span>
						{trace.error_count > 0 && <span class="tag bad">{trace.error_count} failed</span>}
						<span class="soft small">{sayMany(trace.span_count, "span")}</span>
						<span class="length" aria-hidden="true">
							<span style={{ width: `${(trace.duration_ms / longest) * 100}%` }} />
						</span>
						<span class="duration">{sayDuration(trace.duration_ms)}</span>
					</a>
				)}
			/>
		</>
	);
}

/** What was drawn around, and what can be done with it. */
function Chosen({ box, count }: { box: Box; count: number }) {
	const durations = `${sayDuration(box.low)} to ${sayDuration(box.high)}`;
	const times = [box.start, box.end].map((at) => sayTime(at, now.value, { fraction: false }));
	return (
		<>
			<span>
				<b>{sayMany(count, "trace")}</b> of {durations}, {times.join(" to ")}
			</span>
			<button
				type="button"
				onClick={() =>
					change({
						box: null,
						last: null,
						start: writeTime(box.start),
						end: writeTime(box.end),
						min_duration_ms: String(Number(box.low.toPrecision(6))),
						max_duration_ms: String(Number(box.high.toPrecision(6))),
					})
				}
			>
				Look closer
			</button>
			<button
				type="button"
				title="The time of the box, whatever the duration"
				onClick={() => {
					showSpan(box);
					change({ box: null }, { replace: true });
				}}
			>
				This time
			</button>
			<button type="button" onClick={() => change({ box: null })}>
				Let go
			</button>
		</>
	);
}

interface ScatterProps {
	traces: readonly TraceSummary[];
	shown: Span;
	box: Box | null;
}

function Scatter({ traces, shown, box }: ScatterProps) {
	const [pointed, setPointed] = useState<TraceSummary | null>(null);
	const axis = useMemo(() => axisOf(traces), [traces]);
	return (
		<div class="scatter">
			<div class="axis small" aria-hidden="true">
				{DURATIONS.map((ms) => [ms, heightOf(ms, axis, SCATTER_HEIGHT)] as const)
					.filter(([, y]) => y >= 0 && y <= SCATTER_HEIGHT)
					.map(([ms, y]) => (
						<span key={ms} style={{ top: `${Math.max(7, Math.min(y, SCATTER_HEIGHT - 7))}px` }}>
							{ms < 1000 ? sayDuration(ms) : `${ms / 1000} s`}
						</span>
					))}
			</div>
			<Drawing<Dot>
				label={`${sayMany(traces.length, "trace")} by time and duration; the list below has every one`}
				height={SCATTER_HEIGHT}
				layout={(size) => layoutDots(traces, shown, size.width, size.height)}
				paint={(context, dots, size) => {
					paintAxis(context, axis, size.width, size.height);
					paintDots(context, dots, pointed);
					if (box !== null) paintBox(context, box, shown, axis, size);
					paintMoment(context, cursor.value, shown, { x: 0, y: 0, ...size });
				}}
				onPoint={(dot) => setPointed(dot?.trace ?? null)}
				onPick={(dot) => dot && go(linkTo("trace", [dot.trace.trace_id]))}
				onBox={(share: Rect) =>
					change({ box: writeBox(boxAt(share, shown, axis, SCATTER_HEIGHT)) })
				}
				of={[traces, pointed, shown, param("box"), cursor.value]}
			/>
			<div class="soft small cut pointed">
				{pointed === null
					? "A dot is a trace: click it, or draw a box around some."
					: `${pointed.service} · ${pointed.operation} · ${sayDuration(pointed.duration_ms)}`}
			</div>
		</div>
	);
}

function paintAxis(
	context: CanvasRenderingContext2D,
	axis: Axis,
	width: number,
	height: number,
): void {
	for (const ms of DURATIONS) {
		const y = heightOf(ms, axis, height);
		if (y < 0 || y > height) continue;
		context.fillStyle = colour("line");
		context.fillRect(0, y, width, 1);
	}
}

function paintDots(
	context: CanvasRenderingContext2D,
	dots: readonly Dot[],
	pointed: TraceSummary | null,
): void {
	const [well, bad] = [colour("hue-0"), colour("bad")];
	const faint = dots.length > MANY_DOTS ? 0.4 : 0.7;
	for (const dot of dots) {
		const isPointed = dot.trace === pointed;
		context.globalAlpha = isPointed ? 1 : faint;
		context.fillStyle = dot.trace.error_count > 0 ? bad : well;
		context.beginPath();
		const [x, y] = [dot.x + dot.width / 2, dot.y + dot.height / 2];
		context.arc(x, y, isPointed ? 5 : 3, 0, 2 * Math.PI);
		context.fill();
	}
	context.globalAlpha = 1;
}

function paintBox(
	context: CanvasRenderingContext2D,
	box: Box,
	shown: Span,
	axis: Axis,
	{ width, height }: { width: number; height: number },
): void {
	const scale = width / (shown.end - shown.start);
	const [x, right] = [box.start, box.end].map((at) => (at - shown.start) * scale) as [
		number,
		number,
	];
	const [y, bottom] = [box.high, box.low].map((ms) => heightOf(ms, axis, height)) as [
		number,
		number,
	];
	context.fillStyle = colour("focus");
	context.strokeStyle = colour("focus");
	context.globalAlpha = 0.12;
	context.fillRect(x, y, right - x, bottom - y);
	context.globalAlpha = 1;
	context.lineWidth = 1;
	context.strokeRect(x + 0.5, y + 0.5, right - x - 1, bottom - y - 1);
}
