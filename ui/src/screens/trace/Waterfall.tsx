/** The waterfall: names on the left, bars on the right, one canvas, only what is seen is drawn. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { colour, Drawing, hueOf, hues } from "../../canvas/Drawing";
import { part } from "../../parts/TimeBar";
import { sayDuration } from "../../parts/words";
import { addKeys } from "../../state/keys";
import type { Span as Range } from "../../state/time";
import { layoutBars, layoutMap, ROW, type Row, ticksOf, unfolded, wholeOf } from "./layout";

interface WaterfallProps {
	rows: readonly Row[];
	selected: string | null;
	onSelect: (spanId: string) => void;
}

const NAMES_SHARE = 0.34;
const INDENT = 12;
const MAP_HEIGHT = 48;
const AXIS_HEIGHT = 20;

/** One step of the wheel. */
const ZOOM = 1.15;

export function Waterfall({ rows, selected, onSelect }: WaterfallProps) {
	const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
	const [zoomed, setZoomed] = useState<Range | null>(null);
	const [top, setTop] = useState(0);
	const frame = useRef<HTMLDivElement>(null);
	const whole = useMemo(() => wholeOf(rows), [rows]);
	const shownRows = useMemo(() => unfolded(rows, folded), [rows, folded]);
	const shown = zoomed ?? whole;
	const at = shownRows.findIndex((row) => row.span.span_id === selected);

	const fold = (spanId: string) =>
		setFolded((before) => {
			const after = new Set(before);
			if (!after.delete(spanId)) after.add(spanId);
			return after;
		});
	const step = (by: number) => {
		const row = shownRows[Math.max(0, Math.min(shownRows.length - 1, at + by))];
		if (row) onSelect(row.span.span_id);
	};
	useEffect(
		() =>
			addKeys([
				{ keys: "j", what: "Next span", act: () => step(1) },
				{ keys: "k", what: "Span before", act: () => step(-1) },
				{ keys: "ArrowDown", what: "Next span", act: () => step(1) },
				{ keys: "ArrowUp", what: "Span before", act: () => step(-1) },
				{ keys: "x", what: "Fold or unfold the span", act: () => selected && fold(selected) },
				{ keys: "e", what: "Next failed span", act: () => nextFailed() },
				{ keys: "w", what: "Zoom in", act: () => zoom(1 / ZOOM ** 2, 0.5) },
				{ keys: "s", what: "Zoom out", act: () => zoom(ZOOM ** 2, 0.5) },
				{ keys: "a", what: "Move left", act: () => pan(-0.2) },
				{ keys: "d", what: "Move right", act: () => pan(0.2) },
				{ keys: "0", what: "The whole trace", act: () => setZoomed(null) },
			]),
		[shownRows, at, shown, selected],
	);
	const nextFailed = () => {
		const after = [...shownRows.slice(at + 1), ...shownRows.slice(0, at + 1)];
		const row = after.find((each) => each.span.status === "error");
		if (row) onSelect(row.span.span_id);
	};
	const zoom = (by: number, about: number) => {
		const length = Math.min((shown.end - shown.start) * by, whole.end - whole.start);
		const middle = shown.start + about * (shown.end - shown.start);
		const start = Math.max(whole.start, Math.min(middle - about * length, whole.end - length));
		setZoomed({ start, end: start + length });
	};
	const pan = (by: number) => {
		const length = shown.end - shown.start;
		const start = Math.max(whole.start, Math.min(shown.start + by * length, whole.end - length));
		setZoomed({ start, end: start + length });
	};
	useEffect(() => {
		const element = frame.current;
		if (element === null || at < 0) return;
		const y = at * ROW;
		if (y < element.scrollTop) element.scrollTop = y;
		else if (y + ROW > element.scrollTop + element.clientHeight)
			element.scrollTop = y + ROW - element.clientHeight;
	}, [at]);

	return (
		<div class="waterfall">
			<Drawing
				label="The whole trace at a glance; drag to look closer"
				height={MAP_HEIGHT}
				layout={(size) => layoutMap(rows, whole, size.width, size.height)}
				paint={(context, bars, size) => {
					const all = hues();
					const bad = colour("bad");
					for (const bar of bars) {
						context.fillStyle = bar.isFailed ? bad : (all[hueOf(bar.row.span.service)] ?? "");
						context.fillRect(bar.x, bar.y, bar.width, bar.height);
					}
					if (zoomed === null) return;
					const scale = size.width / (whole.end - whole.start);
					context.fillStyle = colour("focus");
					context.globalAlpha = 0.2;
					context.fillRect(
						(shown.start - whole.start) * scale,
						0,
						Math.max(2, (shown.end - shown.start) * scale),
						size.height,
					);
					context.globalAlpha = 1;
				}}
				onBrush={(from, to) => setZoomed(part(whole, from, to))}
				of={[rows, zoomed]}
			/>
			<div
				class="spans"
				ref={frame}
				role="listbox"
				aria-label="Spans"
				aria-activedescendant={selected === null ? undefined : `span-${selected}`}
				tabIndex={0}
				onScroll={(event) => setTop(event.currentTarget.scrollTop)}
			>
				<div style={{ height: `${AXIS_HEIGHT + shownRows.length * ROW}px` }}>
					<div class="stuck">
						<Drawing
							label={`Waterfall of ${rows.length} spans; the list of names beside it is its text`}
							height="fill"
							layout={(size) => {
								const names = size.width * NAMES_SHARE;
								const bars = layoutBars(
									shownRows,
									shown,
									size.width - names,
									top,
									size.height - AXIS_HEIGHT,
								);
								// The whole line can be pointed at, its bar is painted within.
								return bars.map((bar) => ({
									x: 0,
									y: bar.y + AXIS_HEIGHT,
									width: size.width,
									height: ROW,
									bar,
								}));
							}}
							paint={(context, lines, size) => {
								const names = size.width * NAMES_SHARE;
								paintAxis(context, shown, names, size.width, size.height);
								const look = lookOf();
								for (const { bar, y } of lines)
									paintLine(context, bar, y, names, size.width, look, selected);
							}}
							onPick={(line, x) => {
								if (line === null) return;
								const { row } = line.bar;
								const mark = row.depth * INDENT;
								if (row.below > 0 && x >= mark && x < mark + 16) fold(row.span.span_id);
								else onSelect(row.span.span_id);
							}}
							onWheel={(event, x, width) => {
								if (!(event.ctrlKey || event.metaKey)) return;
								event.preventDefault();
								const about = (x - width * NAMES_SHARE) / (width * (1 - NAMES_SHARE));
								zoom(event.deltaY > 0 ? ZOOM : 1 / ZOOM, Math.max(0, Math.min(1, about)));
							}}
							of={[shownRows, shown, top, selected]}
						/>
					</div>
				</div>
			</div>
			{at >= 0 && (
				<p class="hidden" aria-live="polite" id={`span-${selected}`}>
					{describe(shownRows[at])}
				</p>
			)}
		</div>
	);
}

