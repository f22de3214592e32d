/** Series over the time bar: lines, a drag that sets the time of everything, and the same as a table. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { SeriesList } from "../api/schema";
import { colour } from "../canvas/Drawing";
import { now, readTime, showSpan } from "../state/time";
import { sayTime } from "./words";

/** Series of one chart: more lines nobody tells apart. */
export const SERIES = 8;

const HEIGHT = 150;

/** Two lines of names; more are scrolled to. */
const LEGEND = 48;

/** The clock of every other screen, rather than the library's of twelve hours. */
function sayTicks(_chart: uPlot, seconds: number[]): string[] {
	const length = (seconds.at(-1) ?? 0) - (seconds[0] ?? 0);
	return seconds.map((at) => {
		const told = sayTime(at * 1000, now.peek(), { fraction: false });
		// Seconds are told only where ticks lie nearer than a minute.
		return length > 600 ? told.slice(0, -3) : told;
	});
}

interface ChartProps {
	found: SeriesList;
	name: string;
	/** How a value is written, where a plain figure does not do. */
	say?: ((value: number) => string) | undefined;
}

export function Chart({ found, name, say }: ChartProps) {
	const frame = useRef<HTMLDivElement>(null);
	useEffect(() => {
		const element = frame.current;
		const first = found.series[0];
		if (element === null || first === undefined) return;
		const times = first.points.map(([at]) => (readTime(at) ?? 0) / 1000);
		const axis = { stroke: colour("ink-faint"), grid: { stroke: colour("line"), width: 1 } };
		const plot = new uPlot(
			{
				width: element.clientWidth,
				height: HEIGHT,
				cursor: { drag: { x: true, y: false, setScale: false } },
				legend: { show: found.series.length > 1, live: false },
				axes: [
					{ ...axis, values: sayTicks },
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
					setSelect: [
						(chart) => {
							const { left, width } = chart.select;
							if (width < 4) return;
							const start = chart.posToVal(left, "x") * 1000;
							showSpan({ start, end: chart.posToVal(left + width, "x") * 1000 });
						},
					],
				},
			},
			[times, ...found.series.map((each) => each.points.map(([, value]) => value))],
			element,
		);
		const watch = new ResizeObserver(() =>
			plot.setSize({ width: element.clientWidth, height: HEIGHT }),
		);
		watch.observe(element);
		return () => {
			watch.disconnect();
			plot.destroy();
		};
	}, [found, name]);
	return (
		<>
			<div
				class="drawn"
				ref={frame}
				style={{ minHeight: `${HEIGHT + (found.series.length > 1 ? LEGEND : 0)}px` }}
			/>
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
