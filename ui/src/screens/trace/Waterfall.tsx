/** The waterfall: names on the left, bars on the right, one canvas, only what is seen is drawn. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Comment, LogRecord } from "../../api/schema";
import { assignHues, Drawing } from "../../canvas/Drawing";
import { sayCount, sayDuration, sayMany } from "../../parts/words";
import { addKeys } from "../../state/keys";
import { change, linkTo, param } from "../../state/place";
import { cursor, type Span as Range } from "../../state/time";
import { layoutBars, ROW, type Row, unfolded, wholeOf, within } from "./layout";
import { Minimap } from "./Minimap";
import { arrowsOf, marksOf, placeMarks } from "./marks";
import { AXIS_HEIGHT, indentOf, type Line, lookOf, paintWaterfall } from "./paint";

interface WaterfallProps {
	rows: readonly Row[];
	logs: readonly LogRecord[];
	comments: readonly Comment[];
	selected: string | null;
	onSelect: (spanId: string) => void;
}

/** The part of the width that names take: more of it where there is little. */
const NAMES_SHARE = 0.34;
const NAMES_SHARE_NARROW = 0.42;
const NARROW = 560;

/** One step of the wheel. */
const ZOOM = 1.15;

/** Nothing can be told apart below a microsecond. */
const LENGTH_MIN_MS = 0.001;

/** Pixels around a mark in which it is pointed at. */
const NEAR = 9;

