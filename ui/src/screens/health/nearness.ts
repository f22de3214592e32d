/** Limits and losses in words. Pure. */

import type { Limit, Loss } from "../../api/schema";
import { sayBytes, sayCount, saySharePercent } from "../../parts/words";

/** What signals are called for people. */
const SIGNALS: Record<string, string> = {
	traces: "spans",
	logs: "log records",
	metrics: "points of metrics",
	events: "events of objects",
	links: "lineage",
	own: "clew itself",
};

/** Return what a signal is called, the same wherever it is counted. */
export const saySignal = (signal: string) => SIGNALS[signal] ?? signal;

/** Limits that are told at once; the others stand behind a fold unless they are near. */
export const SHOWN = 6;

/** Return what is used of a limit, of how much. */
export function sayUsed({ unit, used, max }: Limit): string {
	const say = unit === "bytes" ? sayBytes : sayCount;
	const figure = say(Math.round(used));
	if (max === null) return `${figure}, no limit is set`;
	return `${figure} of ${say(Math.round(max))}`;
}

/** Return in one sentence how the limits stand: what is read aloud, and read first. */
export function sayLimits(limits: readonly Limit[]): string {
	const full = limits.filter((each) => each.state === "full").map((each) => each.title);
	const near = limits.filter((each) => each.state === "near").map((each) => each.title);
	if (full.length > 0) return `Full: ${full.join(", ")}`;
	if (near.length > 0) return `Near the limit: ${near.join(", ")}`;
	const [nearest] = limits;
	if (nearest === undefined || nearest.share === null) return "No limit is set";
	return `No limit is near; the nearest is ${nearest.title} at ${saySharePercent(nearest.share)}`;
}

/** Split limits into those to show at once and those behind a fold; none that is near is hidden. */
export function foldLimits(limits: readonly Limit[]): [Limit[], Limit[]] {
	const first = limits.filter((each, at) => each.state !== "ok" || at < SHOWN);
	return [first, limits.filter((each) => !first.includes(each))];
}

/** The screen that shows what was lost one by one, where there is one. */
export function isShownInTwin(loss: Loss): boolean {
	return loss.signal === "events" && loss.outcome === "rejected";
}

/** Return how long ago the server started, as a range that begins before: `95m`. */
export function sinceStart(uptimeSeconds: number): string {
	return `${Math.ceil(uptimeSeconds / 60) + 1}m`;
}
