/** One object: its state at the cursor, beside another moment, and the events that made it. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, get, markOwn } from "../../api/client";
import type { Difference, EventPlace, Timeline, TimelineEvent, TwinState } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Shown } from "../../parts/States";
import { nameMany, sayCount, sayMany, sayTime, sayValue } from "../../parts/words";
import { type Answer, useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param } from "../../state/place";
import { cursor, cursorTime, mode, moveCursor, now, readTime, writeTime } from "../../state/time";
import { Events } from "./Events";
import { FieldChart } from "./FieldChart";
import { KnownNote, KnownSwitch } from "./Known";
import { References } from "./References";
import {
	changesOf,
	eventAfter,
	eventBefore,
	recordedQuery,
	recordedTime,
	rowsOf,
	type StateRow,
} from "./state";
import { eventsSql } from "./statements";

/** Events of one list; an object that has more tells so. */
const EVENTS = 5000;

export function OneObject({ type, id }: { type: string; id: string }) {
	const at = cursorTime.value;
	const from = readTime(param("from")) === null ? null : param("from");
	const pane = param("pane") === "references" ? "references" : "state";
	const recorded = param("recorded_at");
	const asked = {
		...(at === null ? {} : { at }),
		...recordedQuery(recorded, at),
	};
	const object = { type, id };
	const isNow = at === null && recordedTime(recorded, cursor.value) === null;
	const isMoving = mode.value === "following";
	// What comes while the past is looked at is heard of by how the object is now.
	const latest = useAnswer<TwinState>(isNow || !isMoving ? null : String(now.value), (until) =>
		get("/api/v1/objects/{type}/{id}", { in: object, query: {}, until: markOwn(until) }),
	);
	const heard = useHeard(isNow ? undefined : latest);
	const state = useAnswer<TwinState>(
		// Now is another moment with every tick; the past is as it was, until something of it comes late.
		`${at ?? (isMoving ? now.value : "now")} ${recorded} ${isNow ? "" : heard}`,
		(until) => get("/api/v1/objects/{type}/{id}", { in: object, query: asked, until }),
	);
	const newest = useHeard(isNow ? state : latest);
	const events = useAnswer<Timeline>(
		"events",
		(until) =>
			get("/api/v1/objects/{type}/{id}/timeline", {
				in: object,
				query: { limit: EVENTS, changes: false },
				until,
			}),
		"",
		newest,
	);
	const difference = useAnswer<Difference>(
		from === null ? null : `${from} ${at} ${recorded} ${newest}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}/diff", {
				in: object,
				query: {
					from: from ?? "",
					...(at === null ? {} : { to: at }),
					...recordedQuery(recorded, from),
				},
				until,
			}),
		`${from} ${at} ${recorded}`,
	);
	const before = useAnswer<TwinState>(
		from === null ? null : `${from} ${recorded} ${newest}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}", {
				in: object,
				query: { at: from ?? "", ...recordedQuery(recorded, from) },
				until,
			}),
		`${from} ${recorded}`,
	);
	const all = events.data?.events ?? [];
	const changes = useMemo(() => changesOf(all), [events.data]);
	useSteps(changes);
	const [earlier, later] = [eventBefore(changes, at), eventAfter(changes, at)];
	return (
		<>
			<Head
				title={`${type} ${id}`}
				copies={
					from === null
						? {
								cli: command([pane === "references" ? "graph" : "twin", type, id], asked),
								// What it refers to is found object by object: no statement does that.
								sql:
									pane === "references"
										? undefined
										: eventsSql(type, id, {
												until: at,
												recorded: recordedTime(recorded, cursor.value),
											}),
								url: addressOf(
									`/api/v1/objects/{type}/{id}${pane === "references" ? "/graph" : ""}`,
									object,
									asked,
								),
								mcp: {
									tool: pane === "references" ? "object_graph" : "object_state",
									arguments: { ...object, ...asked },
								},
							}
						: copiesOfDifference(type, id, from, at, recorded)
				}
			>
				<a class="button" href={linkTo("twin", [], { type })}>
					All objects
				</a>
				<button type="button" disabled={!earlier} onClick={() => step(earlier)} title="[">
					◀ change before
				</button>
				<button type="button" disabled={!later} onClick={() => step(later)} title="]">
					next change ▶
				</button>
				{at !== null && (
					<button type="button" onClick={() => moveCursor(null)}>
						Now
					</button>
				)}
				<KnownSwitch events={all} />
			</Head>
			<main class="main fills">
				<div class="split">
					<div class="column scroll">
						<div class="bar counted">
							<div class="bar" role="tablist">
								{(["state", "references"] as const).map((each) => (
									<button
										type="button"
										role="tab"
										key={each}
										aria-selected={each === pane}
										onClick={() =>
											change({ pane: each === "state" ? null : each }, { replace: true })
										}
									>
										{each}
									</button>
								))}
							</div>
							{pane === "state" && state.status !== "failed" && <Comparing isOn={from !== null} />}
						</div>
						<KnownNote events={all} at={cursor.value} />
						{pane === "references" ? (
							<References type={type} id={id} heard={newest} />
						) : (
							<Shown of={state}>
								{(found) => (
									<State
										found={found}
										heard={newest}
										before={from === null ? undefined : before.data}
										difference={from === null ? undefined : difference.data}
									/>
								)}
							</Shown>
						)}
						{from !== null && (before.problem ?? difference.problem) && (
							<p class="notice" role="alert">
								The other moment is not known: {(before.problem ?? difference.problem)?.message}
							</p>
						)}
					</div>
					<aside class="side events-side" aria-label="Events">
						{/* What failed beside it says why, once for both. */}
						{(state.status !== "failed" || events.status !== "failed") && (
							<Shown
								of={events}
								empty={(found) => (found.count > 0 ? null : <p class="soft">It said nothing.</p>)}
							>
								{(found) => <Events type={type} id={id} found={found} />}
							</Shown>
						)}
					</aside>
				</div>
			</main>
		</>
	);
}

