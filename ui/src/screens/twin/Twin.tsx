/** Twin: what an object was at any moment, what changed it, and which span did. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { ObjectList, Timeline, TimelineEvent, TwinState } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param, place } from "../../state/place";
import {
	cursor,
	moveCursor,
	now,
	rangeKey,
	rangeQuery,
	readTime,
	writeTime,
} from "../../state/time";
import { FieldChart } from "./FieldChart";
import { eventAfter, eventBefore, rowsOf, type StateRow } from "./state";

const LIMIT = 500;
const EVENTS = 2000;

export default function Twin() {
	const [type, ...rest] = place.value.names;
	// An id may hold slashes.
	const id = rest.join("/");
	return type !== undefined && id !== "" ? (
		<OneObject key={`${type}/${id}`} type={type} id={id} />
	) : param("show") === "rejected" ? (
		<Rejected />
	) : (
		<Objects type={type} />
	);
}

function Objects({ type }: { type: string | undefined }) {
	const text = param("text") ?? "";
	const query = {
		type: param("type") ?? type,
		text: text || undefined,
		limit: LIMIT,
		...rangeQuery(),
	};
	const answer = useAnswer<ObjectList>(
		JSON.stringify([query.type, text]) + rangeKey.value,
		(until) => get("/api/v1/objects", { query, until }),
		JSON.stringify([query.type, text]),
	);
	return (
		<>
			<Head
				title="Twin"
				copies={{
					cli: command(["objects", ...(query.type ? [query.type] : [])], { text, ...rangeQuery() }),
					url: addressOf("/api/v1/objects", {}, query),
					mcp: { tool: "find_objects", arguments: { type: query.type, text: query.text } },
				}}
			>
				<input
					type="search"
					aria-label="Object"
					placeholder="type, id or value"
					style={{ width: "260px" }}
					value={text}
					onChange={(event) => change({ text: event.currentTarget.value })}
				/>
				<a class="button" href={linkTo("twin", [], { show: "rejected" })}>
					Rejected events
				</a>
			</Head>
			<main class="main fills">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 ? null : (
							<Nothing
								title={text ? "No object is like that" : "No object said anything in this time"}
							>
								<p>Objects tell of themselves in three lines:</p>
								<pre>{`from clew.twin import anchor, TriLogLogger
with anchor("cart_123", "ShoppingCart"):
    TriLogLogger(__name__).state_change(item_count=5)`}</pre>
							</Nothing>
						)
					}
				>
					{(found) => (
						<>
							<div class="bar counted">
								{sayCount(found.total ?? found.count)} objects
								{found.truncated && (
									<span class="soft">, the {found.count} that changed last are shown</span>
								)}
							</div>
							<Rows
								items={found.objects}
								height={32}
								label="Objects"
								render={(object) => (
									<a class="row" href={linkTo("twin", [object.type, object.id])}>
										<span class="mono soft">
											{sayTime(readTime(object.last_at) ?? 0, now.value)}
										</span>
										<span class="service">{object.type}</span>
										<span class="mono">{object.id}</span>
										<span class="grow cut soft mono">{sayState(object.state)}</span>
										{!object.exists && <span class="tag">deleted</span>}
										<span class="soft small">{sayCount(object.events)} events</span>
									</a>
								)}
							/>
						</>
					)}
				</Shown>
			</main>
		</>
	);
}

function sayState(state: Record<string, unknown>): string {
	return Object.entries(state)
		.map(([name, value]) => `${name} ${sayValue(value)}`)
		.join(" · ");
}

function OneObject({ type, id }: { type: string; id: string }) {
	const events = useAnswer<Timeline>(`${type}/${id}`, (until) =>
		get("/api/v1/objects/{type}/{id}/timeline", {
			in: { type, id },
			query: { limit: EVENTS },
			until,
		}),
	);
	const at = cursor.value;
	const from = readTime(param("from"));
	const asked = at === null ? {} : { at: writeTime(at) };
	const state = useAnswer<TwinState>(
		`${type}/${id} ${at}`,
		(until) => get("/api/v1/objects/{type}/{id}", { in: { type, id }, query: asked, until }),
		`${type}/${id}`,
	);
	const before = useAnswer<TwinState>(
		from === null ? null : `${type}/${id} ${from}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}", {
				in: { type, id },
				query: { at: writeTime(from ?? 0) },
				until,
			}),
		`${type}/${id}`,
	);
	const all = events.data?.events ?? [];
	const step = (event: TimelineEvent | null) => {
		if (event !== null) moveCursor(readTime(event.at));
	};
	useEffect(
		() =>
			addKeys([
				{ keys: "]", what: "Next change", act: () => step(eventAfter(all, cursor.value)) },
				{ keys: "[", what: "Change before", act: () => step(eventBefore(all, cursor.value)) },
				{ keys: "c", what: "Compare with this moment", act: () => change({ from: param("at") }) },
			]),
		[all],
	);
	return (
		<>
			<Head
				title={`${type} ${id}`}
				copies={{
					cli: command(["twin", type, id], asked),
					url: addressOf("/api/v1/objects/{type}/{id}", { type, id }, asked),
					mcp: { tool: "object_state", arguments: { type, id, ...asked } },
				}}
			>
				<a class="button" href={linkTo("twin")}>
					All objects
				</a>
				<button type="button" onClick={() => step(eventBefore(all, at))} title="[">
					◀ change before
				</button>
				<button type="button" onClick={() => step(eventAfter(all, at))} title="]">
					next change ▶
				</button>
				{at !== null && (
					<button type="button" onClick={() => moveCursor(null)}>
						Now
					</button>
				)}
			</Head>
			<main class="main fills">
				<div class="split">
					<div class="column scroll">
						<Shown of={state}>
							{(found) => <State found={found} before={from === null ? undefined : before.data} />}
						</Shown>
					</div>
					<aside class="side" aria-label="Events">
						<Shown
							of={events}
							empty={(found) => (found.count > 0 ? null : <p class="soft">It said nothing.</p>)}
						>
							{(found) => <Events found={found} />}
						</Shown>
					</aside>
				</div>
			</main>
		</>
	);
}

function State({ found, before }: { found: TwinState; before: TwinState | undefined }) {
	const rows = useMemo(() => rowsOf(found.state, before?.state), [found, before]);
	const [charted, setCharted] = useState<string | null>(null);
	return (
		<div class="stack padded">
			<div class="bar">
				<span class={`tag ${found.exists ? "good" : ""}`}>
					{found.exists ? "exists" : "is not there"}
				</span>
				<span>version {found.version}</span>
				{found.phase && <span class="tag">{found.phase}</span>}
				{found.status && <span class="tag">{found.status}</span>}
				<span class="soft">
					{cursor.value === null ? "now" : `at ${sayTime(cursor.value, now.value)}`}
				</span>
				{found.last_event?.trace_id && (
					<a
						href={linkTo("trace", [found.last_event.trace_id], { span: found.last_event.span_id })}
					>
						the span that last changed it
					</a>
				)}
				<span class="grow" />
				{before === undefined ? (
					<button
						type="button"
						onClick={() => change({ from: param("at") ?? writeTime(now.value) })}
					>
						Compare with another moment
					</button>
				) : (
					<button type="button" onClick={() => change({ from: null })}>
						Stop comparing with {sayTime(readTime(before.at) ?? 0, now.value)}
					</button>
				)}
			</div>
			{found.warnings.map((warning) => (
				<p class="notice" role="note" key={`${warning.code} ${warning.event_id}`}>
					<b>{warning.code}</b> {warning.message}
				</p>
			))}
			<table aria-label="State">
				<thead>
					<tr>
						<th>field</th>
						{before && <th>then</th>}
						<th>{before ? "at the cursor" : "value"}</th>
						<th>
							<span class="hidden">over time</span>
						</th>
					</tr>
				</thead>
				<tbody>
					{rows.map((row) => (
						<Field key={row.name} row={row} compares={before !== undefined} chart={setCharted} />
					))}
				</tbody>
			</table>
			{charted !== null && (
				<FieldChart
					type={found.type}
					id={found.id}
					field={charted}
					close={() => setCharted(null)}
				/>
			)}
		</div>
	);
}

interface FieldProps {
	row: StateRow;
	compares: boolean;
	chart: (field: string) => void;
}

function Field({ row, compares, chart }: FieldProps) {
	return (
		<tr class={row.kind === "same" ? "" : `diff-${row.kind}`}>
			<td class="mono">{row.name}</td>
			{compares && (
				<td class="mono">
					<pre>{row.kind === "added" ? "–" : sayValue(row.before)}</pre>
				</td>
			)}
			<td class="mono">
				<pre>{row.kind === "removed" ? "–" : sayValue(row.value)}</pre>
			</td>
			<td class="number">
				<button type="button" class="plain small" onClick={() => chart(row.name)}>
					history
				</button>
			</td>
		</tr>
	);
}

function Events({ found }: { found: Timeline }) {
	const at = cursor.value;
	return (
		<div class="stack">
			<h2>{sayCount(found.total ?? found.count)} events</h2>
			{found.truncated && <p class="soft small">The first {found.count} are shown.</p>}
			<ol class="events">
				{found.events.map((event) => {
					const when = readTime(event.at) ?? 0;
					return (
						<li key={event.event_id} class={at !== null && when > at ? "is-later" : ""}>
							<button type="button" class="plain" onClick={() => moveCursor(when)}>
								<span class="mono soft small">{sayTime(when, now.value)}</span>
								<b>{event.name ?? event.type.replace("_", " ")}</b>
							</button>
							<span class="mono small">{sayState(event.changes)}</span>
							{event.verdict !== "accepted" && <span class="tag warn">{event.verdict}</span>}
							{event.trace_id && (
								<a class="small" href={linkTo("trace", [event.trace_id], { span: event.span_id })}>
									span
								</a>
							)}
						</li>
					);
				})}
			</ol>
		</div>
	);
}

function Rejected() {
	const answer = useAnswer(rangeKey.value, (until) =>
		get("/api/v1/rejected", { query: { ...rangeQuery(), limit: 200 }, until }),
	);
	return (
		<>
			<Head title="Rejected events">
				<a class="button" href={linkTo("twin")}>
					All objects
				</a>
			</Head>
			<main class="main">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 ? null : (
							<Nothing title="None was rejected in this time">
								<p>Every event was what its registry says.</p>
							</Nothing>
						)
					}
				>
					{(found) => (
						<>
							<p class="bar">
								{Object.entries(found.by_code).map(([code, count]) => (
									<span class="tag warn" key={code}>
										{code} {count}
									</span>
								))}
							</p>
							<table>
								<tbody>
									{found.events.map((event) => (
										<tr key={event.event_id}>
											<td class="mono soft">{sayTime(readTime(event.at) ?? 0, now.value)}</td>
											<td>
												<a href={linkTo("twin", [event.obj_type, event.obj_id])}>
													{event.obj_type} {event.obj_id}
												</a>
											</td>
											<td class="mono">{sayState(event.changes)}</td>
											<td>
												{event.issues.map((issue, at) => (
													<p key={at}>{sayValue(issue.message ?? issue)}</p>
												))}
											</td>
										</tr>
									))}
								</tbody>
							</table>
						</>
					)}
				</Shown>
			</main>
		</>
	);
}
