/** Processes: what runs through phases, how far it came, and how long each phase took. */

import { addressOf, get } from "../../api/client";
import type { ProcessList, ProcessPhase, ProcessTwin, TraceProcesses } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { sayDuration, sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, param } from "../../state/place";
import {
	cursorTime,
	mode,
	moveCursor,
	now,
	rangeKey,
	rangeQuery,
	readTime,
	window_,
} from "../../state/time";
import { phasesSql } from "./statements";
import { Ways } from "./Ways";

const LIMIT = 500;

const STATUSES = ["started", "completed", "failed", "stuck", "timed_out"] as const;
type Status = (typeof STATUSES)[number];

const TONES: Record<string, string> = {
	completed: "good",
	failed: "bad",
	stuck: "warn",
	timed_out: "bad",
};

export function Processes() {
	const asked = param("status") as Status | null;
	const status = asked !== null && STATUSES.includes(asked) ? [asked] : undefined;
	const trace = param("process");
	const query = { ...rangeQuery(), limit: LIMIT, status };
	const answer = useAnswer<ProcessList>(
		rangeKey.value + asked,
		(until) => get("/api/v1/processes", { query, until }),
		asked ?? "",
	);
	return (
		<>
			<Head
				title="Processes"
				copies={
					trace === null
						? {
								cli: command(["processes"], { status, ...rangeQuery() }),
								sql: phasesSql(window_.value, LIMIT),
								url: addressOf("/api/v1/processes", {}, query),
								mcp: { tool: "find_processes", arguments: { status, ...rangeQuery() } },
							}
						: {
								cli: command(["process", trace]),
								url: addressOf("/api/v1/processes/{trace_id}", { trace_id: trace }),
								mcp: { tool: "process", arguments: { trace_id: trace } },
							}
				}
			>
				<select
					aria-label="Status"
					style={{ width: "auto" }}
					value={asked ?? ""}
					onChange={(event) => change({ status: event.currentTarget.value || null })}
				>
					<option value="">every status</option>
					{STATUSES.map((each) => (
						<option key={each} value={each}>
							{each.replace("_", " ")}
						</option>
					))}
				</select>
				<Ways />
			</Head>
			<main class="main fills">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 ? null : (
							<Nothing title={asked ? "No process is like that" : "No process ran in this time"}>
								<p>A process is an object that says which phase it is in.</p>
								<SendData what="processes" />
							</Nothing>
						)
					}
				>
					{(found) => (
						<div class="split">
							<div class="column">
								<div class="bar counted">
									{sayMany(found.total ?? found.count, "process", "processes")}
									{found.truncated && <span class="soft">, the last {found.count} are shown</span>}
								</div>
								<Rows
									items={found.processes}
									height={32}
									label="Processes"
									render={(each) => (
										<a
											class="row"
											href={linkTo("twin", [], {
												show: "processes",
												status: asked,
												process: each.trace_id,
											})}
											aria-current={each.trace_id === trace ? "true" : undefined}
										>
											<span class="mono soft">
												{sayTime(readTime(each.started_at) ?? 0, now.value, { fraction: false })}
											</span>
											<span class="service">{each.type}</span>
											<span class="grow cut mono soft">{each.id}</span>
											<span>{each.phase}</span>
											<span class="soft small duration">{sayDuration(each.duration_ms)}</span>
											<span class={`tag ${TONES[each.status] ?? ""}`}>
												{each.status.replace("_", " ")}
											</span>
										</a>
									)}
								/>
							</div>
							<aside class="side" aria-label="Process">
								{trace === null ? (
									<p class="soft">Choose a process to see its phases.</p>
								) : (
									<Phases key={trace} trace={trace} />
								)}
							</aside>
						</div>
					)}
				</Shown>
			</main>
		</>
	);
}

function Phases({ trace }: { trace: string }) {
	const at = cursorTime.value;
	const answer = useAnswer<TraceProcesses>(
		// As it is now is another question with every tick.
		`${trace} ${at ?? (mode.value === "following" ? now.value : "now")}`,
		(until) =>
			get("/api/v1/processes/{trace_id}", {
				in: { trace_id: trace },
				query: at === null ? {} : { at },
				until,
			}),
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.count > 0 ? null : <p class="soft">It had not begun at this moment.</p>
			}
		>
			{(found) => (
				<div class="stack">
					{found.processes.map((each) => (
						<Process key={`${each.type}/${each.id}`} process={each} />
					))}
				</div>
			)}
		</Shown>
	);
}

function Process({ process }: { process: ProcessTwin }) {
	const longest = Math.max(1, ...process.phases.map((each) => each.duration_ms));
	return (
		<section class="stack" aria-label={`${process.type} ${process.id}`}>
			<div class="bar">
				<h2 class="grow cut">
					<a href={linkTo("twin", [process.type, process.id])}>
						{process.type} {process.id}
					</a>
				</h2>
				<span class={`tag ${TONES[process.status] ?? ""}`}>{process.status.replace("_", " ")}</span>
			</div>
			<p class="soft">
				{sayDuration(process.duration_ms)}
				{process.timeout_seconds !== null && ` of ${sayDuration(process.timeout_seconds * 1000)}`}
				{process.next_phases.length > 0 && `; next may come ${process.next_phases.join(" or ")}`}
			</p>
			<table aria-label="Phases">
				<tbody>
					{process.phases.map((each) => (
						<Phase key={each.event_id} phase={each} longest={longest} />
					))}
				</tbody>
			</table>
			{process.warnings.map((each) => (
				<p class="notice" role="note" key={`${each.code} ${each.event_id}`}>
					<b>{each.code}</b> {each.message}
				</p>
			))}
			{process.trace_ids.length > 0 && (
				<p class="bar">
					{process.trace_ids.map((each) => (
						<a key={each} class="button" href={linkTo("trace", [each])}>
							Its trace
						</a>
					))}
				</p>
			)}
		</section>
	);
}

function Phase({ phase, longest }: { phase: ProcessPhase; longest: number }) {
	return (
		<tr>
			<td>
				<button
					type="button"
					class="plain"
					onClick={() => moveCursor(phase.start)}
					title="Put the cursor there"
				>
					{phase.name}
				</button>
				{!phase.is_allowed && <span class="tag bad">not allowed here</span>}
				{phase.end === null && <span class="tag good">in it</span>}
			</td>
			<td style={{ width: "40%" }}>
				<span class="share good" style={{ width: "100%" }}>
					<span style={{ width: `${(phase.duration_ms / longest) * 100}%` }} />
					<em>{sayDuration(phase.duration_ms)}</em>
				</span>
			</td>
			<td class="soft">{phase.service}</td>
			<td>
				{phase.trace_id && (
					<a href={linkTo("trace", [phase.trace_id], { span: phase.span_id })}>span</a>
				)}
			</td>
		</tr>
	);
}
