/** Metrics: a panel for each that was chosen; a drag over one sets the time of everything. */

import { addressOf, get } from "../../api/client";
import type { MetricDetail, SeriesList, Summary } from "../../api/schema";
import { Chart, SERIES } from "../../parts/Chart";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { SendData } from "../../parts/SendData";
import { Failed, Nothing, Shown, Stale } from "../../parts/States";
import { sayMany } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, params } from "../../state/place";
import { rangeQuery, slowRangeKey } from "../../state/time";

/** Panels that are shown when none was chosen. */
const FIRST = 6;

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
								{sayMany(found.metrics.unique_names, "metric")}, {shown.length} shown
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

/** A unit as people write it: {order} is UCUM's way to say that it is no unit, and 1 that it has none. */
function sayUnit(unit: string, isRate: boolean): string {
	const plain = unit === "1" ? "" : unit.replaceAll(/[{}]/g, "");
	const told = isRate ? `${plain}/s` : plain;
	return told && ` (${told})`;
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
		<section class="panel charted has-examples" aria-label={name}>
			<div class="bar">
				<h2 class="cut grow" title={detail.data?.description}>
					<span class="mono">{name}</span>
					{detail.data && (
						<span class="soft">{` ${aggregate}${sayUnit(detail.data.unit ?? "", isSum)}`}</span>
					)}
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
				<>
					{/* Then nobody asked for the series either. */}
					{detail.problem && !detail.problem.isUnreachable && (
						<Stale problem={detail.problem} again={detail.again} at={detail.at} />
					)}
					<Shown
						of={series}
						empty={(found) =>
							found.series.length > 0 ? null : <p class="soft">No point in this time.</p>
						}
					>
						{(found) => <Chart found={found} name={name} />}
					</Shown>
				</>
			)}
			{exemplars.length > 0 && (
				<p class="small examples">
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
