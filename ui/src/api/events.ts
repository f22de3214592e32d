/** Server-sent events by `fetch`, which unlike `EventSource` can show a key and hear errors. */

import { addressOf, ownHeaders, Problem, readProblem } from "./client";

export interface ServerEvent {
	id: string | undefined;
	type: string;
	data: string;
}

/** Yield events until the connection or `until` ends. Each is one block of lines. */
export async function* listen(
	path: string,
	query: Record<string, unknown>,
	until: AbortSignal,
	lastId?: string,
	onOpen?: () => void,
): AsyncGenerator<ServerEvent> {
	const headers: Record<string, string> = { accept: "text/event-stream", ...ownHeaders() };
	if (lastId !== undefined) headers["last-event-id"] = lastId;
	let response: Response;
	try {
		response = await fetch(addressOf(path, {}, query), { headers, signal: until });
	} catch (error) {
		if (until.aborted) return;
		throw new Problem("unavailable", "the live feed cannot be reached", 0, String(error));
	}
	if (!response.ok || response.body === null) throw await readProblem(response);
	onOpen?.();
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	const blocks = new Blocks();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			yield* blocks.take(value);
		}
	} catch (error) {
		if (!until.aborted)
			throw new Problem("unavailable", "the live feed broke off", 0, String(error));
	} finally {
		reader.cancel().catch(() => undefined);
	}
}

/** Cuts a stream of text into events. */
export class Blocks {
	#rest = "";

	/** Return the events that end within a piece of text. */
	take(piece: string): ServerEvent[] {
		const parts = (this.#rest + piece).replaceAll("\r\n", "\n").split("\n\n");
		this.#rest = parts.pop() ?? "";
		return parts.map(readBlock).filter((each) => each !== null);
	}
}

function readBlock(block: string): ServerEvent | null {
	const data: string[] = [];
	let id: string | undefined;
	let type = "message";
	for (const line of block.split("\n")) {
		const colon = line.indexOf(":");
		// A line that begins with a colon is a comment that keeps the connection alive.
		if (colon === 0) continue;
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
		if (name === "data") data.push(value);
		else if (name === "id") id = value;
		else if (name === "event") type = value;
	}
	return data.length === 0 ? null : { id, type, data: data.join("\n") };
}
