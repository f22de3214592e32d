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

	/** Grows with everything that changes what is shown. */
	version = 0;

	#lines: Line[] = [];
	/** How many of them, the first ones, were there before. */
	#begun = 0;
	#shown = 0;
	#still: readonly Line[] | null = null;
	/** Ids of what was there before the feed began, which may bring some of it again. */
	#known = new Set<string>();

	/** Keep what was there before; what the feed told already is not told again. */
	begin(lines: readonly Line[]): void {
		const told = new Set(this.#lines.map(identify));
		const before = [
			...this.#lines.slice(0, this.#begun),
			...lines.filter((line) => !told.has(identify(line))),
		].sort((one, other) => one.at - other.at);
		this.#lines = [...before, ...this.#lines.slice(this.#begun)];
		this.#begun = before.length;
		for (const line of lines) this.#known.add(identify(line));
		this.version += 1;
	}

	/** Keep what an event of a feed brought. */
	take(kind: Kind, records: unknown, isWanted: (line: Line) => boolean = () => true): void {
		for (const record of Array.isArray(records) ? records : [records]) {
			const said = record as Record<string, unknown>;
			// `ready` and `lagged` are about the feed itself.
			if (kind === "app" && said.app_id === undefined) continue;
			const line = { kind, at: momentOf(said) ?? Date.now(), record };
			if (!isWanted(line) || (this.#known.size > 0 && this.#known.delete(identify(line)))) continue;
			this.#lines.push(line);
		}
		if (this.#lines.length > KEPT_MAX + CUT) {
			this.#lines = this.#lines.slice(CUT);
			this.#shown = Math.max(0, this.#shown - CUT);
			this.#begun = Math.max(0, this.#begun - CUT);
			this.#still = null;
			this.dropped += CUT;
		}
		this.version += 1;
	}

	/** Note that the server left records out. */
	drop(count: number): void {
		this.dropped += count;
		this.version += 1;
	}

	/** Return the lines to be shown: all, or those that were there when it was paused. */
	show(isPaused: boolean): readonly Line[] {
		if (!isPaused) {
			this.#shown = this.#lines.length;
			this.#still = null;
			return this.#lines;
		}
		// A copy of a million lines is made once, not at each painting.
		this.#still ??= this.#lines.slice(0, this.#shown);
		return this.#still;
	}

	/** How many came since it was paused. */
	get waiting(): number {
		return this.#lines.length - this.#shown;
	}
}

/** Return when something was over or was said, in milliseconds since 1970. */
export function momentOf(said: Record<string, unknown>): number | null {
	return readTime(String(said.end_time ?? said.timestamp ?? said.at ?? ""));
}

function identify({ kind, record }: Line): string {
	const said = record as Record<string, unknown>;
	if (kind === "span") return `${String(said.trace_id)} ${String(said.span_id)}`;
	return `${String(said.timestamp)} ${String(said.service)} ${JSON.stringify(said.body)}`;
}

export interface Wanted {
	service: string;
	status: string;
	text: string;
	q: string;
}

const BAD_STATUSES = new Set(["crashed", "error", "start_failed", "lost_contact"]);

/** Whether what happened in the tree passes the filters, which the server knows for telemetry alone. */
export function isAppWanted({ record }: Line, { service, status, text, q }: Wanted): boolean {
	// An expression is about spans and log records.
	if (q !== "") return false;
	const { kind, document } = record as { kind?: string; document?: Record<string, unknown> };
	const said = document ?? {};
	if (service !== "" && said.app_name !== service) return false;
	if (status === "error" && kind !== "crash" && !BAD_STATUSES.has(String(said.to))) return false;
	return text === "" || JSON.stringify(record).toLowerCase().includes(text.toLowerCase());
}