export function Waterfall({ rows, logs, comments, selected, onSelect }: WaterfallProps) {
	const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
	const [zoomed, setZoomed] = useState<Range | null>(null);
	const [seen, setSeen] = useState({ top: 0, height: 0 });
	const [pointed, setPointed] = useState("");
	const frame = useRef<HTMLElement>(null);
	const whole = useMemo(() => wholeOf(rows), [rows]);
	const shownRows = useMemo(() => unfolded(rows, folded), [rows, folded]);
	const marks = useMemo(() => marksOf(rows, logs, comments), [rows, logs, comments]);
	const hueOf = useMemo(() => assignHues(rows.map((row) => row.span.service)), [rows]);
	const arrows = useMemo(() => arrowsOf(shownRows, selected), [shownRows, selected]);
	const at = useMemo(
		() => shownRows.findIndex((row) => row.span.span_id === selected),
		[shownRows, selected],
	);
	const font = useMemo(() => getComputedStyle(document.body).fontFamily, []);
	const shown = zoomed ?? whole;
	const tall = AXIS_HEIGHT + shownRows.length * ROW;
	const onlyCritical = param("critical") === "true";
	const hasCritical = useMemo(() => rows.some((row) => row.span.critical_path === true), [rows]);

	const fold = (spanId: string) =>
		setFolded((before) => {
			const after = new Set(before);
			if (!after.delete(spanId)) after.add(spanId);
			return after;
		});
	// Asked of the address: the second of two quick keys comes before the first is drawn.
	const indexNow = () => shownRows.findIndex((row) => row.span.span_id === param("span"));
	const step = (by: number) => {
		const row = shownRows[Math.max(0, Math.min(shownRows.length - 1, indexNow() + by))];
		if (row) onSelect(row.span.span_id);
	};
	const nextOf = (isWanted: (row: Row) => boolean) => {
		const from = indexNow();
		for (let by = 1; by <= shownRows.length; by += 1) {
			const row = shownRows[(from + by) % shownRows.length];
			if (row && isWanted(row)) return onSelect(row.span.span_id);
		}
	};
	const look = (wanted: (before: Range) => Range) =>
		setZoomed((before) => within(whole, wanted(before ?? whole)));
	const zoom = (by: number, about: number) =>
		look(({ start, end }) => {
			const length = Math.max(LENGTH_MIN_MS, (end - start) * by);
			const from = start + about * (end - start - length);
			return { start: from, end: from + length };
		});
	const pan = (by: number) =>
		look(({ start, end }) => ({
			start: start + by * (end - start),
			end: end + by * (end - start),
		}));
	const toggleCritical = () =>
		change({ critical: param("critical") === "true" ? null : "true" }, { replace: true });
	useEffect(
		() =>
			addKeys([
				{ keys: "j", what: "Next span", act: () => step(1) },
				{ keys: "k", what: "Span before", act: () => step(-1) },
				{ keys: "ArrowDown", what: "Next span", act: () => step(1) },
				{ keys: "ArrowUp", what: "Span before", act: () => step(-1) },
				{ keys: "x", what: "Fold or unfold the span", act: () => selected && fold(selected) },
				{
					keys: "e",
					what: "Next failed span",
					act: () => nextOf((row) => row.span.status === "error"),
				},
				{ keys: "c", what: "Show the critical path alone", act: toggleCritical },
				{
					keys: "n",
					what: "Next span on the critical path",
					act: () => nextOf((row) => row.span.critical_path === true),
				},
				{ keys: "w", what: "Zoom in", act: () => zoom(1 / ZOOM ** 2, 0.5) },
				{ keys: "s", what: "Zoom out", act: () => zoom(ZOOM ** 2, 0.5) },
				{ keys: "a", what: "Move left", act: () => pan(-0.2) },
				{ keys: "d", what: "Move right", act: () => pan(0.2) },
				{ keys: "0", what: "The whole trace", act: () => setZoomed(null) },
			]),
		[shownRows, whole, selected],
	);
	useLayoutEffect(() => {
		const element = frame.current;
		if (element === null) return;
		const measure = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
		const watch = new ResizeObserver(measure);
		watch.observe(element);
		measure();
		return () => watch.disconnect();
	}, []);
	useEffect(() => {
		const element = frame.current;
		if (element === null || at < 0) return;
		const y = at * ROW;
		const room = element.clientHeight - AXIS_HEIGHT;
		if (y < element.scrollTop) element.scrollTop = y;
		else if (y + ROW > element.scrollTop + room) element.scrollTop = y + ROW - room;
	}, [at]);
	const scrollTo = (share: number) => {
		const element = frame.current;
		if (element) element.scrollTop = share * shownRows.length * ROW - element.clientHeight / 2;
	};

	return (
		<div class="waterfall">
			<div class="bar counted">
				{hasCritical && (
					<button
						type="button"
						aria-pressed={onlyCritical}
						title="What made the trace as long as it is (c)"
						onClick={toggleCritical}
					>
						Critical path
					</button>
				)}
				{zoomed !== null && (
					<button type="button" title="The whole trace (0)" onClick={() => setZoomed(null)}>
						Whole trace
					</button>
				)}
				<span class="small soft cut grow pointed-at">{pointed || LEGEND}</span>
			</div>
			<Minimap
				rows={shownRows}
				whole={whole}
				shown={shown}
				seen={{ top: seen.top, height: Math.max(0, seen.height - AXIS_HEIGHT) }}
				hueOf={hueOf}
				onZoom={setZoomed}
				onScroll={scrollTo}
			/>
			<section
				class="spans"
				style={{ "--tall": `${tall}px` }}
				ref={frame}
				aria-label="Spans; j and k go from one to the next"
				// biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable
				tabIndex={0}
				onScroll={(event) => {
					const { scrollTop, clientHeight } = event.currentTarget;
					setSeen({ top: scrollTop, height: clientHeight });
				}}
			>
				<div style={{ height: `${tall}px` }}>
					<div class="stuck" style={{ height: `${seen.height}px` }}>
						<Drawing<Line>
							label={`Waterfall of ${sayMany(rows.length, "span")}`}
							height="fill"
							layout={(size) => {
								const names = namesOf(size.width);
								const wide = size.width - names;
								const tall = size.height - AXIS_HEIGHT;
								return layoutBars(shownRows, shown, wide, seen.top, tall).map((bar) => ({
									x: 0,
									y: bar.y + AXIS_HEIGHT,
									width: size.width,
									height: ROW,
									bar,
									marks: placeMarks(marks.get(bar.row.span.span_id) ?? [], shown, wide),
								}));
							}}
							paint={(context, lines, size) =>
								paintWaterfall(context, lookOf(font), {
									lines,
									arrows,
									shown,
									start: whole.start,
									top: seen.top,
									names: namesOf(size.width),
									width: size.width,
									height: size.height,
									hueOf,
									selected,
									cursor: cursor.value,
									onlyCritical,
								})
							}
							onPoint={(line, x) => {
								const width = frame.current?.clientWidth ?? 0;
								setPointed(line === null ? "" : sayLine(line, x - namesOf(width), whole.start));
							}}
							onPick={(line, x) => {
								if (line === null) return;
								const { row } = line.bar;
								const width = frame.current?.clientWidth ?? 0;
								const mark = indentOf(row.depth, namesOf(width));
								if (row.below > 0 && x >= mark && x < mark + 16) fold(row.span.span_id);
								else onSelect(row.span.span_id);
							}}
							onWheel={(event, x, width) => {
								if (!(event.ctrlKey || event.metaKey)) return;
								event.preventDefault();
								const names = namesOf(width);
								const about = (x - names) / (width - names);
								zoom(event.deltaY > 0 ? ZOOM : 1 / ZOOM, Math.max(0, Math.min(1, about)));
							}}
							of={[
								...[shownRows, shown, seen, selected, marks, arrows, onlyCritical],
								cursor.value,
							]}
						/>
					</div>
				</div>
			</section>
			<Twin rows={shownRows} at={at} selected={selected} />
		</div>
	);
}