function copiesOfDifference(
	type: string,
	id: string,
	from: string,
	at: string | null,
	recorded: string | null,
) {
	const query = {
		from,
		to: at ?? undefined,
		...recordedQuery(recorded, from),
	};
	return {
		cli: command(["state-diff", type, id], query),
		sql: eventsSql(type, id, {
			after: from,
			until: at,
			recorded: recordedTime(recorded, readTime(from)),
		}),
		url: addressOf("/api/v1/objects/{type}/{id}/diff", { type, id }, query),
		mcp: { tool: "object_diff", arguments: { type, id, ...query } },
	};
}

/** Return what changes when something new is known of an object, by how it is now. */
function useHeard(now: Answer<TwinState> | undefined): string {
	const heard = useRef("");
	if (now?.status === "ready") {
		const { version, last_event, updated_at } = now.data;
		heard.current = `${version} ${last_event?.event_id} ${updated_at}`;
	}
	return heard.current;
}

function step(event: TimelineEvent | null): void {
	if (event !== null) moveCursor(event.at);
}

function useSteps(changes: readonly TimelineEvent[]): void {
	const seen = useRef(changes);
	seen.current = changes;
	useEffect(
		() =>
			addKeys([
				{
					keys: "]",
					what: "Next change",
					act: () => step(eventAfter(seen.current, cursorTime.value)),
				},
				{
					keys: "[",
					what: "Change before",
					act: () => step(eventBefore(seen.current, cursorTime.value)),
				},
				{ keys: "c", what: "Compare with this moment", act: compareHere },
				{ keys: "x", what: "Exchange the two moments", act: exchange },
			]),
		[],
	);
}

function compareHere(): void {
	change({ from: param("at") ?? writeTime(now.value) });
}

function exchange(): void {
	const [from, at] = [param("from"), param("at")];
	if (from !== null) change({ at: from, from: at ?? writeTime(now.value) });
}

