import { describe, expect, it } from "vitest";
import type { FieldValue, TimelineEvent } from "../src/api/schema";
import { layoutSteps } from "../src/screens/twin/FieldChart";
import {
	changesOf,
	eventAfter,
	eventBefore,
	isLate,
	recordedList,
	recordedQuery,
	recordedTime,
	rowsOf,
	sayLate,
	sayState,
	unheardOf,
} from "../src/screens/twin/state";
import {
	eventsSql,
	historySql,
	objectsSql,
	rejectedSql,
	stepsSql,
} from "../src/screens/twin/statements";

describe("an object", () => {
	it("is compared field by field", () => {
		const rows = rowsOf({ a: 1, b: { c: 2 }, d: 4 }, { a: 1, b: { c: 3 }, e: 5 });
		expect(rows.map((row) => [row.name, row.kind])).toEqual([
			["a", "same"],
			["b", "changed"],
			["d", "added"],
			["e", "removed"],
		]);
		expect(rowsOf({ a: 1 }).every((row) => row.kind === "same")).toBe(true);
	});

	it("is walked from change to change, to the nanosecond", () => {
		// As programs tell them: nearer to each other than a number of milliseconds can say.
		const events = ["10:00:00.000000123Z", "10:00:00.000000700Z", "10:00:01Z"].map(
			(at) => ({ at: `2026-11-21T${at}`, type: "state_change" }) as TimelineEvent,
		);
		const [first, second, third] = events;
		expect(eventBefore(events, null)).toBe(third);
		expect(eventBefore(events, "2026-11-21T10:00:01.000Z")).toBe(second);
		expect(eventBefore(events, second?.at ?? "")).toBe(first);
		expect(eventBefore(events, first?.at ?? "")).toBeNull();
		expect(eventAfter(events, first?.at ?? "")).toBe(second);
		expect(eventAfter(events, second?.at ?? "")).toBe(third);
		expect(eventAfter(events, third?.at ?? "")).toBeNull();
		expect(eventAfter(events, null)).toBeNull();
	});

	it("is walked over what changes it alone", () => {
		const events = [
			{ type: "created", verdict: "accepted" },
			{ type: "action", verdict: "accepted" },
			{ type: "state_change", verdict: "rejected" },
			{ type: "log", verdict: "accepted" },
			{ type: "deleted", verdict: "warned" },
		] as TimelineEvent[];
		expect(changesOf(events)).toEqual([events[0], events[4]]);
	});

	it("is said on one line, nested values as JSON", () => {
		expect(sayState({ a: 1, b: [1, 2], c: null })).toBe("a 1 · b [1,2] · c ");
	});
});

describe("what was known", () => {
	const at = Date.UTC(2026, 10, 21, 10, 0, 10);
	const time = "2026-11-21T10:00:30Z";

	it("is asked for by the time of the moment, or by one that the address names", () => {
		expect(recordedTime(null, at)).toBeNull();
		expect(recordedTime("then", at)).toBe(at);
		expect(recordedTime(time, at)).toBe(at + 20_000);
		const moment = "2026-11-21T10:00:10.000000123Z";
		expect(recordedQuery("then", moment)).toEqual({ recorded_at: "then" });
		expect(recordedList("then", moment)).toEqual({ recorded_at: moment });
		expect(recordedList(time, null)).toEqual({ recorded_at: time });
		// Now is known as it is known now.
		expect([recordedQuery("then", null), recordedList(null, moment)]).toEqual([{}, {}]);
	});

	it("is without what had happened and came later", () => {
		const events = [
			["00", "01"],
			["05", "12"],
			["08", "09"],
			["20", "20"],
		].map(
			([happened, came]) =>
				({
					at: `2026-11-21T10:00:${happened}Z`,
					received_at: `2026-11-21T10:00:${came}Z`,
				}) as TimelineEvent,
		);
		expect(unheardOf(events, at, at)).toEqual([events[1]]);
		expect(unheardOf(events, at + 20_000, at)).toEqual([events[1], events[3]]);
		expect(events.map(isLate)).toEqual([false, true, false, false]);
		const late = events[1] as TimelineEvent;
		expect([sayLate(late, false), sayLate(late, true)]).toEqual(["7 s late", "unknown for 7 s"]);
		expect(eventsSql("Cart", "c'1", { recorded: at })).toContain(
			"ObjId = 'c\\'1' AND Received <= fromUnixTimestamp64Micro(1795255210000000) ORDER",
		);
	});
});

describe("the twin as statements", () => {
	const shown = { start: 1_000, end: 2_000 };

	it("is bounded by moments to the nanosecond", () => {
		const until = "1970-01-01T00:00:01.000000123Z";
		expect(eventsSql("Cart", "c", { until })).toContain(
			"ObjId = 'c' AND Timestamp <= fromUnixTimestamp64Nano(1000000123) ORDER BY Timestamp, Seq",
		);
		expect(eventsSql("Cart", "c", { after: until, until: null })).toContain(
			"AND Timestamp > fromUnixTimestamp64Nano(1000000123) ORDER",
		);
	});

	it("takes no name for a part of the statement", () => {
		const harm = "x' OR 1 = 1 --\\";
		const quoted = "'x\\' OR 1 = 1 --\\\\'";
		for (const each of [
			eventsSql(harm, "c"),
			eventsSql("Cart", harm),
			historySql("Cart", "c", harm),
			objectsSql({ type: harm, text: "", limit: 1 }, shown),
			objectsSql({ type: undefined, text: harm, limit: 1 }, shown),
			stepsSql(harm),
		])
			expect(each.split(quoted).length, each).toBeGreaterThan(1);
	});

	it("says what was rejected, or what was taken with a warning", () => {
		expect(rejectedSql(false, shown, 5)).toContain("Verdict = 'rejected' AND Received >=");
		expect(rejectedSql(true, shown, 5)).toContain("Verdict = 'warned'");
	});
});

describe("the history of a field", () => {
	it("is a step for each value, with a gap where it had none", () => {
		const values = [5, null, 7, 9].map(
			(value, at) => ({ value, at: `2026-11-21T10:00:0${at}Z` }) as FieldValue,
		);
		const steps = layoutSteps(values, 300, 100);
		expect(steps.map((step) => step.index)).toEqual([0, 2, 3]);
		const heights = steps.map((step) => step.y);
		expect(heights).toEqual([...heights].sort((one, other) => other - one));
		for (const step of steps) expect(step.x + step.width).toBeLessThanOrEqual(300);
		// The last one stands as well, and is seen to.
		expect(steps.at(-1)?.width).toBeGreaterThan(20);
	});
});