const LEGEND = "◇ event, ○ log record, red: failed; ▁ critical path; ↗ to another trace";

function namesOf(width: number): number {
	return width * (width < NARROW ? NAMES_SHARE_NARROW : NAMES_SHARE);
}

/** What is pointed at: a mark where there is one, else the span. */
function sayLine({ bar, marks }: Line, x: number, start: number): string {
	const { span } = bar.row;
	const near = marks.find((each) => Math.abs(each.x - x) <= NEAR);
	if (near) {
		const more = near.count > 1 ? ` (and ${near.count - 1} more here)` : "";
		return `+${sayDuration(near.mark.at - start)} ${near.mark.text}${more}`;
	}
	return `${span.service} · ${span.operation} · ${sayDuration(span.duration_ms)} from +${sayDuration(bar.row.start - start)}`;
}

/** Rows around the selected one that a screen reader can walk. */
const TWIN_ROWS = 20;

/** The same as the canvas, as text: what is selected is said, and what is around it can be read. */
function Twin(props: { rows: readonly Row[]; at: number; selected: string | null }) {
	const { rows, at } = props;
	const first = Math.max(0, at - TWIN_ROWS);
	const around = rows.slice(first, first + 2 * TWIN_ROWS);
	return (
		<div class="hidden">
			<p aria-live="polite">{describe(rows[at])}</p>
			<ol aria-label={`Spans from ${first + 1} of ${sayCount(rows.length)}`} start={first + 1}>
				{around.map((row) => (
					<li key={row.index}>
						<a
							tabIndex={-1}
							href={linkTo("trace", [row.span.trace_id], { span: row.span.span_id })}
							aria-current={row.span.span_id === props.selected ? "true" : undefined}
						>
							{describe(row)}
						</a>
					</li>
				))}
			</ol>
		</div>
	);
}

/** What a screen reader hears of a span. */
function describe(row: Row | undefined): string {
	if (row === undefined) return "";
	const { span } = row;
	const failed = span.status === "error" ? ", failed" : "";
	const critical = span.critical_path ? ", on the critical path" : "";
	return `${span.service} ${span.operation}, ${sayDuration(span.duration_ms)}${failed}${critical}, level ${row.depth + 1}`;
}
