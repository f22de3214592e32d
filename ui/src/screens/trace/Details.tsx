/** Beside the waterfall: the span that is selected, its logs, what is said, who ran it, what it touched. */

import { useState } from "preact/hooks";
import { addressOf, get, post } from "../../api/client";
import type { CommentList, CorrelateReport, LogList, Trace } from "../../api/schema";
import { type Copies, CopyMenu, command } from "../../parts/CopyMenu";
import { Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayAgo, sayCount, sayDuration, sayMany, sayTime, sayValue } from "../../parts/words";
import { type Answer, useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { change, linkTo, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import type { Row } from "./layout";
import { ObjectsPane } from "./Objects";

const PANES = ["span", "logs", "comments", "objects", "around"] as const;
type Pane = (typeof PANES)[number];

/** What was said of a trace: marked in the waterfall, read and written here. */
type Comments = Answer<CommentList> & { again: () => void };

interface DetailsProps {
	trace: Trace;
	row: Row | undefined;
	comments: Comments;
	/** Changes with each answer about the trace. */
	heard: number;
}

export function Details({ trace, row, comments, heard }: DetailsProps) {
	const asked = param("pane") as Pane | null;
	const pane = asked !== null && PANES.includes(asked) ? asked : "span";
	return (
		<div class="stack">
			<div class="bar">
				<div class="bar grow" role="tablist" aria-label="Details">
					{PANES.map((each) => (
						<button
							type="button"
							role="tab"
							class="noted"
							key={each}
							aria-selected={each === pane}
							onClick={() => change({ pane: each === "span" ? null : each }, { replace: true })}
						>
							{each}
							{each === "comments" && (comments.data?.count ?? 0) > 0 && (
								<span class="tag note-count">{comments.data?.count}</span>
							)}
						</button>
					))}
				</div>
				<CopyMenu of="this pane" {...copiesOf(pane, trace.trace_id, row?.span.span_id)} />
			</div>
			{pane === "span" && row && <SpanPane row={row} />}
			{pane === "logs" && <LogPane trace={trace} row={row} heard={heard} />}
			{pane === "comments" && <CommentPane trace={trace} row={row} answer={comments} />}
			{pane === "objects" && <ObjectsPane trace={trace} heard={heard} />}
			{pane === "around" && <AroundPane trace={trace} heard={heard} />}
		</div>
	);
}

/** Statement for records of a trace. */
function recordsSql(table: string, traceId: string, spanId?: string): string {
	const [trace, span] = [traceId, spanId].map((each) => each?.replaceAll(/\W/g, ""));
	const only = span === undefined ? "" : ` AND SpanId = '${span}'`;
	return `SELECT * FROM ${table} WHERE TraceId = '${trace}'${only} ORDER BY Timestamp`;
}

function copiesOf(pane: Pane, trace_id: string, span_id: string | undefined): Copies {
	switch (pane) {
		case "span": {
			const asked = { trace_id, q: `span_id = ${span_id}`, view: "spans" };
			return {
				cli: command(["traces"], asked),
				sql: recordsSql("otel_traces", trace_id, span_id),
				url: addressOf("/api/v1/traces", {}, asked),
				mcp: { tool: "span_details", arguments: { trace_id, span_ids: [span_id] } },
			};
		}
		case "logs":
			return {
				cli: command(["logs"], { trace_id }),
				sql: recordsSql("otel_logs", trace_id),
				url: addressOf("/api/v1/logs", {}, { trace_id }),
				mcp: { tool: "find_logs", arguments: { trace_id } },
			};
		case "comments":
			return {
				cli: command(["comment", "list", trace_id]),
				url: addressOf("/api/v1/traces/{trace_id}/comments", { trace_id }),
				mcp: { tool: "comments", arguments: { trace_id } },
			};
		case "objects": {
			const step = param("step") ?? undefined;
			return {
				cli: command(["touched", trace_id], { step }),
				url: addressOf("/api/v1/traces/{trace_id}/objects", { trace_id }, { step }),
				mcp: {
					tool: "touched_objects",
					arguments: { trace_id, step: step === undefined ? undefined : Number(step) },
				},
			};
		}
		case "around":
			return {
				cli: command(["correlate", trace_id]),
				url: addressOf("/api/v1/correlate", {}, { trace: trace_id }),
				mcp: { tool: "correlate", arguments: { trace_id } },
			};
	}
}

function SpanPane({ row }: { row: Row }) {
	const { span } = row;
	return (
		<>
			<h2>{span.operation}</h2>
			<dl>
				<dt>service</dt>
				<dd>
					<a href={linkTo("find", [], { service: span.service })}>{span.service}</a>
				</dd>
				<dt>duration</dt>
				<dd>
					{sayDuration(span.duration_ms)}
					{span.self_time_ms != null && (
						<span class="soft">, {sayDuration(span.self_time_ms)} of it its own</span>
					)}
				</dd>
				<dt>status</dt>
				<dd class={span.status === "error" ? "bad" : ""}>
					{span.status} {span.status_message}
				</dd>
				<dt>kind</dt>
				<dd>{span.kind}</dd>
				<dt>started</dt>
				<dd class="mono">{sayTime(row.start, now.value)}</dd>
				<dt>span</dt>
				<dd class="mono">{span.span_id}</dd>
			</dl>
			<Attributes title="Attributes" values={span.attributes} filters />
			{span.events.length > 0 && <h3>Events</h3>}
			{span.events.map((event) => (
				<details key={event.timestamp + event.name} open={event.name === "exception"}>
					<summary>
						{event.name}{" "}
						<span class="soft small">
							+{sayDuration((readTime(event.timestamp) ?? row.start) - row.start)}
						</span>
					</summary>
					<Attributes values={event.attributes} />
				</details>
			))}
			{span.links.length > 0 && <h3>Links</h3>}
			{span.links.map((link) => (
				<p key={link.trace_id + link.span_id}>
					<a href={linkTo("trace", [link.trace_id], { span: link.span_id })} class="mono">
						{link.trace_id.slice(0, 8)}… / {link.span_id}
					</a>
				</p>
			))}
			<details>
				<summary>Resource and scope</summary>
				<Attributes values={span.resource} />
				<p class="soft small">
					{span.scope.name} {span.scope.version}
				</p>
			</details>
		</>
	);
}

interface AttributesProps {
	title?: string;
	values: Record<string, unknown>;
	/** Whether a value leads to all spans that have it. */
	filters?: boolean;
}

function Attributes({ title, values, filters }: AttributesProps) {
	const entries = Object.entries(values);
	if (entries.length === 0) return null;
	return (
		<>
			{title && <h3>{title}</h3>}
			<dl class="attributes">
				{entries.map(([key, value]) => {
					const text = typeof value === "string" ? value : JSON.stringify(value);
					return (
						<>
							<dt class="mono">{key}</dt>
							<dd class="mono">
								{filters && text.length < 200 ? (
									<a
										href={linkTo("find", [], { attribute: `${key}=${text}`, show: "spans" })}
										title="All spans with this value"
									>
										{text}
									</a>
								) : (
									<pre>{text}</pre>
								)}
							</dd>
						</>
					);
				})}
			</dl>
		</>
	);
}

interface LogPaneProps {
	trace: Trace;
	row: Row | undefined;
	heard: number;
}

function LogPane({ trace, row, heard }: LogPaneProps) {
	const [only, setOnly] = useState(false);
	const span = only && row ? row.span.span_id : undefined;
	const about = `${trace.trace_id} ${span ?? ""}`;
	const answer = useAnswer<LogList>(
		about,
		(until) =>
			get("/api/v1/logs", {
				query: { trace_id: trace.trace_id, span_id: span, limit: 500 },
				until,
			}),
		about,
		String(heard),
	);
	return (
		<>
			<label>
				<input
					type="checkbox"
					checked={only}
					onChange={(event) => setOnly(event.currentTarget.checked)}
				/>{" "}
				of this span only
			</label>
			<Shown
				of={answer}
				empty={(found) => (found.count > 0 ? null : <p class="soft">No log record names it.</p>)}
			>
				{(found) => (
					<table>
						<tbody>
							{found.logs.toReversed().map((log, at) => (
								<tr key={at}>
									<td class="mono soft">
										+
										{sayDuration(
											(readTime(log.timestamp) ?? 0) - (readTime(trace.start_time) ?? 0),
										)}
									</td>
									<td class={log.severity === "error" || log.severity === "fatal" ? "bad" : "soft"}>
										{log.severity}
									</td>
									<td>
										<pre>{sayValue(log.body)}</pre>
									</td>
								</tr>
							))}
						</tbody>
					</table>
				)}
			</Shown>
		</>
	);
}

interface CommentPaneProps {
	trace: Trace;
	row: Row | undefined;
	answer: Comments;
}

function CommentPane({ trace, row, answer }: CommentPaneProps) {
	const [text, setText] = useState("");
	const [onSpan, setOnSpan] = useState(true);
	const { isBusy, problem, run } = useDeed();
	const say = async () => {
		const done = await run(() =>
			post("/api/v1/traces/{trace_id}/comments", {
				in: { trace_id: trace.trace_id },
				// An id of our own: sent twice, it is said once.
				body: {
					body: text,
					id: crypto.randomUUID?.(),
					...(onSpan && row ? { span_id: row.span.span_id } : {}),
				},
			}),
		);
		if (!done) return;
		setText("");
		answer.again();
	};
	return (
		<>
			<form
				class="stack"
				onSubmit={(event) => {
					event.preventDefault();
					void say();
				}}
			>
				<textarea
					rows={3}
					aria-label="Comment"
					placeholder="What did you find out?"
					value={text}
					onInput={(event) => setText(event.currentTarget.value)}
				/>
				<div class="bar">
					<label>
						<input
							type="checkbox"
							checked={onSpan}
							onChange={(event) => setOnSpan(event.currentTarget.checked)}
						/>{" "}
						about this span
					</label>
					<span class="grow" />
					<button type="submit" class="primary" disabled={isBusy || text.trim() === ""}>
						Say it
					</button>
				</div>
				<Wrong problem={problem} />
			</form>
			<Shown
				of={answer}
				empty={(found) => (found.count > 0 ? null : <p class="soft">Nobody said anything yet.</p>)}
			>
				{(found) => (
					<div class="stack">
						{found.comments.map((comment) => (
							<article class="panel" key={comment.id}>
								<p class="small soft">
									<b>{comment.author}</b> {sayAgo(readTime(comment.created_at) ?? 0, now.value)}
									{comment.span_id && (
										<>
											{" about "}
											<a
												href={linkTo("trace", [trace.trace_id], {
													span: comment.span_id,
													pane: "comments",
												})}
											>
												a span
											</a>
										</>
									)}
								</p>
								<pre>{comment.body}</pre>
							</article>
						))}
					</div>
				)}
			</Shown>
		</>
	);
}

/** Log records beside a trace: a taste; Find has them all. */
const NEARBY = 10;

function AroundPane({ trace, heard }: { trace: Trace; heard: number }) {
	const answer = useAnswer<CorrelateReport>(
		trace.trace_id,
		(until) => get("/api/v1/correlate", { query: { trace: trace.trace_id }, until }),
		"",
		String(heard),
	);
	return (
		<Shown of={answer}>
			{(found) => (
				<>
					<h2>Who ran this</h2>
					{found.apps.length === 0 && <p class="soft">No span names an app of the tree.</p>}
					{found.apps.map((app) => (
						<p key={app.app_id}>
							<a href={linkTo("tree", [app.app_id], { all: "true" })}>
								{app.app_name ?? app.app_id}
							</a>{" "}
							<span class="tag">{app.status ?? "unknown to the tree"}</span>{" "}
							<span class="soft small">
								{sayMany(app.span_count, "span")}
								{app.error_count > 0 && `, ${app.error_count} failed`}
								{app.path.length > 1 && `, level ${app.path.length} of the tree`}
							</span>
						</p>
					))}
					<h2>Objects it touched</h2>
					{found.objects.length === 0 && <p class="soft">It says nothing of objects.</p>}
					{found.objects.map((object) => (
						<p key={`${object.type}/${object.id}`}>
							<a href={linkTo("twin", [object.type, object.id], { at: trace.end_time })}>
								{object.type} {object.id}
							</a>{" "}
							<span class="soft small">
								{sayCount(object.changes)} of {sayMany(object.events, "event")} changed it
							</span>
						</p>
					))}
					{found.linked_from.length > 0 && <h2>Other traces that link here</h2>}
					{found.linked_from.map((link) => (
						<p key={link.trace_id + link.span_id}>
							<a href={linkTo("trace", [link.trace_id], { span: link.span_id })}>
								{link.service} · {link.operation}
							</a>{" "}
							{link.status === "error" && <span class="tag bad">failed</span>}
						</p>
					))}
					{found.nearby_logs.length > 0 && <h2>Log records of the same services at that time</h2>}
					{found.nearby_logs.slice(0, NEARBY).map((log, at) => (
						<p key={at} class="small">
							<span class="tag">{log.severity}</span> <span class="soft">{log.service}</span>{" "}
							{sayValue(log.body)}
						</p>
					))}
				</>
			)}
		</Shown>
	);
}
