/** One trace: what happened when, what made it slow, what was said of it. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { CommentList, LogList, Trace as TraceDocument, TraceList } from "../../api/schema";
import { type Copies, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, sayDuration, sayMany, sayTime } from "../../parts/words";
import { type Answer, useAnswer } from "../../state/answer";
import { change, go, linkTo, param, place } from "../../state/place";
import { mode, now, rangeKey, rangeQuery, readTime, TICK_MS } from "../../state/time";
import { asTraceStatement } from "../find/query";
import { Details } from "./Details";
import { orderSpans } from "./layout";
import { copiesOfTranscript, TranscriptView } from "./Transcript";
import { Waterfall } from "./Waterfall";

export default function Trace() {
	const id = place.value.names[0];
	return id === undefined ? <WhichTrace /> : <OneTrace key={id} id={id} />;
}

/** Traces to choose from. */
const RECENT = 12;

function WhichTrace() {
	const [text, setText] = useState("");
	const query = { ...rangeQuery(), view: "traces", limit: RECENT } as const;
	const recent = useAnswer(rangeKey.value, (until) =>
		get("/api/v1/traces", { query, until }),
	) as Answer<TraceList> & { again: () => void };
	return (
		<>
			<Head
				title="Trace"
				copies={{
					cli: command(["traces"], query),
					sql: asTraceStatement({}, rangeQuery()),
					url: addressOf("/api/v1/traces", {}, query),
					mcp: { tool: "find_traces", arguments: { ...rangeQuery(), limit: RECENT } },
				}}
			/>
			<main class="main">
				<Nothing title="Which trace?">
					<form
						class="bar"
						onSubmit={(event) => {
							event.preventDefault();
							if (text.trim() !== "") go(linkTo("trace", [text.trim()]));
						}}
					>
						<input
							type="search"
							class="grow"
							aria-label="Trace id"
							placeholder="32 hexadecimal digits"
							value={text}
							onInput={(event) => setText(event.currentTarget.value)}
						/>
						<button type="submit" class="primary">
							Open
						</button>
					</form>
					<p>
						Or <a href={linkTo("find")}>find one</a>: the slow and the failed ones stand out there.
					</p>
					<Shown
						of={recent}
						empty={(found) =>
							found.count > 0 ? null : (
								<>
									<p>None came in this time.</p>
									<SendData />
								</>
							)
						}
					>
						{(found) => (
							<table aria-label="Traces that came last">
								<thead>
									<tr>
										<th>those that came last</th>
										<th class="number">took</th>
										<th>at</th>
									</tr>
								</thead>
								<tbody>
									{found.traces.map((each) => (
										<tr key={each.trace_id}>
											<td>
												<a href={linkTo("trace", [each.trace_id])}>
													{each.service} · {each.operation}
												</a>{" "}
												{each.error_count > 0 && (
													<span class="tag bad">{each.error_count} failed</span>
												)}
											</td>
											<td class="number">{sayDuration(each.duration_ms)}</td>
											<td class="mono soft">
												{sayTime(readTime(each.start_time) ?? 0, now.value, { fraction: false })}
											</td>
										</tr>
									))}
								</tbody>
							</table>
						)}
					</Shown>
				</Nothing>
			</main>
		</>
	);
}

/** As many spans as arrive and are read at once; more are asked for on demand. */
const SPANS = 10_000;

/** As many as the server reads of one trace. */
const SPANS_MAX = 50_000;

/** Log records that are marked in the waterfall; a trace seldom has more. */
const LOGS = 1_000;

/** Some of a trace that ended so long ago at most may still come: what called its spans comes last. */
const YOUNG_MS = 60_000;

/** How often what others may add is asked for, and a trace that is large. */
const SLOW_MS = 30_000;

/** A trace of more spans is large. */
const LARGE = 1_000;

/** Return how often a trace is to be asked for, in milliseconds; null is never again. */
export function renewEvery(answer: Answer<TraceDocument>, clock: number): number | null {
	// It may be heard of before it is here.
	if (answer.problem?.code === "not_found") return TICK_MS;
	if (answer.data === undefined) return null;
	const ended = readTime(answer.data.end_time) ?? 0;
	if (clock - ended > YOUNG_MS) return null;
	return answer.data.count > LARGE ? SLOW_MS : TICK_MS;
}

function OneTrace({ id }: { id: string }) {
	const wanted = Math.min(SPANS_MAX, Number(param("spans")) || SPANS);
	const every = useRef<number | null>(null);
	const isMoving = mode.value === "following" && every.current !== null;
	const answer = useAnswer<TraceDocument>(
		`${id} ${wanted}`,
		(until) =>
			get("/api/v1/traces/{trace_id}", { in: { trace_id: id }, query: { limit: wanted }, until }),
		id,
		isMoving ? String(Math.floor(now.value / (every.current ?? TICK_MS))) : "",
	);
	every.current = renewEvery(answer, now.value);
	const isTranscript = param("show") === "transcript";
	const root = answer.data?.spans[0];
	return (
		<>
			<Head
				title={root === undefined ? "Trace" : `${root.service} · ${root.operation}`}
				copies={isTranscript ? copiesOfTranscript(id) : copiesOf(id)}
			>
				{answer.data ? <Facts trace={answer.data} /> : <span class="facts" />}
			</Head>
			<main class="main fills">
				<Shown of={answer}>
					{(trace) => <Opened trace={trace} heard={"at" in answer ? answer.at : 0} />}
				</Shown>
			</main>
		</>
	);
}

