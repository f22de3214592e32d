/** Apps as a tree, laid flat. Pure. */

import type { App } from "../../api/schema";

export interface Branch {
	app: App;
	depth: number;
	/** How many apps stand below it, shown or folded away. */
	below: number;
	/** How many of these failed. */
	failedBelow: number;
	isFolded: boolean;
	/** Whether it is shown only because something below it was looked for. */
	isContext: boolean;
}

/** Apps that still may do something. */
export const LIVE: ReadonlySet<string> = new Set([
	"scheduled",
	"connected",
	"running",
	"reconnecting",
	"lost_contact",
]);

export const FAILED: ReadonlySet<string> = new Set(["error", "crashed", "start_failed"]);

/** What somebody may look for; the words are in the address. */
export const KINDS = ["live", "failed", "held", "orphaned", "detached", "lost"] as const;
export type Kind = (typeof KINDS)[number];

export interface Wanted {
	/** Part of the name, of the host, of the phase, or of an id. */
	text?: string | undefined;
	kind?: Kind | null;
	folded?: { has: (id: string) => boolean };
}

/** Return apps, parents before their children, each level by when it was announced. */
export function layTree(
	apps: readonly App[],
	{ text = "", kind = null, folded = new Set<string>() }: Wanted = {},
): Branch[] {
	const byId = new Map(apps.map((app) => [app.app_id, app]));
	const shown = findShown(apps, byId, text.trim().toLowerCase(), kind);
	const children = new Map<string, App[]>();
	const roots: App[] = [];
	const inOrder = apps.filter((app) => shown === null || shown.has(app.app_id));
	inOrder.sort((one, other) => compare(one.scheduled_at, other.scheduled_at));
	for (const app of inOrder) {
		if (app.parent_id !== null && byId.has(app.parent_id)) {
			const siblings = children.get(app.parent_id);
			if (siblings) siblings.push(app);
			else children.set(app.parent_id, [app]);
		} else {
			roots.push(app);
		}
	}
	const { below, failed } = countBelow(apps, byId);
	const rows: Branch[] = [];
	const waiting = roots.map((app) => ({ app, depth: 0 })).reverse();
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
		const id = next.app.app_id;
		const under = children.get(id) ?? [];
		// What is looked for is seen, whatever was folded before.
		const isFolded = shown === null && folded.has(id) && under.length > 0;
		rows.push({
			...next,
			below: below.get(id) ?? 0,
			failedBelow: failed.get(id) ?? 0,
			isFolded,
			isContext: shown?.get(id) === "context",
		});
		if (isFolded) continue;
		for (let at = under.length - 1; at >= 0; at -= 1)
			waiting.push({ app: under[at] as App, depth: next.depth + 1 });
	}
	return rows;
}

type Apps = ReadonlyMap<string, App>;

/** Return what is looked for with those above it; null where nothing is. */
function findShown(
	apps: readonly App[],
	byId: Apps,
	text: string,
	kind: Kind | null,
): Map<string, "found" | "context"> | null {
	if (text === "" && kind === null) return null;
	const shown = new Map<string, "found" | "context">();
	for (const app of apps) {
		if (kind !== null && !isOf(app, kind, byId)) continue;
		if (text !== "" && !says(app, text)) continue;
		for (const id of app.path) if (!shown.has(id)) shown.set(id, "context");
		shown.set(app.app_id, "found");
	}
	return shown;
}

function says(app: App, text: string): boolean {
	const { phase } = readProgress(app);
	return [app.app_name, app.app_id, String(app.process.hostname ?? ""), phase ?? ""].some((each) =>
		each.toLowerCase().includes(text),
	);
}

export function isOf(app: App, kind: Kind, byId: Apps): boolean {
	switch (kind) {
		case "live":
			return LIVE.has(app.status);
		case "failed":
			return FAILED.has(app.status);
		case "held":
			return app.held !== null;
		case "orphaned":
			return isOrphan(app, byId);
		case "detached":
			return app.detached;
		case "lost":
			return app.status === "lost_contact" || app.status === "reconnecting";
	}
}

/** Whether it lives on though whoever started it has ended. */
export function isOrphan(app: App, byId: Apps): boolean {
	if (app.parent_id === null || !LIVE.has(app.status)) return false;
	const parent = byId.get(app.parent_id);
	return parent !== undefined && !LIVE.has(parent.status) && parent.held === null;
}

/** How many stand below each app, and how many of them failed. */
function countBelow(apps: readonly App[], byId: Apps) {
	const below = new Map<string, number>();
	const failed = new Map<string, number>();
	// The deepest first: each hands on what it knows, so a chain costs its length, not its square.
	for (const app of [...apps].sort((one, other) => other.path.length - one.path.length)) {
		const above = app.parent_id;
		if (above === null || !byId.has(above)) continue;
		const own = FAILED.has(app.status) ? 1 : 0;
		below.set(above, (below.get(above) ?? 0) + (below.get(app.app_id) ?? 0) + 1);
		failed.set(above, (failed.get(above) ?? 0) + (failed.get(app.app_id) ?? 0) + own);
	}
	return { below, failed };
}

/** Times of documents are written alike, so they compare as texts; much quicker than by language. */
function compare(one: string, other: string): number {
	return one < other ? -1 : one > other ? 1 : 0;
}

/** What an app last said of how far it is. */
export interface Progress {
	phase: string | null;
	/** 0 to 1. */
	share: number | null;
	cost: number | null;
	tokens: number | null;
}

/** Read what apps say by custom: `phase`, `progress`, `cost_usd`, `tokens`. */
export function readProgress(app: App): Progress {
	const said = app.last_snapshot?.payload;
	const fields = (typeof said === "object" && said !== null ? said : {}) as Record<string, unknown>;
	const number = (name: string) =>
		typeof fields[name] === "number" ? (fields[name] as number) : null;
	const share = number("progress");
	return {
		phase: typeof fields.phase === "string" ? fields.phase : null,
		share: share === null ? null : Math.max(0, Math.min(1, share > 1 ? share / 100 : share)),
		cost: number("cost_usd"),
		tokens: number("tokens"),
	};
}

/**
 * Return who a command to a scope would reach: the app, and with `cascade` all live ones below it.
 * A cancel leaves out those that are detached, with what is below them, unless they are wanted.
 */
export function scopeOf(
	apps: readonly App[],
	appId: string,
	cascade: boolean,
	{ withDetached = true } = {},
): App[] {
	const apart = new Set(
		withDetached
			? []
			: apps.filter((app) => app.detached && app.app_id !== appId).map((app) => app.app_id),
	);
	return apps.filter((app) => {
		if (!LIVE.has(app.status)) return false;
		if (app.app_id === appId) return true;
		const from = cascade ? app.path.indexOf(appId) : -1;
		return from >= 0 && !app.path.slice(from + 1).some((id) => apart.has(id));
	});
}
