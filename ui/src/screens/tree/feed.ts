/** The apps of the tree, kept as they are by the feed: read once, and then only what happened. */

import { useEffect, useState } from "preact/hooks";
import { get, markOwn, Problem } from "../../api/client";
import { listen } from "../../api/events";
import { returns } from "../../api/reach";
import type { App, WatchEvent } from "../../api/schema";
import { asProblem } from "../../state/answer";
import { applyEvent, hasEndedTree, mayBeHeld } from "./happenings";

/** What happens within so long is drawn at once: a cancelled tree is one change, not ten thousand. */
const GATHER_MS = 250;

/** Between two attempts to listen; doubles up to the second figure. */
const RETRY_MS = [1_000, 30_000] as const;

/** Without a feed the apps are asked for now and then. */
const POLL_MS = 5_000;

/** More apps than that are asked for all together. */
const SINGLY_MAX = 30;

/** Two readings of all apps are at least so far apart. */
const RELOAD_MS = 2_000;

const PAGE = 10_000;

/** Apps in one picture: the tree of a large run, twice. */
export const APPS_MAX = 20_000;

/** Trees that ended so long ago are left out unless asked for, as `clew tree` does. */
export const ACTIVE = "15m";
const ACTIVE_MS = 15 * 60_000;

/** How often it is looked whether there are such by now. */
const FORGET_MS = 60_000;

export interface Tree {
	apps: readonly App[] | null;
	/** How many there are, shown or not. */
	total: number;
	truncated: boolean;
	/** Why the apps could not be read, or not renewed. */
	problem: Problem | null;
	/** Whether what happens is heard as it does; null until that was tried. */
	isHeard: boolean | null;
	/** Return what changes whenever anything of an app may have, also what is not in its document. */
	heardOf: (app_id: string) => number;
	again: () => void;
}

type Known = Omit<Tree, "again">;

const EMPTY: Known = {
	apps: null,
	total: 0,
	truncated: false,
	problem: null,
	isHeard: null,
	heardOf: () => 0,
};

export function useTree(all: boolean): Tree {
	const [tree, setTree] = useState<Known>(EMPTY);
	const [keeper, setKeeper] = useState<Keeper | null>(null);
	useEffect(() => {
		const own = new Keeper(all, setTree);
		setKeeper(own);
		own.start();
		return () => own.end();
	}, [all]);
	return { ...tree, again: () => keeper?.reload() };
}

/** Keeps apps in step with the server until it is ended. */
export class Keeper {
	readonly #gone = new AbortController();
	/** Of what is asked after the first reading: to keep up is no look of anybody's. */
	readonly #own = markOwn(AbortSignal.any([this.#gone.signal]));
	readonly #all: boolean;
	readonly #tell: (tree: Known) => void;
	#apps = new Map<string, App>();
	#known: Known = EMPTY;
	#dirty = new Set<string>();
	/** Whether the apps changed, and whether anything happened to them, since it was told. */
	#changed = false;
	#happened = false;
	/** Grows with all that happened; which of it was of an app, and which is in the last reading of all. */
	#count = 0;
	#counts = new Map<string, number>();
	#countBefore = 0;
	#timer: number | undefined;
	#poll: number | undefined;
	#loading: Promise<void> | null = null;
	#loadedAt = 0;
	/** When all apps were asked for last, whatever came of it. */
	#askedAt = 0;
	/** Whether everything is to be read anew. */
	#wanted = true;

	constructor(all: boolean, tell: (tree: Known) => void) {
		this.#all = all;
		this.#tell = tell;
		const heardOf = (id: string) => this.#counts.get(id) ?? this.#countBefore;
		this.#known = { ...EMPTY, heardOf };
	}

	start(): void {
		void this.#follow();
		this.#poll = window.setInterval(() => {
			// What could not be read is behind, however well what happens is heard.
			const isBehind = !this.#known.isHeard || this.#known.problem !== null;
			if ((isBehind || this.#isOutgrown()) && !document.hidden) this.reload();
		}, POLL_MS);
	}

