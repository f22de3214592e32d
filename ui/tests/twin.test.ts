import { describe, expect, it } from "vitest";
import type { FieldValue, TimelineEvent } from "../src/api/schema";
import { layoutSteps } from "../src/screens/twin/FieldChart";
import {
	eventAfter,
	eventBefore,
	eventsSql,
	isLate,
	recordedList,
	recordedQuery,
	recordedTime,
	rowsOf,
	sayLate,
	sayState,
	unheardOf,
} from "../src/screens/twin/state";

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
		const events = ["10:00:00.000000001Z", "10:00:00.000000900Z", "10:00:01Z"].map(
			(at) => ({ at: `2026-11-21T${at}` }) as TimelineEvent,
		);
		const last = eventBefore(events, null);
		expect(last).toBe(events[2]);
		const at = Date.UTC(2026, 10, 21, 10, 0, 1);
		expect(eventBefore(events, at)).toBe(events[1]);
		expect(eventAfter(events, at)).toBeNull();
		expect(eventAfter(events, at - 1)).toBe(events[2]);
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
		expect(recordedQuery("then", at)).toEqual({ recorded_at: "then" });
		expect(recordedList("then", at)).toEqual({ recorded_at: "2026-11-21T10:00:10.000Z" });
		expect(recordedList(time, null)).toEqual({ recorded_at: time });
		// Now is known as it is known now.
		expect([recordedQuery("then", null), recordedList(null, at)]).toEqual([{}, {}]);
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
		expect(eventsSql("Cart", "c'1", at)).toContain(
			"ObjId = 'c\\'1' AND Received <= fromUnixTimestamp64Micro(1795255210000000) ORDER",
		);
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
	});
});
