/** Health: how the server is, how near its limits it is, what it refused, who asked what. */

import { addressOf, get, ownHeaders, Problem, readProblem } from "../../api/client";
import type { IngestStatus, Readiness, SqlAnswer, Whoami } from "../../api/schema";
import { Head } from "../../parts/Head";
import { Shown } from "../../parts/States";
import { sayAgo, sayBytes, sayCount, sayDuration } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { mode, now, readTime } from "../../state/time";
import { counter, readMetrics, sumOf } from "./metrics";

export default function Health() {
	const key = String(mode.value === "following" ? now.value : 0);
	return (
		<>
			<Head title="Health" copies={{ cli: "clew doctor", url: addressOf("/readyz") }} />
			<main class="main">
				<div class="grid wide">
					<Ready of={key} />
					<Intake of={key} />
					<Counters of={key} />
					<Sizes of={key} />
					<Who of={key} />
				</div>
			</main>
		</>
	);
}

async function askReadiness(until: AbortSignal): Promise<Readiness> {
	try {
		return await get("/readyz", { until });
	} catch (error) {
		// 503 with the reasons is an answer; nothing at all is none.
		if (!(error instanceof Problem) || error.status !== 503) throw error;
		const response = await fetch(addressOf("/readyz"), { signal: until });
		return (await response.json()) as Readiness;
	}
}

function Ready({ of: key }: { of: string }) {
	const answer = useAnswer<Readiness>(key, askReadiness);
	return (
		<section class="panel">
			<h2>Is it ready?</h2>
			<Shown of={answer}>
				{(found) => (
					<table>
						<tbody>
							{found.checks.map((check) => (
								<tr key={check.name}>
									<td>{check.name}</td>
									<td class={check.ok ? "good" : "bad"}>{check.ok ? "well" : "not well"}</td>
									<td>{check.detail}</td>
								</tr>
							))}
						</tbody>
					</table>
				)}
			</Shown>
		</section>
	);
}

function Intake({ of: key }: { of: string }) {
	const answer = useAnswer<IngestStatus>(key, (until) => get("/api/v1/ingest/status", { until }));
	return (
		<section class="panel">
			<h2>What came in since the start</h2>
			<Shown of={answer}>
				{(found) => (
					<div class="stack">
						<table>
							<thead>
								<tr>
									<th>signal</th>
									<th class="number">records</th>
									<th class="number">requests</th>
									<th class="number">refused</th>
									<th class="number">dropped</th>
									<th>last</th>
								</tr>
							</thead>
							<tbody>
								{found.signals.map((each) => {
									const refused = sum(each.rejected) + each.malformed + each.shed;
									return (
										<tr key={each.signal}>
											<td>{each.signal}</td>
											<td class="number">{sayCount(each.records)}</td>
											<td class="number">{sayCount(each.requests)}</td>
											<td
												class={`number ${refused > 0 ? "warn" : "soft"}`}
												title={Object.entries(each.rejected)
													.map(([why, count]) => `${why}: ${count}`)
													.join("\n")}
											>
												{sayCount(refused)}
											</td>
											<td class="number">{sayCount(sum(each.dropped ?? {}))}</td>
											<td class="soft">
												{each.last_accepted_at
													? sayAgo(readTime(each.last_accepted_at) ?? 0, now.value)
													: "never"}
											</td>
										</tr>
									);
								})}
							</tbody>
						</table>
						<Limit
							name="log of what is not yet in the engine"
							used={found.log_bytes}
							most={found.log_bytes_max}
						/>
						<p class="small soft">
							{sayCount(found.hot_rows)} rows in memory, {found.batches_waiting} batches wait; the
							decoder is the {found.decoder} one.
						</p>
						{found.last_error && <p class="bad">{found.last_error}</p>}
					</div>
				)}
			</Shown>
		</section>
	);
}

function Limit({ name, used, most }: { name: string; used: number; most: number }) {
	return (
		<label class="limit">
			{name}: {sayBytes(used)} of {sayBytes(most)}
			<meter value={used} max={most} high={most * 0.8} />
		</label>
	);
}

async function askMetrics(until: AbortSignal): Promise<ReturnType<typeof readMetrics>> {
	const response = await fetch(addressOf("/metrics"), { headers: ownHeaders(), signal: until });
	if (!response.ok) throw await readProblem(response);
	return readMetrics(await response.text());
}

