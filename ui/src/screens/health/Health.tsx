/** Health: how the server is, how near its limits it is, what it keeps, what was slow, what was lost. */

import { addressOf, get } from "../../api/client";
import type { Health as Found, IngestStatus, Readiness, Whoami } from "../../api/schema";
import { Head } from "../../parts/Head";
import { Failed, Loading, Shown } from "../../parts/States";
import { sayAgo, sayBytes, sayCount, sayDuration, sayMany } from "../../parts/words";
import { type Answer, useAnswer } from "../../state/answer";
import { askReadiness } from "../../state/standing";
import { mode, now, readTime } from "../../state/time";
import { Charts } from "./Charts";
import "./health.css";
import { Limits } from "./Limits";
import { Losses } from "./Losses";
import { saySignal } from "./nearness";
import { Servers } from "./Servers";
import { Shards } from "./Shards";
import { Slow } from "./Slow";
import { STORE_SQL, Store } from "./Store";

/** How often it is asked who is here: that does not change by itself. */
const SLOW_MS = 60_000;

export type Answered<Document> = Answer<Document> & { again: () => void };

export type Asked = Answered<Found>;

export default function Health() {
	const isMoving = mode.value === "following";
	const key = String(isMoving ? now.value : 0);
	const slow = String(isMoving ? Math.floor(now.value / SLOW_MS) : 0);
	const health = useAnswer<Found>(key, (until) => get("/api/v1/health", { until }));
	const ready = useAnswer<Readiness>(key, askReadiness);
	const intake = useAnswer<IngestStatus>(key, (until) => get("/api/v1/ingest/status", { until }));
	const who = useAnswer<Whoami>(slow, (until) => get("/api/v1/whoami", { until }));
	const isTier = ready.data?.shards != null;
	// All of them are quick, and none has the height that it will have before it is there: so they come
	// together, and nothing that somebody reads already is pushed away.
	const all = [health, ready, intake, who];
	const isWhole = all.every((each) => each.status !== "loading");
	// Where nobody answers, once is enough.
	const isAway = all.every((each) => each.problem?.isUnreachable && each.data === undefined);
	return (
		<>
			<Head
				title="Health"
				copies={{ cli: "clew health", url: addressOf("/api/v1/health"), sql: STORE_SQL }}
			/>
			<main class="main">
				{isAway && health.problem ? (
					<Failed
						problem={health.problem}
						again={() => {
							for (const each of all) each.again();
						}}
					/>
				) : isWhole ? (
					<div class="health">
						<Limits of={health} />
						<div class="panes">
							<div>
								<Losses of={health} />
								{isTier ? <Shards at={key} /> : <Ready of={ready} />}
								<Servers of={ready} />
								<Intake of={intake} />
							</div>
							<div>
								<Store of={health} isTier={isTier} />
								<Running of={health} />
								<Who of={who} />
							</div>
						</div>
						<Slow of={health} />
						<Charts of={health} />
					</div>
				) : (
					<Loading />
				)}
			</main>
		</>
	);
}

function Ready({ of: answer }: { of: Answered<Readiness> }) {
	return (
		<section class="panel" aria-label="Is it ready?">
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

function Intake({ of: answer }: { of: Answered<IngestStatus> }) {
	return (
		<section class="panel" aria-label="What came in">
			<h2>What came in since the start</h2>
			<Shown of={answer}>
				{(found) => (
					<div class="stack">
						<div class="scroll">
							<table class="figures">
								<thead>
									<tr>
										<th>what</th>
										<th class="number">records</th>
										<th class="number">requests</th>
										<th>last</th>
									</tr>
								</thead>
								<tbody>
									{found.signals.map((each) => (
										<tr key={each.signal}>
											<td>{saySignal(each.signal)}</td>
											<td class="number">{sayCount(each.records)}</td>
											<td class="number">{sayCount(each.requests)}</td>
											<td class="soft">
												{each.last_accepted_at
													? sayAgo(readTime(each.last_accepted_at) ?? 0, now.value)
													: each.records > 0
														? "not told"
														: "never"}
											</td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
						<p class="small soft">
							{sayMany(found.hot_rows, "row")} in memory; the decoder is the {found.decoder} one.
						</p>
						{found.last_error && <p class="bad">{found.last_error}</p>}
					</div>
				)}
			</Shown>
		</section>
	);
}

/** The process, and what it tells of itself. */
function Running({ of: answer }: { of: Asked }) {
	return (
		<section class="panel" aria-label="The process">
			<h2>The process</h2>
			<Shown of={answer}>
				{({ process, own }) => (
					<dl>
						<dt>clew</dt>
						<dd>{process.version}</dd>
						<dt>runs for</dt>
						<dd>{sayDuration(process.uptime_seconds * 1000)}</dd>
						<dt>processor</dt>
						<dd>{sayDuration(process.cpu_seconds * 1000)} in all</dd>
						<dt>memory</dt>
						<dd>{sayBytes(process.resident_bytes)}</dd>
						<dt>threads</dt>
						<dd>{sayCount(process.threads)}</dd>
						<dt>tells of itself</dt>
						<dd>
							{own.interval_seconds === null
								? "never"
								: `every ${sayDuration(own.interval_seconds * 1000)}, ${sayMany(own.records, "record")} since the start`}
							{own.failures > 0 && (
								<span class="warn">, {sayMany(own.failures, "time")} it could not</span>
							)}
						</dd>
					</dl>
				)}
			</Shown>
		</section>
	);
}

function Who({ of: answer }: { of: Answered<Whoami> }) {
	return (
		<section class="panel" aria-label="Who am I here?">
			<h2>Who am I here?</h2>
			<Shown of={answer}>
				{(found) => (
					<dl>
						<dt>known as</dt>
						<dd>{found.kind === found.name ? found.name : `${found.kind} ${found.name}`}</dd>
						<dt>may</dt>
						<dd>{found.verbs.join(", ")}</dd>
					</dl>
				)}
			</Shown>
		</section>
	);
}
