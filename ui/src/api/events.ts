/** Server-sent events by `fetch`, which unlike `EventSource` can show a key and hear errors. */

import { addressOf, NO_SESSION, ownHeaders, readProblem, unreachable } from "./client";
import { noteHeard } from "./reach";
import { untilSeen, whileSeen } from "./seen";

export interface ServerEvent {
	/** The last id that was told up to here: where to go on from. */
	id: string | undefined;
	type: string;
	data: string;
}

/** Where a feed stands: kept by whoever listens, so that the next connection goes on from there. */
export interface FeedPlace {
	id: string | undefined;
}

/**
 * Yield events until the connection or `until` ends, or nobody sees the page any more; begin when it is
 * seen. `place` is where to begin, and is kept up.
 */
export async function* listen(
	path: string,
	query: Record<string, unknown>,
	until: AbortSignal,
	place: FeedPlace,
	onOpen?: () => void,
): AsyncGenerator<ServerEvent> {
	await untilSeen(until);
	if (until.aborted) return;
	const { signal, forget } = whileSeen(until);
	try {
		yield* hear(path, query, signal, place, onOpen);
	} finally {
		forget();
	}
}

async function* hear(
	path: string,
	query: Record<string, unknown>,
	until: AbortSignal,
	place: FeedPlace,
	onOpen: (() => void) | undefined,
): AsyncGenerator<ServerEvent> {
	const headers: Record<string, string> = {
		accept: "text/event-stream",
		...NO_SESSION,
		...ownHeaders(),
	};
	if (place.id !== undefined) headers["last-event-id"] = place.id;
	let response: Response;
	try {
		response = await fetch(addressOf(path, {}, query), { headers, signal: until });
	} catch {
		if (until.aborted) return;
		throw unreachable();
	}
	if (!response.ok || response.body === null) {
		// A server that does not know the place, such as one that was set up anew, never will.
		if (response.status === 400) place.id = undefined;
		throw await readProblem(response);
	}
	noteHeard();
	onOpen?.();
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	const blocks = new Blocks(place);
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			yield* blocks.take(value);
		}
	} catch {
		if (!until.aborted) throw unreachable("the live feed broke off");
	} finally {
		reader.cancel().catch(() => undefined);
	}
}

/** Cuts a stream of text into events, and keeps its place in it. */
export class Blocks {
	readonly #place: FeedPlace;
	#rest = "";

	constructor(place: FeedPlace = { id: undefined }) {
		this.#place = place;
	}

	/** Return the events that end within a piece of text. */
	take(piece: string): ServerEvent[] {
		const parts = (this.#rest + piece).replaceAll("\r\n", "\n").split("\n\n");
		this.#rest = parts.pop() ?? "";
		return parts.map((block) => this.#read(block)).filter((each) => each !== null);
	}

	#read(block: string): ServerEvent | null {
		const data: string[] = [];
		let type = "message";
		for (const line of block.split("\n")) {
			const colon = line.indexOf(":");
			// A line that begins with a colon is a comment that keeps the connection alive.
			if (colon === 0) continue;
			const name = colon < 0 ? line : line.slice(0, colon);
			const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
			if (name === "data") data.push(value);
			// Even without data: what was looked through and left out need not be looked through again.
			else if (name === "id") this.#place.id = value;
			else if (name === "event") type = value;
		}
		return data.length === 0 ? null : { id: this.#place.id, type, data: data.join("\n") };
	}
}
