/** Services: who calls whom, how much, how fast and how well; metrics; agents and what they spent. */

import { useMemo } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type {
	AgentList,
	Anomaly,
	AnomalyReport,
	ServiceList,
	Topology,
	Window,
} from "../../api/schema";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { SendData } from "../../parts/SendData";
import { Loading, Nothing, Shown } from "../../parts/States";
import { sayRange } from "../../parts/TimeBar";
import {
	nameMany,
	sayCount,
	sayDuration,
	sayMany,
	sayRate,
	saySharePercent,
} from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useNarrow } from "../../state/narrow";
import { change, linkTo, param, place } from "../../state/place";
import { now, rangeQuery, readTime, slowRangeKey } from "../../state/time";
import { asStatement, type Time } from "../find/query";
import { linkOf } from "../team/links";
import { layoutMap } from "./layout";
import { Metrics } from "./Metrics";
import { Service } from "./Service";
import { Wires } from "./Wires";

const TABS = ["services", "metrics", "agents", "changes"] as const;
type Tab = (typeof TABS)[number];

export default function Services() {
	const asked = param("show") as Tab | null;
	const tab = asked !== null && TABS.includes(asked) ? asked : "services";
	const service = place.value.names[0];
	const asTool = tab === "changes" ? "anomalies" : tab;
	if (service !== undefined) return <Service key={service} service={service} />;
	return (
		<>
			<Head
				title="Services"
				copies={{
					cli: command([asTool], rangeQuery()),
					sql: tab === "services" ? servicesSql(rangeQuery()) : undefined,
					url: addressOf(`/api/v1/${asTool}`, {}, rangeQuery()),
					mcp: { tool: asTool, arguments: rangeQuery() },
				}}
			>
				<div class="bar" role="tablist">
					{TABS.map((each) => (
						<button
							type="button"
							role="tab"
							key={each}
							aria-selected={each === tab}
							onClick={() => change({ show: each === "services" ? null : each })}
						>
							{each}
						</button>
					))}
				</div>
			</Head>
			<main class="main">
				{tab === "services" && <Overview />}
				{tab === "metrics" && <Metrics />}
				{tab === "agents" && <Agents />}
				{tab === "changes" && <Changes />}
			</main>
		</>
	);
}

/** Statement for what services did: how much, how well and how fast. */
function servicesSql(time: Time): string {
	return asStatement("otel_traces", {}, time)
		.replace(
			"SELECT *",
			"SELECT ServiceName, count() AS Spans, countIf(StatusCode = 'Error') AS Failed," +
				" quantiles(0.5, 0.95, 0.99)(Duration / 1e6) AS Ms",
		)
		.replace("ORDER BY Timestamp DESC", "GROUP BY ServiceName ORDER BY Spans DESC");
}

