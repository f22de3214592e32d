import { describe, expect, it } from "vitest";
import { Backlog, isAppWanted, KEPT_MAX, type Line } from "../src/screens/live/backlog";

const AT = "2026-11-21T10:00:00Z";
const log = (body: string) => ({ timestamp: AT, service: "shop", body });
const bodies = (lines: readonly Line[]) =>
	lines.map((each) => (each.record as { body: string }).body);

describe("what comes live", () => {
	it("stands still while it is paused, and all of it is there afterwards", () => {
		const backlog = new Backlog();
		backlog.take("log", [log("a"), log("b")]);
		backlog.show(false);
		backlog.take("log", log("c"));
		expect(bodies(backlog.show(true))).toEqual(["a", "b"]);
		expect(backlog.show(true)).toBe(backlog.show(true));
		expect(backlog.waiting).toBe(1);
		expect(bodies(backlog.show(false))).toEqual(["a", "b", "c"]);
		expect(backlog.waiting).toBe(0);
	});

	it("is told once, though it was there before and the feed brings it again", () => {
		const backlog = new Backlog();
		backlog.take("log", log("new"));
		const before = ["old", "new"].map((said) => ({
			kind: "log" as const,
			at: 1,
			record: log(said),
		}));
		backlog.begin(before);
		backlog.take("log", [log("old"), log("newer")]);
		expect(bodies(backlog.show(false))).toEqual(["old", "new", "newer"]);
	});

	it("keeps a million lines and counts what it let go", () => {
		const backlog = new Backlog();
		const record = log("x");
		const many = Array.from({ length: 110_000 }, () => record);
		for (let at = 0; at < 10; at += 1) backlog.take("log", many);
		backlog.drop(7);
		const kept = backlog.show(false).length;
		expect(kept).toBeGreaterThanOrEqual(KEPT_MAX);
		expect(kept + backlog.dropped).toBe(1_100_000 + 7);
	});

	it("is not painted again when nothing came", () => {
		const backlog = new Backlog();
		const before = backlog.version;
		backlog.show(false);
		backlog.show(true);
		expect(backlog.version).toBe(before);
		backlog.take("app", { app_id: "1", at: AT });
		expect(backlog.version).not.toBe(before);
	});

	it("leaves out of the tree what the filters leave out", () => {
		const none = { service: "", status: "", text: "", q: "" };
		const line: Line = {
			kind: "app",
			at: 0,
			record: { kind: "transition", app_id: "1", document: { app_name: "Worker", to: "crashed" } },
		};
		expect(isAppWanted(line, none)).toBe(true);
		expect(isAppWanted(line, { ...none, service: "other" })).toBe(false);
		expect(isAppWanted(line, { ...none, status: "error" })).toBe(true);
		expect(isAppWanted(line, { ...none, text: "WORKER" })).toBe(true);
		expect(isAppWanted(line, { ...none, q: "root" })).toBe(false);
	});
});
