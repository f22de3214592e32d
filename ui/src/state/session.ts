/** The work session that is open, shown on every screen: what is looked at becomes its links. */

import { signal } from "@preact/signals";
import { get } from "../api/client";
import type { SessionHead } from "../api/schema";

/** Sessions are begun and ended by people, elsewhere too: a quarter of a minute late is soon enough. */
const LOOK_EVERY_MS = 15_000;

/** Null where none is open, or where nobody can say. */
export const openSession = signal<SessionHead | null>(null);

/** How often it was asked. An answer may be overtaken by a later one, and does not count then. */
let looks = 0;

/** Ask which session is open; also after whatever was done to one. */
export async function lookAtSession(until?: AbortSignal): Promise<void> {
	looks += 1;
	const own = looks;
	try {
		const found = await get("/api/v1/sessions", {
			query: { owner: "me", open: true, limit: 10 },
			until,
		});
		if (own === looks)
			openSession.value = found.sessions.find((each) => each.kind === "own") ?? null;
	} catch {
		// No session is better than one that may have ended; the screens tell why nobody answers.
		if (own === looks && !until?.aborted) openSession.value = null;
	}
}

/** Keep looking while the page is seen; the answer ends it. */
export function watchSession(): () => void {
	const gone = new AbortController();
	const look = () => {
		if (!document.hidden) void lookAtSession(gone.signal);
	};
	look();
	const timer = window.setInterval(look, LOOK_EVERY_MS);
	document.addEventListener("visibilitychange", look);
	return () => {
		gone.abort();
		window.clearInterval(timer);
		document.removeEventListener("visibilitychange", look);
	};
}
