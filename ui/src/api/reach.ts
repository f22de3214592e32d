/** Whether the server can be reached. While it cannot, one question goes to it again and again, and all
 * panes ask anew when it is answered. */

import { signal } from "@preact/signals";

/** When the server was last heard, in milliseconds since 1970, while it cannot be reached; else null. */
export const lostSince = signal<number | null>(null);

/** What the server last said that it is in its group: leader, beginning, standby, opening; null of none. */
export const role = signal<string | null>(null);

/** How often the server came back: whoever got no answer asks anew when this grows. */
export const returns = signal(0);

/** Soon enough to be no annoyance, and next to nothing for whoever starts a server. */
const PROBE_MS = 2_000;

/** Statuses of a proxy that has nobody behind it. */
export const GATEWAY: ReadonlySet<number> = new Set([502, 503, 504]);

let heardAt = Date.now();
let timer: number | undefined;
let probeAt: URL | undefined;

/** Note that the server answered, whatever it said. */
export function noteHeard(): void {
	heardAt = Date.now();
	if (lostSince.peek() === null) return;
	window.clearInterval(timer);
	timer = undefined;
	lostSince.value = null;
	returns.value += 1;
}

/** Note that nobody answered; `alive` is the address that says whether somebody does again. */
export function noteLost(alive: URL): void {
	if (lostSince.peek() !== null) return;
	lostSince.value = heardAt;
	probeAt = alive;
	timer ??= window.setInterval(() => void probe(), PROBE_MS);
}

async function probe(): Promise<void> {
	if (probeAt === undefined || document.hidden) return;
	try {
		const until = AbortSignal.timeout(PROBE_MS);
		const response = await fetch(probeAt, { cache: "no-store", signal: until });
		if (!GATEWAY.has(response.status)) noteHeard();
	} catch {
		// Nobody answers yet: the next one asks again.
	}
}