/** The way to a second moment, and back. */
function Comparing({ isOn }: { isOn: boolean }) {
	return (
		<span class="bar comparing">
			{isOn ? (
				<>
					<button type="button" onClick={exchange} title="x">
						Exchange
					</button>
					<button type="button" onClick={() => change({ from: null })}>
						Stop comparing
					</button>
				</>
			) : (
				<button type="button" onClick={compareHere} title="c">
					Compare with another moment
				</button>
			)}
		</span>
	);
}

interface StateProps {
	found: TwinState;
	/** Changes when something new is known of the object, at whatever moment. */
	heard: string;
	before: TwinState | undefined;
	difference: Difference | undefined;
}

function State({ found, heard, before, difference }: StateProps) {
	const rows = useMemo(() => rowsOf(found.state, before?.state), [found, before]);
	const charted = param("field");
	const [hidesSame, setHidesSame] = useState(false);
	const changed = rows.filter((row) => row.kind !== "same");
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
					<>
						<a
							href={linkTo("trace", [found.last_event.trace_id], {
								span: found.last_event.span_id,
							})}
						>
							the span that last changed it
						</a>
						<a href={linkTo("twin", [], { show: "steps", trace: found.last_event.trace_id })}>
							all that its trace touched
						</a>
					</>
				)}
			</div>
			{before !== undefined && (
				<p class="soft">
					<b>{sayCount(changed.length)}</b> of {sayMany(rows.length, "field")}{" "}
					{nameMany(changed.length, "differs", "differ")} between{" "}
					{sayTime(readTime(before.at) ?? 0, now.value)} and{" "}
					{cursor.value === null ? "now" : sayTime(cursor.value, now.value)}
					{difference && `, ${sayMany(difference.versions, "version")} apart`}. Move the cursor, or
					step with <kbd>[</kbd> <kbd>]</kbd>.{" "}
					<label>
						<input
							type="checkbox"
							checked={hidesSame}
							onChange={(event) => setHidesSame(event.currentTarget.checked)}
						/>{" "}
						only what differs
					</label>
				</p>
			)}
			{found.warnings.map((warning) => (
				<p class="notice" role="note" key={`${warning.code} ${warning.event_id}`}>
					<b>{warning.code}</b> {warning.message}
				</p>
			))}
			{rows.length > 0 && (
				<div class="scroll">
					<table aria-label="State">
						<thead>
							<tr>
								<th>field</th>
								{before && (
									<th>at {sayTime(readTime(before.at) ?? 0, now.value, { fraction: false })}</th>
								)}
								<th>{before ? "at the cursor" : "value"}</th>
								{before && <th>last set at</th>}
								<th>
									<span class="hidden">history</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{(hidesSame ? changed : rows).map((row) => (
								<Field
									key={row.name}
									row={row}
									compares={before !== undefined}
									by={causeOf(difference, row.name)}
									isCharted={row.name === charted}
								/>
							))}
						</tbody>
					</table>
				</div>
			)}
			{charted !== null && (
				<FieldChart
					key={charted}
					type={found.type}
					id={found.id}
					field={charted}
					heard={heard}
					close={() => change({ field: null }, { replace: true })}
				/>
			)}
		</div>
	);
}

function causeOf(difference: Difference | undefined, field: string): EventPlace | null {
	return difference?.changed[field]?.event ?? difference?.added_by?.[field] ?? null;
}

interface FieldProps {
	row: StateRow;
	compares: boolean;
	by: EventPlace | null;
	isCharted: boolean;
}

function Field({ row, compares, by, isCharted }: FieldProps) {
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
			{compares && (
				<td>
					{by?.trace_id ? (
						<a href={linkTo("trace", [by.trace_id], { span: by.span_id })}>
							{sayTime(readTime(by.at) ?? 0, now.value, { fraction: false })}
						</a>
					) : (
						by && sayTime(readTime(by.at) ?? 0, now.value, { fraction: false })
					)}
				</td>
			)}
			<td class="number">
				<button
					type="button"
					class="plain small"
					aria-expanded={isCharted}
					aria-label={`History of ${row.name}`}
					onClick={() => change({ field: isCharted ? null : row.name }, { replace: true })}
				>
					history
				</button>
			</td>
		</tr>
	);
}
