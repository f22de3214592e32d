/** Health: how the server is, how near its limits it is, what it refused, who asked what. */

import { addressOf, get, ownHeaders, Problem, readProblem, unreachable } from "../../api/client";
import type { IngestStatus, Readiness, SqlAnswer, Whoami } from "../../api/schema";
import { Head } from "../../parts/Head";
import { Shown } from "../../parts/States";
import { sayAgo, sayBytes, sayCount, sayDuration } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { linkTo } from "../../state/place";
import { mode, now, readTime } from "../../state/time";
import "./health.css";
import { counter, lossesOf, readMetrics, type Samples, sumOf } from "./metrics";

/** How often the tables are counted. */
const SLOW_MS = 60_000;

export default function Health() {
	const isMoving = mode.value === "following";
	const key = String(isMoving ? now.value : 0);
	// Counting every table is not free, and who asks does not change by itself.
	const slow = String(isMoving ? Math.floor(now.value / SLOW_MS) : 0);
	return (
		<>
			<Head
				title="Health"
				copies={{ cli: "clew doctor", url: addressOf("/metrics"), sql: SIZES_SQL }}
			/>
			<main class="main">
				<div class="panes">
					<Ready of={key} />
					<Intake of={key} />
					<Lost of={key} />
					<Counters of={key} />
					<Sizes of={slow} />
					<Fill of={key} />
					<Who of={slow} />
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
													: each.records > 0
														? "not told"
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

/** The counters are asked for once for all panes of a tick: whoever comes while it is under way waits along. */
let underWay: { key: number; found: Promise<Samples> } | null = null;

function askMetrics(): Promise<Samples> {
	if (underWay === null || underWay.key !== now.value) {
		underWay = { key: now.value, found: fetchMetrics() };
		underWay.found.catch(() => {
			underWay = null;
		});
	}
	return underWay.found;
}

async function fetchMetrics(): Promise<Samples> {
	let response: Response;
	try {
		response = await fetch(addressOf("/metrics"), { headers: ownHeaders() });
	} catch {
		throw unreachable();
	}
	if (!response.ok) throw await readProblem(response);
	return readMetrics(await response.text());
}

function Counters({ of: key }: { of: string }) {
	const answer = useAnswer(key, askMetrics);
	return (
		<section class="panel">
			<h2>Questions, the slowest first</h2>
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
										<th>route</th>
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

/** What is kept, by table; each has a column that says when its rows were. */
const SIZES = [
	["spans", "otel_traces", "Timestamp"],
	["log records", "otel_logs", "Timestamp"],
	["points, sums", "otel_metrics_sum", "TimeUnix"],
	["points, gauges", "otel_metrics_gauge", "TimeUnix"],
	["points, histograms", "otel_metrics_histogram", "TimeUnix"],
	["points, exponential histograms", "otel_metrics_exponential_histogram", "TimeUnix"],
	["points, summaries", "otel_metrics_summary", "TimeUnix"],
	["events of objects", "trilog_events", "Timestamp"],
	["edges of lineage", "trace_links", "Timestamp"],
] as const;

export const SIZES_SQL = SIZES.map(
	([name, table, when]) =>
		`SELECT '${name}' AS what, '${table}' AS table, count() AS rows, min(${when}) AS first, max(${when}) AS last FROM ${table}`,
).join(" UNION ALL ");

function Sizes({ of: key }: { of: string }) {
	const answer = useAnswer<SqlAnswer>(key, (until) =>
		get("/api/v1/sql", { query: { q: SIZES_SQL }, until }),
	);
	return (
		<section class="panel" aria-label="What is kept">
			<h2>What is kept</h2>
			<Shown of={answer}>
				{(found) => (
					<div class="scroll">
						<table>
							<thead>
								<tr>
									<th>what</th>
									<th>table</th>
									<th class="number">rows</th>
									<th>from</th>
									<th>to</th>
								</tr>
							</thead>
							<tbody>
								{found.rows
									.toSorted((one, other) => Number(other.rows) - Number(one.rows))
									.map((row) => (
										<tr key={String(row.what)}>
											<td>{String(row.what)}</td>
											<td class="mono soft">{String(row.table)}</td>
											<td class="number">{sayCount(Number(row.rows))}</td>
											<td class="soft">
												{Number(row.rows) > 0 &&
													sayAgo(readTime(String(row.first)) ?? 0, now.value)}
											</td>
											<td class="soft">
												{Number(row.rows) > 0 && sayAgo(readTime(String(row.last)) ?? 0, now.value)}
											</td>
										</tr>
									))}
							</tbody>
						</table>
					</div>
				)}
			</Shown>
		</section>
	);
}

/** What came and was not kept, or was kept and not told, each with its reason. */
function Lost({ of: key }: { of: string }) {
	const answer = useAnswer(key, askMetrics);
	return (
		<section class="panel" aria-label="Rejected and dropped">
			<h2>Rejected and dropped since the start</h2>
			<Shown of={answer}>
				{(found) => {
					const losses = lossesOf(found);
					return losses.length === 0 ? (
						<p class="good">Nothing was.</p>
					) : (
						<table>
							<tbody>
								{losses.map((each) => (
									<tr key={each.what}>
										<td>{each.what}</td>
										<td class="number warn">{sayCount(each.count)}</td>
									</tr>
								))}
							</tbody>
						</table>
					);
				}}
			</Shown>
			<p class="small">
				<a href={linkTo("twin", [], { show: "rejected" })}>Events of objects that were rejected</a>
			</p>
		</section>
	);
}

/** What fills up, and how full it is. */
function Fill({ of: key }: { of: string }) {
	const answer = useAnswer(key, askMetrics);
	return (
		<section class="panel" aria-label="At work now">
			<h2>At work now</h2>
			<Shown of={answer}>
				{(found) => (
					<dl>
						{AT_WORK.map(([name, words]) => (
							<>
								<dt>{words}</dt>
								<dd>{sayCount(sumOf(found, name))}</dd>
							</>
						))}
						<dt>apps</dt>
						<dd>
							{(found.get("clew_tree_apps") ?? [])
								.filter((each) => each.value > 0)
								.map((each) => `${sayCount(each.value)} ${each.labels.status}`)
								.join(", ") || "none"}
						</dd>
						<dt>taken in, held in memory</dt>
						<dd>{sayBytes(counter(found, "clew_ingest_held_bytes"))}</dd>
					</dl>
				)}
			</Shown>
		</section>
	);
}

const AT_WORK = [
	["clew_live_clients", "live feeds"],
	["clew_queries_waiting", "questions that wait"],
	["clew_trails_sockets", "processes that are connected"],
	["clew_tree_feeds", "listeners to the tree"],
	["clew_tree_callers_waiting", "callers that wait for the tree"],
	["clew_tree_journal_behind", "entries that the tree's journal is behind"],
	["clew_registry_queued_writes", "writes that wait for the registry"],
] as const;

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
