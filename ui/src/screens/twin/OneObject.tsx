/** One object: its state at the cursor, beside another moment, and the events that made it. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { Difference, EventPlace, Timeline, TimelineEvent, TwinState } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Shown } from "../../parts/States";
import { nameMany, sayCount, sayMany, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param } from "../../state/place";
import { cursor, mode, moveCursor, now, readTime, writeTime } from "../../state/time";
import { Events } from "./Events";
import { FieldChart } from "./FieldChart";
import { KnownNote, KnownSwitch } from "./Known";
import { References } from "./References";
import {
	eventAfter,
	eventBefore,
	recordedQuery,
	recordedTime,
	rowsOf,
	type StateRow,
} from "./state";

/** Events of one list; an object that has more tells so. */
const EVENTS = 5000;

export function OneObject({ type, id }: { type: string; id: string }) {
	const at = cursor.value;
	const from = readTime(param("from"));
	const pane = param("pane") === "references" ? "references" : "state";
	const recorded = param("recorded_at");
	const asked = {
		...(at === null ? {} : { at: writeTime(at) }),
		...recordedQuery(recorded, at),
	};
	const object = { type, id };
	const state = useAnswer<TwinState>(
		// The past stays as it is; now is another moment with every tick.
		`${type}/${id} ${at ?? (mode.value === "following" ? now.value : "now")} ${recorded}`,
		(until) => get("/api/v1/objects/{type}/{id}", { in: object, query: asked, until }),
		`${type}/${id}`,
	);
	const newest = useNewest(state.data, at === null && recordedTime(recorded, at) === null);
	const events = useAnswer<Timeline>(`${type}/${id} ${newest}`, (until) =>
		get("/api/v1/objects/{type}/{id}/timeline", {
			in: object,
			query: { limit: EVENTS, changes: false },
			until,
		}),
	);
	const difference = useAnswer<Difference>(
		from === null ? null : `${type}/${id} ${from} ${at ?? newest} ${recorded}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}/diff", {
				in: object,
				query: {
					from: writeTime(from ?? 0),
					...(at === null ? {} : { to: writeTime(at) }),
					...recordedQuery(recorded, from),
				},
				until,
			}),
		`${type}/${id}`,
	);
	const before = useAnswer<TwinState>(
		from === null ? null : `${type}/${id} ${from} ${recorded}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}", {
				in: object,
				query: { at: writeTime(from ?? 0), ...recordedQuery(recorded, from) },
				until,
			}),
		`${type}/${id}`,
	);
	const all = events.data?.events ?? [];
	useSteps(all);
	return (
		<>
			<Head
				title={`${type} ${id}`}
				copies={
					from === null
						? {
								cli: command([pane === "references" ? "graph" : "twin", type, id], asked),
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
				<KnownSwitch events={all} />
			</Head>
			<main class="main fills">
				<div class="split">
					<div class="column scroll">
						<div class="bar counted" role="tablist">
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
						<KnownNote events={all} at={at} />
						{pane === "references" ? (
							<References type={type} id={id} />
						) : (
							<Shown of={state}>
								{(found) => (
									<State
										found={found}
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
						<Shown
							of={events}
							empty={(found) => (found.count > 0 ? null : <p class="soft">It said nothing.</p>)}
						>
							{(found) => <Events type={type} id={id} found={found} />}
						</Shown>
					</aside>
				</div>
			</main>
		</>
	);
}

function copiesOfDifference(
	type: string,
	id: string,
	from: number,
	at: number | null,
	recorded: string | null,
) {
	const query = {
		from: writeTime(from),
		to: at === null ? undefined : writeTime(at),
		...recordedQuery(recorded, from),
	};
	return {
		cli: command(["state-diff", type, id], query),
		url: addressOf("/api/v1/objects/{type}/{id}/diff", { type, id }, query),
		mcp: { tool: "object_diff", arguments: { type, id, ...query } },
	};
}

/** Return what changes when something new is known of an object, so that its events are asked for. */
function useNewest(state: TwinState | undefined, isNow: boolean): string {
	const newest = useRef("");
	if (isNow && state !== undefined)
		newest.current = `${state.version} ${state.last_event?.event_id} ${state.updated_at}`;
	return newest.current;
}

function step(event: TimelineEvent | null): void {
	if (event !== null) moveCursor(readTime(event.at));
}

function useSteps(all: readonly TimelineEvent[]): void {
	const seen = useRef(all);
	seen.current = all;
	useEffect(
		() =>
			addKeys([
				{ keys: "]", what: "Next change", act: () => step(eventAfter(seen.current, cursor.value)) },
				{
					keys: "[",
					what: "Change before",
					act: () => step(eventBefore(seen.current, cursor.value)),
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

interface StateProps {
	found: TwinState;
	before: TwinState | undefined;
	difference: Difference | undefined;
}

function State({ found, before, difference }: StateProps) {
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
				<span class="grow" />
				{before === undefined ? (
					<button type="button" onClick={compareHere} title="c">
						Compare with another moment
					</button>
				) : (
					<>
						<button type="button" onClick={exchange} title="x">
							Exchange
						</button>
						<button type="button" onClick={() => change({ from: null })}>
							Stop comparing
						</button>
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
			<div class="scroll">
				<table aria-label="State">
					<thead>
						<tr>
							<th>field</th>
							{before && <th>then</th>}
							<th>{before ? "at the cursor" : "value"}</th>
							{before && <th>changed by</th>}
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
			{charted !== null && (
				<FieldChart
					key={charted}
					type={found.type}
					id={found.id}
					field={charted}
					version={found.version}
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
							{sayTime(readTime(by.at) ?? 0, now.value)}
						</a>
					) : (
						by && sayTime(readTime(by.at) ?? 0, now.value)
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
