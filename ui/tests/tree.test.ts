import { describe, expect, it } from "vitest";
import type { App, WatchEvent } from "../src/api/schema";
import { applyEvent, hasEndedTree, mayBeHeld } from "../src/screens/tree/happenings";
import { layTree, readProgress, scopeOf } from "../src/screens/tree/layout";
import { cancelled, commanded } from "../src/screens/tree/Outcome";

function app(id: string, path: string[], more: Partial<App> = {}): App {
	return {
		app_id: id,
		app_name: id,
		path: [...path, id],
		parent_id: path.at(-1) ?? null,
		status: "running",
		scheduled_at: `2026-11-21T10:00:00.${id.padStart(9, "0")}Z`,
		detached: false,
		held: null,
		process: {},
		last_snapshot: null,
		result: null,
		reason: "status",
		actor: "local",
		...more,
	} as unknown as App;
}

const planner = app("planner", []);
const one = app("one", ["planner"]);
const tool = app("tool", ["planner", "one"], { status: "crashed" });
const two = app("two", ["planner"], { status: "done" });
const apart = app("apart", ["planner", "two"], { detached: true });
const below = app("below", ["planner", "two", "apart"]);
const apps = [planner, one, tool, two, apart, below];
const names = (rows: ReturnType<typeof layTree>) => rows.map((row) => row.app.app_id);

describe("the tree of apps", () => {
	it("lays parents before their children and tells what is below", () => {
		const rows = layTree([...apps].reverse());
		for (const row of rows)
			for (const id of row.app.path.slice(0, -1))
				expect(names(rows).indexOf(id)).toBeLessThan(names(rows).indexOf(row.app.app_id));
		expect(rows[0]).toMatchObject({ below: 5, failedBelow: 1, depth: 0 });
	});

	it("folds a subtree and still tells how much it hides", () => {
		const rows = layTree(apps, { folded: new Set(["planner"]) });
		expect(names(rows)).toEqual(["planner"]);
		expect(rows[0]).toMatchObject({ isFolded: true, below: 5, failedBelow: 1 });
	});

	it("shows what is looked for below those that it stands under, though they are folded", () => {
		const rows = layTree(apps, { kind: "failed", folded: new Set(["planner"]) });
		expect(rows.map((row) => [row.app.app_id, row.isContext])).toEqual([
			["planner", true],
			["one", true],
			["tool", false],
		]);
		expect(names(layTree(apps, { text: "BEL" }))).toContain("below");
		expect(names(layTree(apps, { kind: "orphaned" }))).toContain("apart");
		expect(layTree(apps, { text: "nobody" })).toEqual([]);
	});

	it("lays ten thousand apps, of a chain as deep, without end or overflow", () => {
		const path: string[] = [];
		const chain = Array.from({ length: 2_000 }, (_, at) => {
			const made = app(String(at), [...path]);
			path.push(String(at));
			return made;
		});
		const wide = Array.from({ length: 10_000 }, (_, at) => app(`w${at}`, ["planner"]));
		expect(layTree(chain)).toHaveLength(2_000);
		expect(layTree([planner, ...wide])[0]?.below).toBe(10_000);
	});

	it("names whom a command reaches: the living, and those apart only when they are wanted", () => {
		const ids = (hit: App[]) => hit.map((each) => each.app_id);
		expect(ids(scopeOf(apps, "planner", false))).toEqual(["planner"]);
		expect(ids(scopeOf(apps, "planner", true))).toEqual(["planner", "one", "apart", "below"]);
		expect(ids(scopeOf(apps, "planner", true, { withDetached: false }))).toEqual([
			"planner",
			"one",
		]);
		// Who is cancelled by name is meant, detached or not.
		expect(ids(scopeOf(apps, "apart", true, { withDetached: false }))).toEqual(["apart", "below"]);
	});
});