function copiesOf(id: string): Copies {
	return {
		cli: command(["trace", id]),
		sql: `SELECT * FROM otel_traces WHERE TraceId = '${id.replaceAll("'", "")}' ORDER BY Timestamp`,
		url: addressOf("/api/v1/traces/{trace_id}", { trace_id: id }),
		mcp: { tool: "trace_outline", arguments: { trace_id: id } },
	};
}

function Facts({ trace }: { trace: TraceDocument }) {
	return (
		<span class="bar small facts">
			<span class="soft">{sayTime(readTime(trace.start_time) ?? 0, now.value)}</span>
			<b>{sayDuration(trace.duration_ms)}</b>
			<span>{sayMany(trace.span_count, "span")}</span>
			{trace.error_count > 0 && <span class="tag bad">{trace.error_count} failed</span>}
			<span class="soft">{sayMany(trace.services.length, "service")}</span>
		</span>
	);
}

interface OpenedProps {
	trace: TraceDocument;
	/** Changes with each answer: what belongs to the trace is asked for with it. */
	heard: number;
}

function Opened({ trace, heard }: OpenedProps) {
	const rows = useMemo(() => orderSpans(trace.spans), [trace]);
	const isRun = useMemo(() => trace.spans.some(isOfAgent), [trace]);
	const isTranscript = param("show") === "transcript";
	const selected = param("span");
	const row = useMemo(() => rows.find((each) => each.span.span_id === selected), [rows, selected]);
	// The waterfall does not wait for the log records that are marked in it, nor fail with them.
	const logs = useAnswer<LogList>(
		trace.trace_id,
		(until) => get("/api/v1/logs", { query: { trace_id: trace.trace_id, limit: LOGS }, until }),
		"",
		String(heard),
	);
	const comments = useAnswer<CommentList>(
		trace.trace_id,
		(until) =>
			get("/api/v1/traces/{trace_id}/comments", { in: { trace_id: trace.trace_id }, until }),
		"",
		// What others say is heard by the clock; one's own at once.
		mode.value === "following" ? String(Math.floor(now.value / SLOW_MS)) : "",
	);
	useEffect(() => {
		// Without a choice, the first that failed is what one came for.
		if (selected !== null) return;
		const first = rows.find((each) => each.span.status === "error") ?? rows[0];
		if (first) change({ span: first.span.span_id }, { replace: true });
	}, [trace]);
	return (
		<>
			<Remarks trace={trace} logs={logs.data} hasLogs={logs.problem === undefined} />
			{selected !== null && row === undefined && (
				<div class="notice" role="note">
					Span <code>{selected}</code> is not among the spans that are shown.
				</div>
			)}
			{(isRun || isTranscript) && (
				<div class="bar counted" role="tablist" aria-label="Views">
					{(["waterfall", "transcript"] as const).map((each) => (
						<button
							type="button"
							role="tab"
							key={each}
							aria-selected={(each === "transcript") === isTranscript}
							onClick={() => change({ show: each === "waterfall" ? null : each })}
						>
							{each}
						</button>
					))}
				</div>
			)}
			<div class="split">
				{isTranscript ? (
					<TranscriptView name={trace.trace_id} heard={heard} />
				) : (
					<Waterfall
						rows={rows}
						logs={logs.data?.logs ?? NO_LOGS}
						comments={comments.data?.comments ?? NO_COMMENTS}
						selected={selected}
						onSelect={(span) => change({ span }, { replace: true })}
					/>
				)}
				<aside class="side" aria-label="Details">
					<Details trace={trace} row={row} comments={comments} heard={heard} />
				</aside>
			</div>
		</>
	);
}

const NO_LOGS: LogList["logs"] = [];
const NO_COMMENTS: CommentList["comments"] = [];

/** Whether a span is one of an agent's run: a model's answer, a tool's call, an agent's turn. */
function isOfAgent({ attributes }: TraceDocument["spans"][number]): boolean {
	return "gen_ai.operation.name" in attributes || "gen_ai.request.model" in attributes;
}

interface RemarksProps {
	trace: TraceDocument;
	logs: LogList | undefined;
	hasLogs: boolean;
}

/** What is not all there, and how to get the rest. */
function Remarks({ trace, logs, hasLogs }: RemarksProps) {
	const rest = trace.total - trace.count;
	const more = Math.min(SPANS_MAX, trace.total);
	return (
		<>
			{trace.truncated && (
				<div class="notice" role="note">
					The first {sayCount(trace.count)} of {sayMany(trace.total, "span")} are shown.
					{trace.count < more ? (
						<button
							type="button"
							onClick={() => change({ spans: String(more) }, { replace: true })}
						>
							{more === trace.total
								? `Load the other ${sayCount(rest)}`
								: `Load ${sayCount(more - trace.count)} more`}
						</button>
					) : (
						<>
							{" "}
							More are not laid out at once;{" "}
							<a href={linkTo("find", [], { show: "spans", q: `trace_id = ${trace.trace_id}` })}>
								find among all of them
							</a>
							.
						</>
					)}
				</div>
			)}
			{trace.missing_parents.length > 0 && (
				<div class="notice" role="note">
					{trace.missing_parents.length === 1
						? "The parent of some spans did not come"
						: `${sayMany(trace.missing_parents.length, "parent")} of these spans did not come`}
					: what called them is not known.
				</div>
			)}
			{logs?.truncated && (
				<div class="notice" role="note">
					Only the newest are marked: {sayMany(logs.count, "log record")}.
				</div>
			)}
			{!hasLogs && (
				<div class="notice" role="note">
					Log records are not marked: they could not be asked for.
				</div>
			)}
		</>
	);
}
