/** Series over the time bar: lines, a drag that sets the time of everything, and the same as a table. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { SeriesList } from "../api/schema";
import { colour, paintMoment } from "../canvas/Drawing";
import { cursor, moveCursor, now, readTime, showSpan } from "../state/time";
import { sayClocks, sayTime } from "./words";

/** Series of one chart: more lines nobody tells apart. */
export const SERIES = 8;

const HEIGHT = 150;

/** Two lines of names; more are scrolled to. */
const LEGEND = 48;

/** A drag of fewer pixels was a click. */
const DRAG_MIN = 4;

/** The moment that every pane shows. */
function paintCursor(chart: uPlot): void {
	const { min = 0, max = 0 } = chart.scales.x ?? {};
	const { left, top, width, height } = chart.bbox;
	const shown = { start: min * 1000, end: max * 1000 };
	paintMoment(chart.ctx, cursor.peek(), shown, { x: left, y: top, width, height });
}

interface ChartProps {
	found: SeriesList;
	name: string;
	/** How a value is written, where a plain figure does not do. */
	say?: ((value: number) => string) | undefined;
}

export function Chart({ found, name, say }: ChartProps) {
	const frame = useRef<HTMLDivElement>(null);
	const drawn = useRef<uPlot | null>(null);
	// One line needs no names: it has their room.
	const height = found.series.length > 1 ? HEIGHT : HEIGHT + LEGEND;
	useEffect(() => {
		const element = frame.current;
		const first = found.series[0];
		if (element === null || first === undefined) return;
		const times = first.points.map(([at]) => (readTime(at) ?? 0) / 1000);
		const axis = { stroke: colour("ink-faint"), grid: { stroke: colour("line"), width: 1 } };
		const plot = new uPlot(
			{
				width: element.clientWidth,
				height,
				cursor: { drag: { x: true, y: false, setScale: false } },
				legend: { show: found.series.length > 1, live: false },
				axes: [
					{ ...axis, values: (_: uPlot, at: number[]) => sayClocks(at.map((each) => each * 1000)) },
					{
						...axis,
						size: say ? 68 : 56,
						...(say && { values: (_: uPlot, told: number[]) => told.map(say) }),
					},
				],
				series: [
					{},
					...found.series.map((each, at) => ({
						label: Object.values(each.labels).join(" ") || name,
						stroke: colour(`hue-${at % SERIES}`),
						width: 1.5,
						spanGaps: false,
						points: { show: each.points.filter(([, value]) => value !== null).length < 40 },
					})),
				],
				hooks: {
					draw: [paintCursor],
					setSelect: [
						(chart) => {
							const { left, width } = chart.select;
							if (width < DRAG_MIN) return;
							const start = chart.posToVal(left, "x") * 1000;
							showSpan({ start, end: chart.posToVal(left + width, "x") * 1000 });
						},
					],
				},
			},
			[times, ...found.series.map((each) => each.points.map(([, value]) => value))],
			element,
		);
		drawn.current = plot;
		// A drag chooses a range; a click is a moment.
		plot.over.addEventListener("click", (event) => {
			if (plot.select.width < DRAG_MIN) moveCursor(plot.posToVal(event.offsetX, "x") * 1000);
		});
		const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
		watch.observe(element);
		return () => {
			watch.disconnect();
			drawn.current = null;
			plot.destroy();
		};
	}, [found, name]);
	useEffect(() => drawn.current?.redraw(false), [cursor.value]);
	return (
		<>
			<div class="drawn" ref={frame} style={{ minHeight: `${HEIGHT + LEGEND}px` }} />
			<details class="small">
				<summary class="soft">as a table</summary>
				<div class="scroll">
					<table>
						<tbody>
							{found.series.flatMap((each) =>
								each.points
									.filter(([, value]) => value !== null)
									.map(([at, value]) => (
										<tr key={`${Object.values(each.labels).join(" ")} ${at}`}>
											<td class="mono soft">
												{sayTime(readTime(at) ?? 0, now.value, { fraction: false })}
											</td>
											<td>{Object.values(each.labels).join(" ")}</td>
											<td class="number">{say && value !== null ? say(value) : value}</td>
										</tr>
									)),
							)}
						</tbody>
					</table>
				</div>
			</details>
		</>
	);
}