/** What a screen reader hears of the span that is selected. */
function describe(row: Row | undefined): string {
	if (row === undefined) return "";
	const { span } = row;
	const failed = span.status === "error" ? ", failed" : "";
	return `${span.service} ${span.operation}, ${sayDuration(span.duration_ms)}${failed}, level ${row.depth + 1}`;
}

interface Look {
	ink: string;
	soft: string;
	bad: string;
	wash: string;
	line: string;
	critical: string;
	hues: string[];
	font: string;
}

function lookOf(): Look {
	const font = getComputedStyle(document.body).fontFamily;
	return {
		ink: colour("ink"),
		soft: colour("ink-soft"),
		bad: colour("bad"),
		wash: colour("accent-wash"),
		line: colour("line"),
		critical: colour("ink"),
		hues: hues(),
		font,
	};
}

function paintAxis(
	context: CanvasRenderingContext2D,
	shown: Range,
	names: number,
	width: number,
	height: number,
): void {
	const length = shown.end - shown.start;
	context.font = "11px sans-serif";
	context.textBaseline = "middle";
	for (const tick of ticksOf(length, width - names)) {
		const x = names + (tick / length) * (width - names);
		context.fillStyle = colour("line");
		context.fillRect(x, 0, 1, height);
		context.fillStyle = colour("ink-faint");
		context.fillText(sayDuration(tick), x + 4, AXIS_HEIGHT / 2);
	}
}

function paintLine(
	context: CanvasRenderingContext2D,
	bar: ReturnType<typeof layoutBars>[number],
	y: number,
	names: number,
	width: number,
	look: Look,
	selected: string | null,
): void {
	const { row } = bar;
	const { span } = row;
	const middle = y + ROW / 2;
	if (span.span_id === selected) {
		context.fillStyle = look.wash;
		context.fillRect(0, y, width, ROW);
	}
	context.save();
	context.beginPath();
	context.rect(0, y, names - 6, ROW);
	context.clip();
	const x = row.depth * INDENT;
	context.textBaseline = "middle";
	context.font = `12px ${look.font}`;
	context.fillStyle = look.hues[hueOf(span.service)] ?? look.ink;
	context.fillRect(x + 14, y + 4, 3, ROW - 8);
	if (row.below > 0) {
		context.fillStyle = look.soft;
		context.fillText(row.isCollapsed ? "▸" : "▾", x + 2, middle);
	}
	context.fillStyle = bar.isFailed ? look.bad : look.ink;
	context.fillText(span.operation, x + 22, middle);
	const after = x + 28 + context.measureText(span.operation).width;
	context.fillStyle = look.soft;
	context.fillText(
		row.isCollapsed ? `${span.service} · ${row.below} below` : span.service,
		after,
		middle,
	);
	context.restore();
	context.save();
	context.beginPath();
	context.rect(names, y, width - names, ROW);
	context.clip();
	context.fillStyle = bar.isFailed ? look.bad : (look.hues[hueOf(span.service)] ?? look.ink);
	context.fillRect(names + bar.x, y + 5, bar.width, ROW - 10);
	if (bar.isCritical) {
		context.fillStyle = look.critical;
		context.fillRect(names + bar.x, y + ROW - 5, bar.width, 2);
	}
	context.fillStyle = look.soft;
	context.font = `11px ${look.font}`;
	const words = sayDuration(span.duration_ms);
	const wide = context.measureText(words).width;
	const right = bar.x + bar.width + 6;
	if (right + wide < width - names) context.fillText(words, names + right, middle);
	else context.fillText(words, names + Math.max(2, bar.x - wide - 6), middle);
	context.restore();
}
