/** Metrics: a panel for each that was chosen; a drag over one sets the time of everything. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { addressOf, get } from "../../api/client";
import type { MetricDetail, SeriesList, Summary } from "../../api/schema";
import { colour } from "../../canvas/Drawing";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { SendData } from "../../parts/SendData";
import { Failed, Nothing, Shown } from "../../parts/States";
import { sayCount, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, params } from "../../state/place";
import { now, rangeQuery, readTime, showSpan, slowRangeKey } from "../../state/time";

/** Panels that are shown when none was chosen. */
const FIRST = 6;

/** Series of one panel: more lines nobody tells apart. */
const SERIES = 8;

export function Metrics() {
	const chosen = params("metric");
	const answer = useAnswer<Summary>(slowRangeKey.value, (until) =>
		get("/api/v1/summary", { query: { ...rangeQuery(), limit: 200 }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.metrics.point_count > 0 ? null : (
					<Nothing title="No metric was sent in this time">
						<SendData what="metrics" />
					</Nothing>
				)
			}
		>
			{(found) => {
				const names = found.metrics.names.map((each) => each.name);
				const shown = chosen.length > 0 ? chosen : names.slice(0, FIRST);
				return (
					<div class="stack">
						<details class="panel">
							<summary>
								{sayCount(found.metrics.unique_names)} metrics, {shown.length} shown
							</summary>
							<div class="choices">
								{names.map((name) => (
									<label key={name}>
										<input
											type="checkbox"
											checked={shown.includes(name)}
											onChange={(event) =>
												change({
													metric: event.currentTarget.checked
														? [...shown, name]
														: shown.filter((each) => each !== name),
												})
											}
										/>{" "}
										<span class="mono">{name}</span>
									</label>
								))}
							</div>
						</details>
						<div class="panels">
							{shown.map((name) => (
								<Panel key={name} name={name} />
							))}
						</div>
					</div>
				);
			}}
		</Shown>
	);
}

function Panel({ name }: { name: string }) {
	const detail = useAnswer<MetricDetail>(`${name} ${slowRangeKey.value}`, (until) =>
		get("/api/v1/metrics/{name}", { in: { name }, query: rangeQuery(), until }),
	);
	const isDistribution = detail.data?.histogram_quantile_available === true;
	const isSum = detail.data?.metric_type === "sum";
	const aggregate = isDistribution ? "p95" : isSum ? "rate" : "avg";
	const by = isDistribution ? [] : ["service"];
	const series = useAnswer<SeriesList>(
		// By what came of the metric, and not by the clock as well: that would ask everything twice.
		detail.status !== "ready" ? null : `${name} ${aggregate} ${slowRangeKey.value}`,
		(until) =>
			get("/api/v1/metrics/query", {
				query: { ...rangeQuery(), name, aggregate, by, limit: SERIES },
				until,
			}),
		name,
	);
	const exemplars = (detail.data?.recent_points ?? [])
		.flatMap((point) => point.exemplars ?? [])
		.filter((each) => each.trace_id !== null)
		.slice(0, 5);
	return (
		<section class="panel" aria-label={name}>
			<div class="bar">
				<h2 class="cut grow" title={detail.data?.description}>
					<span class="mono">{name}</span>{" "}
					<span class="soft">
						{aggregate}
						{isSum ? " a second" : ""} {detail.data?.unit}
					</span>
				</h2>
				<CopyMenu
					of={name}
					cli={command(["metric", name], { aggregate, by, ...rangeQuery() })}
					url={addressOf("/api/v1/metrics/query", {}, { name, aggregate, by, ...rangeQuery() })}
					mcp={{ tool: "metric_series", arguments: { name, aggregate, by, ...rangeQuery() } }}
				/>
			</div>
			{detail.status === "failed" ? (
				<Failed problem={detail.problem} again={detail.again} />
			) : (
				<Shown
					of={series}
					empty={(found) =>
						found.series.length > 0 ? null : <p class="soft">No point in this time.</p>
					}
				>
					{(found) => <Chart found={found} name={name} />}
				</Shown>
			)}
			{exemplars.length > 0 && (
				<p class="small">
					examples:{" "}
					{exemplars.map((each) => (
						<a
							key={`${each.trace_id} ${each.timestamp}`}
							class="mono"
							href={linkTo("trace", [each.trace_id ?? ""], { span: each.span_id })}
						>
							{each.value?.toPrecision(3)}{" "}
						</a>
					))}
				</p>
			)}
		</section>
	);
}

const HEIGHT = 150;

/** The clock of every other screen, rather than the library's of twelve hours. */
function sayTicks(_chart: uPlot, seconds: number[]): string[] {
	const length = (seconds.at(-1) ?? 0) - (seconds[0] ?? 0);
	return seconds.map((at) => {
		const told = sayTime(at * 1000, now.peek(), { fraction: false });
		// Seconds are told only where ticks lie nearer than a minute.
		return length > 600 ? told.slice(0, -3) : told;
	});
}

function Chart({ found, name }: { found: SeriesList; name: string }) {
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
					{ ...axis, size: 56 },
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
			<div ref={frame} />
			<details class="small">
				<summary class="soft">as a table</summary>
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
										<td class="number">{value}</td>
									</tr>
								)),
						)}
					</tbody>
				</table>
			</details>
		</>
	);
}