function Overview() {
	const services = useAnswer<ServiceList>(slowRangeKey.value, (until) =>
		get("/api/v1/services", { query: { ...rangeQuery(), limit: 500 }, until }),
	);
	const topology = useAnswer<Topology>(slowRangeKey.value, (until) =>
		get("/api/v1/topology", { query: rangeQuery(), until }),
	);
	// The map stands above the table: that would jump if it came first.
	if (topology.status === "loading") return <Loading />;
	return (
		<Shown
			of={services}
			empty={(found) =>
				found.count > 0 ? null : (
					<Nothing title="No service said anything in this time">
						<SendData />
					</Nothing>
				)
			}
		>
			{(found) => (
				<div class="stack">
					<Shown of={topology}>
						{(map) => (map.edges.length > 0 ? <Picture found={map} /> : null)}
					</Shown>
					<div class="scroll">
						<table class="figures cards" aria-label="Services">
							<thead>
								<tr>
									<th>service</th>
									<th class="number">spans</th>
									<th class="number" title="Spans, since the first of them in this time">
										rate
									</th>
									<th class="number">failed</th>
									<th class="number">p50</th>
									<th class="number">p95</th>
									<th class="number">p99</th>
									<th class="number">log records</th>
								</tr>
							</thead>
							<tbody>
								{found.services.map((each) => (
									<tr key={each.name}>
										<td>
											<a href={linkTo("services", [each.name])}>{each.name}</a>
										</td>
										<td class="number" data-label="spans">
											<a href={linkTo("find", [], { service: each.name })}>
												{sayCount(each.span_count)}
											</a>
										</td>
										<td class="number" data-label="rate">
											{sayRate(each.rate_per_second)}
										</td>
										<td
											class={`number ${each.error_count > 0 ? "bad" : "soft"}`}
											data-label="failed"
										>
											{each.error_count > 0 ? (
												<a
													class="bad"
													href={linkTo("find", [], {
														service: each.name,
														status: "error",
														show: "spans",
													})}
												>
													{saySharePercent(each.error_rate)}
												</a>
											) : (
												"none"
											)}
										</td>
										<td class="number" data-label="p50">
											{sayDuration(each.p50_ms)}
										</td>
										<td class="number" data-label="p95">
											{sayDuration(each.p95_ms)}
										</td>
										<td class="number" data-label="p99">
											{sayDuration(each.p99_ms)}
										</td>
										<td class="number" data-label="log records">
											<a href={linkTo("find", [], { service: each.name, show: "logs" })}>
												{sayCount(each.log_count)}
											</a>
										</td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
					{found.truncated && (
						<p class="soft small">
							The first {found.count} of {found.total}.
						</p>
					)}
				</div>
			)}
		</Shown>
	);
}

/** How much it did; where calls of it failed, how many there were: the failures are a share of them. */
function sayAsked({ calls, errors, span_count }: Topology["nodes"][number]): string {
	return errors > 0 ? sayMany(calls, "call") : sayMany(span_count, "span");
}

const KINDS: Record<Topology["edges"][number]["kind"], string> = {
	call: "calls",
	messaging: "sends to",
	link: "is named by",
	unanswered: "calls, unheard by",
};

function Picture({ found }: { found: Topology }) {
	const isNarrow = useNarrow();
	const linked = useMemo(() => {
		// Who neither calls nor is called is in the table; here it would be a box of its own.
		const named = new Set(found.edges.flatMap((edge) => [edge.from, edge.to]));
		return layoutMap(
			found.nodes.filter((node) => named.has(node.name)),
			found.edges,
			(edge) => `${sayCount(edge.calls)} · ${sayDuration(edge.p95_duration_ms)}`,
			isNarrow,
		);
	}, [found, isNarrow]);
	return (
		<section class="panel stack" aria-label="Who calls whom">
			<div class="bar">
				<h2>Who calls whom</h2>
				<span class="grow beside small soft">
					On each arrow: how often, and what 95 of 100 took at most; red where some failed
				</span>
				<CopyMenu
					of="this map"
					cli={command(["topology"], rangeQuery())}
					url={addressOf("/api/v1/topology", {}, rangeQuery())}
					mcp={{ tool: "topology", arguments: rangeQuery() }}
				/>
			</div>
			<div class="scroll">
				<svg
					class="graph"
					width={linked.width}
					height={linked.height}
					role="group"
					aria-label={`Map of ${sayMany(found.nodes.length, "node")}: services and what they call`}
				>
					<Wires
						picture={linked}
						isBad={(edge) => edge.errors > 0}
						tell={(edge) =>
							`${edge.from} ${KINDS[edge.kind]} ${edge.to}: ${sayMany(edge.calls, "time")}` +
							` (${sayRate(edge.rate_per_second)}), ${saySharePercent(edge.error_rate)} failed,` +
							` 95 of 100 took at most ${sayDuration(edge.p95_duration_ms)}`
						}
					/>
					{linked.boxes.map(({ node, x, y, width, height }) => (
						<a
							key={node.name}
							href={node.kind === "service" ? linkTo("services", [node.name]) : linkTo("services")}
						>
							<g
								class={`box ${node.kind === "service" ? "" : "is-missing"}`}
								transform={`translate(${x} ${y})`}
							>
								<rect width={width} height={height} rx="6" />
								<text x="10" y="19" class="name">
									{node.name.length > 20 ? `${node.name.slice(0, 19)}…` : node.name}
								</text>
								<text x="10" y="36" class={node.errors > 0 ? "under bad" : "under"}>
									{node.kind === "service" ? sayAsked(node) : node.system || node.kind}
									{node.errors > 0 && `, ${saySharePercent(node.error_rate)} failed`}
								</text>
							</g>
						</a>
					))}
				</svg>
				{found.truncated && (
					<p class="soft small">
						Shown are {sayCount(found.count)} of {sayMany(found.total ?? 0, "connection")}.
					</p>
				)}
			</div>
		</section>
	);
}

/** Tokens of an agent: what tells them apart where no price is known. */
function spent({ tokens }: AgentList["agents"][number]): number {
	return tokens.input + tokens.output;
}

/** What an agent's calls cost: by the table of prices, else by what they report themselves. */
function spentUsd({ cost }: AgentList["agents"][number]): number | null {
	return cost.usd ?? cost.reported_usd;
}

function Spent({ agent }: { agent: AgentList["agents"][number] }) {
	const usd = spentUsd(agent);
	const unpriced = agent.cost.unpriced_models.join(", ");
	if (usd === null)
		return (
			<span class="soft" title={`no price for ${unpriced}`}>
				not known
			</span>
		);
	const whence =
		agent.cost.usd === null ? "as the calls report it themselves" : `prices: ${agent.cost.prices}`;
	return <span title={whence}>${usd.toFixed(usd < 1 ? 4 : 2)}</span>;
}

function Agents() {
	const answer = useAnswer<AgentList>(slowRangeKey.value, (until) =>
		get("/api/v1/agents", { query: { ...rangeQuery(), limit: 200 }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.count > 0 ? null : (
					<Nothing title="No agent called a model in this time">
						<p>Spans with OpenTelemetry's gen_ai attributes are put together here.</p>
						<SendData what="runs" />
					</Nothing>
				)
			}
		>
			{(found) => (
				<div class="scroll">
					<table class="figures cards" aria-label="Agents">
						<thead>
							<tr>
								<th>agent</th>
								<th>models</th>
								<th class="number">runs</th>
								<th class="number">failed</th>
								<th class="number">calls of models</th>
								<th class="number">of tools</th>
								<th class="number">tokens in</th>
								<th class="number">out</th>
								<th class="number">cost</th>
								<th class="number">p95</th>
							</tr>
						</thead>
						<tbody>
							{[...found.agents]
								.sort(
									(one, other) =>
										(spentUsd(other) ?? 0) - (spentUsd(one) ?? 0) || spent(other) - spent(one),
								)
								.map((each) => (
									<tr key={each.agent}>
										<td>
											<a
												href={linkTo("find", [], {
													attribute: each.named ? `gen_ai.agent.name=${each.agent}` : null,
													service: each.named ? null : each.services[0],
												})}
											>
												{each.agent}
											</a>
										</td>
										<td class="words" data-label="models">
											{each.models.join(", ")}
										</td>
										<td class="number" data-label="runs">
											{sayCount(each.runs)}
										</td>
										<td
											class={`number ${each.run_failures > 0 ? "bad" : "soft"}`}
											data-label="failed"
										>
											{each.run_failures > 0 ? saySharePercent(each.failure_rate) : "none"}
										</td>
										<td class="number" data-label="calls of models">
											{sayCount(each.llm_calls)}
										</td>
										<td class="number" data-label="calls of tools">
											{sayCount(each.tool_calls)}
										</td>
										<td class="number" data-label="tokens in">
											{sayCount(each.tokens.input)}
										</td>
										<td class="number" data-label="tokens out">
											{sayCount(each.tokens.output)}
										</td>
										<td class="number" data-label="cost">
											<Spent agent={each} />
										</td>
										<td class="number" data-label="p95">
											{each.p95_ms === null ? "–" : sayDuration(each.p95_ms)}
										</td>
									</tr>
								))}
						</tbody>
					</table>
				</div>
			)}
		</Shown>
	);
}

function Changes() {
	const answer = useAnswer<AnomalyReport>(slowRangeKey.value, (until) =>
		get("/api/v1/anomalies", { query: { ...rangeQuery(), limit: 100 }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.anomalies.length > 0 ? null : found.compared.services === 0 ? (
					<Nothing title="There is nothing to compare yet">
						{found.notes.length > 0 ? (
							<p>
								{found.notes.join("; ")}. Choose a shorter range, and it is compared with the time
								before it.
							</p>
						) : (
							<>
								<p>No service said anything in this time, nor in the time before.</p>
								<SendData />
							</>
						)}
					</Nothing>
				) : (
					<Nothing title="Everything is as it was">
						<p>
							{sayMany(found.compared.comparisons, "figure")} of{" "}
							{sayMany(found.compared.services, "service")}{" "}
							{nameMany(found.compared.comparisons, "was", "were")} compared with the time before.
						</p>
					</Nothing>
				)
			}
		>
			{(found) => (
				<div class="stack">
					<p class="soft">
						{sayWindow(found.window)} compared with {sayWindow(found.baseline)};{" "}
						{sayMany(found.compared.comparisons, "figure")} of{" "}
						{sayMany(found.compared.services, "service")}
					</p>
					{found.notes.map((note) => (
						<p class="notice" role="note" key={note}>
							{note.replaceAll(/(\d\d:\d\d:\d\d)\.0+Z/g, "$1Z")}
						</p>
					))}
					<div class="scroll">
						<table class="figures cards" aria-label="What changed">
							<thead>
								<tr>
									<th>what</th>
									<th>service</th>
									<th>what it says</th>
									<th class="number">before</th>
									<th class="number">now</th>
									<th class="number" title="What both are figures of">
										records
									</th>
									<th class="number">how sure</th>
									<th>evidence</th>
								</tr>
							</thead>
							<tbody>
								{found.anomalies.map((each, at) => (
									<Changed key={at} anomaly={each} />
								))}
							</tbody>
						</table>
					</div>
				</div>
			)}
		</Shown>
	);
}

const SEVERITIES = { high: "bad", medium: "warn", low: "" } as const;

function Changed({ anomaly: each }: { anomaly: Anomaly }) {
	const say = (value: number) =>
		each.unit === "ms"
			? sayDuration(value)
			: each.unit === "share"
				? saySharePercent(value)
				: each.unit === "per_second"
					? sayRate(value)
					: sayCount(value);
	const link = linkOf({ kind: "query", id: "", path: each.query.rest });
	return (
		<tr>
			<td>
				<span class={`tag ${SEVERITIES[each.severity]}`}>{each.kind.replaceAll("_", " ")}</span>
			</td>
			<td>
				<a href={linkTo("services", [each.service])}>{each.service}</a>
				{each.operation && <div class="soft small">{each.operation}</div>}
			</td>
			<td class="words">
				{each.description}
				{each.pattern && <pre class="soft">{each.pattern}</pre>}
			</td>
			<td class="number" data-label="before">
				{say(each.baseline)}
			</td>
			<td class="number" data-label="now">
				{say(each.current)}
			</td>
			<td class="number soft" data-label="records">
				{sayCount(each.baseline_count)} → {sayCount(each.current_count)}
			</td>
			<td class="number" data-label="how sure" title={`p = ${each.p_value.toPrecision(2)}`}>
				{saySharePercent(each.confidence)}
			</td>
			<td>
				{each.exemplar_trace_id && <a href={linkTo("trace", [each.exemplar_trace_id])}>a trace</a>}
				{each.exemplar_trace_id && link && " · "}
				{link && (
					<a href={link} title={each.query.cli}>
						all of them
					</a>
				)}
			</td>
		</tr>
	);
}

function sayWindow({ start_time, end_time }: Window): string {
	return sayRange({ start: readTime(start_time) ?? 0, end: readTime(end_time) ?? 0 }, now.value);
}
