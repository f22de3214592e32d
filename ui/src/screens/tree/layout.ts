/** Apps as a tree, laid flat. Pure. */

import type { App } from "../../api/schema";

export interface Branch {
	app: App;
	depth: number;
	/** How many rows below belong to it. */
	below: number;
}

/** Apps that still may do something. */
export const LIVE: ReadonlySet<string> = new Set([
	"scheduled",
	"connected",
	"running",
	"reconnecting",
	"lost_contact",
]);

/** Return apps, parents before their children, each level by when it was announced. */
export function layTree(apps: readonly App[]): Branch[] {
	const ids = new Set(apps.map((app) => app.app_id));
	const children = new Map<string, App[]>();
	const roots: App[] = [];
	for (const app of [...apps].sort((one, other) =>
		one.scheduled_at.localeCompare(other.scheduled_at),
	)) {
		if (app.parent_id !== null && ids.has(app.parent_id)) {
			const siblings = children.get(app.parent_id);
			if (siblings) siblings.push(app);
			else children.set(app.parent_id, [app]);
		} else {
			roots.push(app);
		}
	}
	const rows: Branch[] = [];
	const waiting = roots.map((app) => ({ app, depth: 0 })).reverse();
	const parents: number[] = [];
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
		parents.length = next.depth;
		for (const at of parents) (rows[at] as Branch).below += 1;
		parents.push(rows.length);
		rows.push({ ...next, below: 0 });
		const under = children.get(next.app.app_id) ?? [];
		for (let at = under.length - 1; at >= 0; at -= 1)
			waiting.push({ app: under[at] as App, depth: next.depth + 1 });
	}
	return rows;
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

/** Return who a command to a scope would reach: the app, and with `cascade` all live ones below it. */
export function scopeOf(apps: readonly App[], appId: string, cascade: boolean): App[] {
	return apps.filter(
		(app) =>
			LIVE.has(app.status) && (app.app_id === appId || (cascade && app.path.includes(appId))),
	);
}
