/** States side by side, and the events around a moment. Pure. */

import type { TimelineEvent } from "../../api/schema";
import { sayValue } from "../../parts/words";
import { readTime } from "../../state/time";

/** A state, or a change of it, on one line. */
export function sayState(state: Record<string, unknown>): string {
	return Object.entries(state)
		.map(([name, value]) => `${name} ${sayValue(value)}`)
		.join(" · ");
}

/** Statement for the events of an object, in the order in which they count. */
export function eventsSql(type: string, id: string): string {
	const [wanted, called] = [type, id].map(
		(each) => `'${each.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`,
	);
	return `SELECT * FROM trilog_events WHERE ObjType = ${wanted} AND ObjId = ${called} ORDER BY Timestamp, Seq`;
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

/** Return the first event after a moment; null is now, after which there is none. */
export function eventAfter(
	events: readonly TimelineEvent[],
	at: number | null,
): TimelineEvent | null {
	if (at === null) return null;
	return events.find((event) => (readTime(event.at) ?? 0) > at) ?? null;
}

/** Return the last event before a moment; null is now. */
export function eventBefore(
	events: readonly TimelineEvent[],
	at: number | null,
): TimelineEvent | null {
	return events.findLast((event) => at === null || (readTime(event.at) ?? 0) < at) ?? null;
}
