/** All events of an object; the cursor goes to the one that is picked. */

import { addressOf } from "../../api/client";
import type { Timeline } from "../../api/schema";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { Rows } from "../../parts/Rows";
import { sayCount, sayDuration, sayMany, sayTime } from "../../parts/words";
import { change, linkTo, param } from "../../state/place";
import { cursor, cursorTime, moveCursor, now, readTime } from "../../state/time";
import { isLate, lateness, recordedList, recordedTime, sayLate, sayState } from "./state";
import { eventsSql } from "./statements";

const HEIGHT = 50;

interface EventsProps {
	type: string;
	id: string;
	found: Timeline;
}

export function Events({ type, id, found }: EventsProps) {
	const at = cursor.value;
	const last =
		at === null
			? found.events.length - 1
			: found.events.findLastIndex((event) => (readTime(event.at) ?? 0) <= at);
	const query = recordedList(param("recorded_at"), cursorTime.value);
	const recorded = recordedTime(param("recorded_at"), at);
	return (
		<>
			<div class="bar">
				<h2 class="grow">{sayMany(found.total ?? found.count, "event")}</h2>
				<CopyMenu
					of="its events"
					cli={command(["timeline", type, id], query)}
					sql={eventsSql(type, id, { recorded })}
					url={addressOf("/api/v1/objects/{type}/{id}/timeline", { type, id }, query)}
					mcp={{ tool: "object_timeline", arguments: { type, id, ...query } }}
				/>
			</div>
			{found.truncated && <p class="soft small">The first {sayCount(found.count)} are shown.</p>}
			{found.kept_from && (
				<p class="soft small">
					Events before {sayTime(readTime(found.kept_from) ?? 0, now.value)} are not kept; the state
					is.
				</p>
			)}
			<Rows
				items={found.events}
				height={HEIGHT}
				label="Events"
				reveal={last}
				render={(event, index) => {
					const when = readTime(event.at) ?? 0;
					const isUnheard = recorded !== null && (readTime(event.received_at) ?? 0) > recorded;
					return (
						<div
							class={`event ${index > last || isUnheard ? "is-later" : ""} ${index === last ? "is-here" : ""}`}
						>
							<p>
								<button type="button" class="plain" onClick={() => moveCursor(event.at)}>
									<span class="mono soft small">{sayTime(when, now.value)}</span>{" "}
									<b>{event.name ?? event.type.replace("_", " ")}</b>
								</button>
								{event.phase && <span class="tag">{event.phase}</span>}
								{event.verdict !== "accepted" && <span class="tag warn">{event.verdict}</span>}
								<span class="grow" />
								{event.trace_id && (
									<a
										class="small"
										href={linkTo("trace", [event.trace_id], { span: event.span_id })}
									>
										span
									</a>
								)}
								<button
									type="button"
									class="plain small"
									title="Compare what is at the cursor with this moment"
									onClick={() => change({ from: event.at })}
								>
									compare
								</button>
							</p>
							<p class="small">
								<span class="mono cut grow" title={sayState(event.changes)}>
									{sayState(event.changes) || <span class="soft">{event.body}</span>}
								</span>
								{isLate(event) && (
									<span
										class="tag warn"
										title={`It came ${sayDuration(lateness(event))} after it happened: what was known then did not have it yet`}
									>
										{sayLate(event, isUnheard && index <= last)}
									</span>
								)}
							</p>
						</div>
					);
				}}
			/>
		</>
	);
}