function Counters({ of: key }: { of: string }) {
	const answer = useAnswer(key, askMetrics);
	return (
		<section class="panel">
			<h2>Questions</h2>
			<Shown of={answer}>
				{(found) => {
					const routes = new Map<string, { answers: number; failed: number; seconds: number }>();
					for (const { labels, value } of found.get("clew_http_answers_total") ?? []) {
						const route = labels.route ?? "";
						const row = routes.get(route) ?? { answers: 0, failed: 0, seconds: 0 };
						row.answers += value;
						if ((labels.status ?? "") >= "400") row.failed += value;
						routes.set(route, row);
					}
					for (const { labels, value } of found.get("clew_http_seconds_total") ?? []) {
						const row = routes.get(labels.route ?? "");
						if (row) row.seconds += value;
					}
					const slowest = [...routes].sort(
						([, one], [, other]) => other.seconds / other.answers - one.seconds / one.answers,
					);
					return (
						<>
							<p class="small soft">
								{sayCount(counter(found, "clew_live_clients"))} live feeds,{" "}
								{sayCount(counter(found, "clew_live_dropped_records_total"))} records dropped from
								them; {sayCount(counter(found, "clew_queries_waiting"))} questions wait;{" "}
								{sayCount(counter(found, "clew_access_denials_total"))} denials.
							</p>
							<table>
								<thead>
									<tr>
										<th>route, the slowest first</th>
										<th class="number">answers</th>
										<th class="number">errors</th>
										<th class="number">on average</th>
									</tr>
								</thead>
								<tbody>
									{slowest.slice(0, 15).map(([route, row]) => (
										<tr key={route}>
											<td class="mono">{route}</td>
											<td class="number">{sayCount(row.answers)}</td>
											<td class={`number ${row.failed > 0 ? "warn" : "soft"}`}>{row.failed}</td>
											<td class="number">{sayDuration((row.seconds / row.answers) * 1000)}</td>
										</tr>
									))}
								</tbody>
							</table>
							<p class="small soft">
								registry: {sayCount(sumOf(found, "clew_registry_writes_total"))} writes,{" "}
								{sumOf(found, "clew_registry_failed_writes_total")} failed
							</p>
						</>
					);
				}}
			</Shown>
		</section>
	);
}

const SIZES = [
	["spans", "otel_traces"],
	["log records", "otel_logs"],
	["points, sums", "otel_metrics_sum"],
	["points, gauges", "otel_metrics_gauge"],
	["points, histograms", "otel_metrics_histogram"],
	["events of objects", "twin_events"],
	["edges", "trace_links"],
] as const;

function Sizes({ of: key }: { of: string }) {
	const answer = useAnswer<SqlAnswer>(key, (until) =>
		get("/api/v1/sql", {
			query: {
				q: SIZES.map(
					([name, table]) => `SELECT '${name}' AS what, count() AS rows FROM ${table}`,
				).join(" UNION ALL "),
			},
			until,
		}),
	);
	return (
		<section class="panel">
			<h2>What is kept</h2>
			<Shown of={answer}>
				{(found) => (
					<table>
						<tbody>
							{found.rows
								.toSorted((one, other) => Number(other.rows) - Number(one.rows))
								.map((row) => (
									<tr key={String(row.what)}>
										<td>{String(row.what)}</td>
										<td class="number">{sayCount(Number(row.rows))}</td>
									</tr>
								))}
						</tbody>
					</table>
				)}
			</Shown>
		</section>
	);
}

function Who({ of: key }: { of: string }) {
	const answer = useAnswer<Whoami>(key, (until) => get("/api/v1/whoami", { until }));
	return (
		<section class="panel">
			<h2>Who am I here?</h2>
			<Shown of={answer}>
				{(found) => (
					<dl>
						<dt>known as</dt>
						<dd>
							{found.kind} {found.name}
						</dd>
						<dt>may</dt>
						<dd>{found.verbs.join(", ")}</dd>
					</dl>
				)}
			</Shown>
		</section>
	);
}

function sum(counts: Record<string, number>): number {
	return Object.values(counts).reduce((all, each) => all + each, 0);
}
