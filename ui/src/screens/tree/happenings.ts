/** What happens to apps, written into what is known of them. Pure. */

import type { App, Said, WatchEvent } from "../../api/schema";
import { readTime } from "../../state/time";
import { LIVE } from "./layout";

/**
 * Return the app as it is after something happened to it, or null where the feed does not tell enough
 * and the app is to be asked for anew.
 */
export function applyEvent(app: App, event: WatchEvent): App | null {
	const said = event.document as Record<string, unknown>;
	switch (event.kind) {
		case "transition":
			return moved(app, event.at, said);
		case "message":
			return heard(app, event.at, said);
		case "crash":
			// How long it was away and whether it came back is in its own document.
			return null;
		default:
			// A command is asked for where it is shown; it changes nothing of the app by itself.
			return app;
	}
}

function moved(app: App, at: string, said: Record<string, unknown>): App | null {
	const { from, to } = said;
	if (typeof to !== "string") return null;
	const ended = !LIVE.has(to);
	// Not told are: the process of one that joins or returns, where one hangs that is adopted, and until
	// when one that has gone may come back.
	if (!(ended ? from !== to && LIVE.has(String(from)) : to === "running" && from === "connected"))
		return null;
	return {
		...app,
		status: to,
		reason: String(said.reason ?? app.reason),
		actor: String(said.actor ?? app.actor),
		epoch: typeof said.epoch === "number" ? said.epoch : app.epoch,
		confirmed: said.confirmed === true,
		exit_code: typeof said.exit_code === "number" ? said.exit_code : app.exit_code,
		started_at: ended ? app.started_at : (app.started_at ?? at),
		ended_at: ended ? at : null,
		held: null,
		deadline: null,
	};
}

const STATUSES: ReadonlySet<string> = new Set(["Status"]);
const RESULTS: ReadonlySet<string> = new Set(["Result", "Error"]);

function heard(app: App, at: string, said: Record<string, unknown>): App | null {
	const type = String(said.msg_type);
	if (!STATUSES.has(type) && !RESULTS.has(type)) return app;
	// A large payload is left out of the feed; what comes late is older than what is known.
	if (!("payload" in said) || said.is_late === true) return null;
	const what: Said = {
		msg_type: type,
		seq: Number(said.seq),
		epoch: Number(said.epoch),
		at,
		payload_bytes: Number(said.payload_bytes),
		payload: said.payload,
	};
	return RESULTS.has(type) ? { ...app, result: what } : { ...app, last_snapshot: what };
}

/** Whether there is a tree in which nothing lives, and nothing ended since a moment. */
export function hasEndedTree(apps: Iterable<App>, since: number): boolean {
	const [ended, kept] = [new Set<string>(), new Set<string>()];
	for (const app of apps) {
		const root = app.path[0] ?? app.app_id;
		const isKept = LIVE.has(app.status) || (readTime(app.ended_at) ?? since) >= since;
		(isKept ? kept : ended).add(root);
	}
	return [...ended].some((root) => !kept.has(root));
}

/**
 * Whether an app is to be asked for though all was written that was told of it: its result is there, and
 * its end is held until what is below it has ended, of which nothing is told.
 */
export function mayBeHeld(app: App): boolean {
	return app.result !== null && app.held === null && LIVE.has(app.status);
}