	end(): void {
		this.#gone.abort();
		window.clearTimeout(this.#timer);
		window.clearInterval(this.#poll);
	}

	reload(): void {
		this.#wanted = true;
		this.#gather(0);
	}

	/** Whether there is what a new reading would leave out. */
	#isOutgrown(): boolean {
		if (this.#all || performance.now() - this.#askedAt < FORGET_MS) return false;
		return hasEndedTree(this.#apps.values(), Date.now() - ACTIVE_MS);
	}

	#gather(ms = GATHER_MS): void {
		if (this.#gone.signal.aborted) return;
		this.#timer ??= window.setTimeout(() => {
			this.#timer = undefined;
			void this.#renew();
		}, ms);
	}

	async #renew(): Promise<void> {
		// One at a time: an older answer must not overwrite a newer one.
		if (this.#loading !== null) return;
		this.#loading = this.#ask();
		await this.#loading;
		this.#loading = null;
		// What could not be read is asked for by the clock.
		if (this.#known.problem === null && (this.#wanted || this.#dirty.size > 0)) this.#gather();
	}

	async #ask(): Promise<void> {
		try {
			if (this.#dirty.size > SINGLY_MAX) this.#wanted = true;
			if (this.#wanted) {
				const since = performance.now() - this.#askedAt;
				if (this.#askedAt > 0 && since < RELOAD_MS) await this.#rest(RELOAD_MS - since);
				await this.#readAll();
			} else if (this.#dirty.size > 0) {
				await this.#readDirty();
			}
			if (this.#changed || this.#happened || this.#known.problem !== null)
				this.#say({ problem: null });
		} catch (error) {
			if (this.#gone.signal.aborted) return;
			// Which of them it was is not known any more: only what is read anew is sure.
			this.#wanted = true;
			this.#say({ problem: asProblem(error) });
		}
	}

	async #readAll(): Promise<void> {
		this.#askedAt = performance.now();
		this.#wanted = false;
		this.#dirty.clear();
		const found = new Map<string, App>();
		let next: string | undefined;
		let total = 0;
		do {
			const page = await get("/api/v1/apps", {
				query: {
					limit: Math.min(PAGE, APPS_MAX - found.size),
					order: "tree",
					next,
					active: this.#all ? undefined : ACTIVE,
				},
				until: this.#loadedAt === 0 ? this.#gone.signal : this.#own,
			});
			for (const app of page.apps) found.set(app.app_id, app);
			total = page.total ?? page.at_least ?? found.size;
			next = page.next ?? undefined;
		} while (next !== undefined && found.size < APPS_MAX);
		this.#apps = found;
		this.#loadedAt = performance.now();
		// Of each app anything may have happened before.
		this.#count += 1;
		this.#countBefore = this.#count;
		this.#counts.clear();
		this.#changed = true;
		this.#known = { ...this.#known, total, truncated: next !== undefined };
	}

	async #readDirty(): Promise<void> {
		const ids = [...this.#dirty];
		this.#dirty.clear();
		const apps = await Promise.all(ids.map((id) => this.#readOne(id)));
		const before = this.#apps.size;
		for (const [at, app] of apps.entries()) {
			if (app === null) this.#apps.delete(ids[at] as string);
			else this.#apps.set(app.app_id, app);
		}
		this.#known = { ...this.#known, total: this.#known.total + this.#apps.size - before };
		this.#changed = true;
	}

	async #readOne(app_id: string): Promise<App | null> {
		try {
			return await get("/api/v1/apps/{app_id}", { in: { app_id }, until: this.#own });
		} catch (error) {
			// It is kept no longer.
			if (error instanceof Problem && error.status === 404) return null;
			throw error;
		}
	}

	#say(more: Partial<Tree>): void {
		const isNew = this.#changed;
		this.#changed = false;
		this.#happened = false;
		this.#known = { ...this.#known, ...more };
		if (isNew) this.#known.apps = [...this.#apps.values()];
		this.#tell(this.#known);
	}

	#hear(events: readonly WatchEvent[]): void {
		for (const event of events) {
			this.#count += 1;
			this.#counts.set(event.app_id, this.#count);
			this.#happened = true;
			const app = this.#apps.get(event.app_id);
			// What happened while all apps are read may be in the answer already, or not.
			const isSure = app !== undefined && !this.#wanted && this.#loading === null;
			const after = isSure ? applyEvent(app, event) : null;
			if (after === null) {
				this.#dirty.add(event.app_id);
			} else if (after !== app) {
				this.#apps.set(event.app_id, after);
				this.#changed = true;
			}
		}
		for (const { app_id } of events) {
			const app = this.#apps.get(app_id);
			if (app !== undefined && mayBeHeld(app)) this.#dirty.add(app_id);
		}
		this.#gather();
	}

	async #follow(): Promise<void> {
		const { signal } = this.#gone;
		let wait: number = RETRY_MS[0];
		const place = { id: undefined };
		while (!signal.aborted) {
			try {
				for await (const event of listen("/api/v1/watch", {}, signal, place)) {
					wait = RETRY_MS[0];
					if (event.type === "ready") {
						this.#say({ isHeard: true });
						// What happened before this word is in the next answer, what comes after it is told.
						this.reload();
					} else if (event.type === "lagged") {
						this.reload();
					} else if (event.type === "message") {
						this.#hear(JSON.parse(event.data) as WatchEvent[]);
					}
				}
			} catch {
				// The apps are asked for by the clock until it can be heard again.
			}
			if (signal.aborted) return;
			this.#say({ isHeard: false });
			if (this.#loadedAt === 0) this.reload();
			await this.#rest(wait);
			wait = Math.min(wait * 2, RETRY_MS[1]);
		}
	}

	/** Wait, but no longer than until the server is back or nobody wants it any more. */
	#rest(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const end = () => {
				window.clearTimeout(timer);
				forget();
				this.#gone.signal.removeEventListener("abort", end);
				resolve();
			};
			const timer = window.setTimeout(end, ms);
			const before = returns.peek();
			const forget = returns.subscribe((now) => {
				if (now !== before) window.setTimeout(end);
			});
			this.#gone.signal.addEventListener("abort", end);
		});
	}
}
