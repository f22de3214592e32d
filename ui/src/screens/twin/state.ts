/** States side by side, and the events around a moment. Pure. */

import type { TimelineEvent } from "../../api/schema";
import { sayDuration, sayValue } from "../../parts/words";
import { readNanos, readTime } from "../../state/time";

/** An event that came later than this after it happened is told to be late. */
const LATE_MS = 5_000;

/** As a recorded time: that of the moment itself. */
export const THEN = "then";

/** A state, or a change of it, on one line. */
export function sayState(state: Record<string, unknown>): string {
	return Object.entries(state)
		.map(([name, value]) => `${name} ${sayValue(value)}`)
		.join(" · ");
}

/** Return how long after it happened an event came, in milliseconds. */
export function lateness(event: TimelineEvent): number {
	const happened = readTime(event.at) ?? 0;
	return (readTime(event.received_at) ?? happened) - happened;
}

export function isLate(event: TimelineEvent): boolean {
	return lateness(event) > LATE_MS;
}

/** Return how late an event came, in its largest unit, and whether it is left out for that. */
export function sayLate(event: TimelineEvent, isLeftOut: boolean): string {
	const [figure, unit] = sayDuration(lateness(event)).split(" ");
	return isLeftOut ? `unknown for ${figure} ${unit}` : `${figure} ${unit} late`;
}

/** Return by when what counts had come, in milliseconds; null where all counts.
 *
 * `text` is what the address says: a time, `then`, or nothing; `at` the moment, null for now.
 */
export function recordedTime(text: string | null, at: number | null): number | null {
	return text === THEN ? at : readTime(text);
}

/** Return the same as a parameter of a question about a moment. */
export function recordedQuery(text: string | null, at: string | null): { recorded_at?: string } {
	return text === null || (text === THEN && at === null) ? {} : { recorded_at: text };
}

/** Return the same as a parameter of a question about a list, which has no moment of its own. */
export function recordedList(text: string | null, at: string | null): { recorded_at?: string } {
	const query = recordedQuery(text, at);
	return text === THEN && at !== null ? { recorded_at: at } : query;
}

/** Return the events that had happened by a moment and came after a recorded time. */
export function unheardOf(
	events: readonly TimelineEvent[],
	at: number,
	recorded: number,
): TimelineEvent[] {
	return events.filter(
		(event) => (readTime(event.at) ?? 0) <= at && (readTime(event.received_at) ?? 0) > recorded,
	);
}

export interface StateRow {
	name: string;
	kind: "same" | "changed" | "added" | "removed";
	value: unknown;
	before: unknown;
}

/** Return the fields of a state, beside those of another where there is one; by name. */
export function rowsOf(
	state: Record<string, unknown>,
	before?: Record<string, unknown> | undefined,
): StateRow[] {
	const names = [...new Set([...Object.keys(state), ...Object.keys(before ?? {})])].sort();
	return names.map((name) => {
		const value = state[name];
		const earlier = before?.[name];
		let kind: StateRow["kind"] = "same";
		if (before !== undefined) {
			if (!(name in before)) kind = "added";
			else if (!(name in state)) kind = "removed";
			else if (JSON.stringify(value) !== JSON.stringify(earlier)) kind = "changed";
		}
		return { name, kind, value, before: earlier };
	});
}

/** What says something and changes nothing. */
const REMARKS: ReadonlySet<string> = new Set(["event", "action", "log"]);

/** Return the events that made the object what it is: those that one steps from and to. */
export function changesOf(events: readonly TimelineEvent[]): TimelineEvent[] {
	return events.filter(({ type, verdict }) => !REMARKS.has(type) && verdict !== "rejected");
}

/** Return the first event after a moment; null is now, after which there is none. */
export function eventAfter(
	events: readonly TimelineEvent[],
	at: string | null,
): TimelineEvent | null {
	const moment = readNanos(at);
	if (moment === null) return null;
	return events.find((event) => (readNanos(event.at) ?? 0n) > moment) ?? null;
}

/** Return the last event before a moment; null is now. */
export function eventBefore(
	events: readonly TimelineEvent[],
	at: string | null,
): TimelineEvent | null {
	const moment = readNanos(at);
	return (
		events.findLast((event) => moment === null || (readNanos(event.at) ?? 0n) < moment) ?? null
	);
}