describe("what happens to an app", () => {
	const event = (kind: string, document: unknown) =>
		({ id: 1, at: "2026-11-21T11:00:00Z", kind, app_id: "one", path: [], document }) as WatchEvent;

	it("is written into what is known of it", () => {
		const ended = applyEvent(one, event("transition", { from: "running", to: "done" }));
		expect(ended).toMatchObject({ status: "done", ended_at: "2026-11-21T11:00:00Z" });
		const said = applyEvent(
			one,
			event("message", {
				msg_type: "Status",
				seq: 3,
				epoch: 1,
				payload_bytes: 30,
				payload: { progress: 0.25, phase: "reading", cost_usd: 1.5, tokens: 10 },
			}),
		);
		expect(readProgress(said as App)).toEqual({
			phase: "reading",
			share: 0.25,
			cost: 1.5,
			tokens: 10,
		});
	});

	it("is asked for where the feed does not tell it all", () => {
		expect(applyEvent(one, event("transition", { from: null, to: "scheduled" }))).toBeNull();
		expect(applyEvent(one, event("transition", { from: "scheduled", to: "connected" }))).toBeNull();
		expect(applyEvent(one, event("message", { msg_type: "Status", seq: 3 }))).toBeNull();
		expect(applyEvent(one, event("crash", {}))).toBeNull();
	});

	it("is asked for where one goes, returns or hangs elsewhere: until when and where is not told", () => {
		for (const [from, to] of [
			["running", "reconnecting"],
			["reconnecting", "running"],
			["lost_contact", "running"],
			["running", "running"],
			["done", "done"],
		])
			expect(applyEvent(one, event("transition", { from, to })), `${from} ${to}`).toBeNull();
	});

	it("takes away what held only until then", () => {
		const waiting = { ...one, held: "done", deadline: "2026-11-21T11:30:00Z" };
		const ended = applyEvent(waiting, event("transition", { from: "running", to: "done" }));
		expect(ended).toMatchObject({ status: "done", held: null, deadline: null });
		// A result may be an end that waits for others, which nobody tells.
		expect(mayBeHeld({ ...one, result: {} } as App)).toBe(true);
		expect(mayBeHeld({ ...one, result: {}, held: "done" } as App)).toBe(false);
		expect(mayBeHeld({ ...two, result: {} } as App)).toBe(false);
	});

	it("is left behind by a tree in which nothing lives for so long", () => {
		const at = (ended_at: string | null, status: string) =>
			app("x", ["root"], { ended_at, status });
		const [before, after] = [
			at("2026-11-21T10:00:00Z", "done"),
			at("2026-11-21T11:00:00Z", "done"),
		];
		const since = Date.parse("2026-11-21T10:30:00Z");
		expect(hasEndedTree([before], since)).toBe(true);
		expect(hasEndedTree([before, after], since)).toBe(false);
		expect(hasEndedTree([before, at(null, "running")], since)).toBe(false);
	});

	it("leaves the app as it is where nothing of it changed", () => {
		expect(applyEvent(one, event("command", { action: "pause" }))).toBe(one);
		expect(applyEvent(one, event("message", { msg_type: "Log" }))).toBe(one);
	});
});

describe("what became of a command", () => {
	it("has those first that need a look", () => {
		const outcome = cancelled({
			correlation_id: "c",
			over: true,
			ended_before: 2,
			outcomes: [
				{ app_id: "1", app_name: "a", status: "cancelled", phase: "term", confirmed: true },
				{ app_id: "2", app_name: "b", status: "lost_contact", phase: "kill", confirmed: false },
			],
		});
		expect(outcome.fates.map((each) => each.isWell)).toEqual([false, true]);
		expect(outcome.notes).toEqual(["2 had ended before"]);
	});

	it("is under way until it is over", () => {
		const target = { app_id: "1", app_name: "a", status: "sent", app_status: "running" };
		const command = (over: boolean) =>
			commanded({
				correlation_id: "c",
				over,
				targets: [{ ...target, ack: null, error: null }],
			} as unknown as Parameters<typeof commanded>[0]);
		expect(command(false).fates[0]?.isWell).toBeNull();
		expect(command(true).fates[0]?.isWell).toBe(false);
	});

	it("says in words that a program has nothing for an action", () => {
		const target = { app_id: "1", app_name: "a", status: "acked", ack: false };
		const outcome = commanded({
			correlation_id: "c",
			action: "pause",
			over: true,
			targets: [{ ...target, error: "unknown_action" }],
		} as unknown as Parameters<typeof commanded>[0]);
		expect(outcome.action).toBe("pause");
		expect(outcome.fates[0]?.what).toBe("does not know this action");
	});
});
