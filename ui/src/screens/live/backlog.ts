/** What came and may still be shown: bounded, in the order of arrival, and still while paused. */

import { readTime } from "../../state/time";

export type Kind = "span" | "log" | "app";

export interface Line {
	kind: Kind;
	/** Milliseconds since 1970. */
	at: number;
	record: unknown;
}

/** Lines that are kept: a list of a million rows still scrolls, and takes some hundred megabytes. */
export const KEPT_MAX = 1_000_000;

/** Taken away at once, so that it is not done for every line. */
const CUT = 50_000;

export class Backlog {
	/** Records that the server or this page left out. */
	dropped = 0;

	#lines: Line[] = [];
	#shown = 0;

	/** Keep what an event of a feed brought. */
	take(kind: Kind, records: unknown): void {
		for (const record of Array.isArray(records) ? records : [records]) {
			const said = record as Record<string, unknown>;
			// `ready` and `lagged` are about the feed itself.
			if (kind === "app" && said.app_id === undefined) continue;
			const at = String(said.end_time ?? said.timestamp ?? said.at ?? "");
			this.#lines.push({ kind, at: readTime(at) ?? Date.now(), record });
		}
		if (this.#lines.length > KEPT_MAX + CUT) {
			this.#lines = this.#lines.slice(CUT);
			this.#shown = Math.max(0, this.#shown - CUT);
			this.dropped += CUT;
		}
	}

	/** Return the lines to be shown: all, or those that were there when it was paused. */
	show(isPaused: boolean): readonly Line[] {
		if (!isPaused) this.#shown = this.#lines.length;
		return this.#shown === this.#lines.length ? this.#lines : this.#lines.slice(0, this.#shown);
	}

	/** How many came since it was paused. */
	get waiting(): number {
		return this.#lines.length - this.#shown;
	}
}
