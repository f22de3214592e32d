import { describe, expect, it } from "vitest";
import type { LogRecord, Span } from "../src/api/schema";
import { assignHues, hueOf } from "../src/canvas/Drawing";
import {
	layoutBars,
	layoutMap,
	layoutView,
	orderSpans,
	placeLabel,
	ROW,
	sayTicks,
	ticksOf,
	unfolded,
	wholeOf,
	within,
} from "../src/screens/trace/layout";
import { arrowsOf, leadsAway, marksOf, placeMarks } from "../src/screens/trace/marks";

const START = Date.UTC(2026, 10, 21, 10);

function span(id: string, parent: string | null, at: number, durationMs: number): Span {
	return {
		trace_id: "t",
		span_id: id,
		parent_span_id: parent,
		service: "shop",
		operation: id,
		start_time: new Date(START + at).toISOString(),
		end_time: new Date(START + at + durationMs).toISOString(),
		duration_ms: durationMs,
		status: "ok",
		status_message: "",
		kind: "internal",
		trace_state: "",
		attributes: {},
		events: [],
		links: [],
		resource: {},
		scope: { name: "", version: "" } as Span["scope"],
	};
}

const TRACE = [
	span("root", null, 0, 100),
	span("a", "root", 10, 30),
	span("b", "root", 50, 40),
	span("a1", "a", 12, 10),
];

describe("the order of a trace", () => {
	it("puts what a span called below it, by when that came", () => {
		const rows = orderSpans(TRACE);
		expect(rows.map((row) => [row.span.span_id, row.depth, row.below])).toEqual([
			["root", 0, 3],
			["a", 1, 1],
			["a1", 2, 0],
			["b", 1, 0],
		]);
	});

	it("shows spans whose parent did not come, and those that name each other", () => {
		const rows = orderSpans([span("x", "gone", 0, 1), span("y", "z", 1, 1), span("z", "y", 2, 1)]);
		expect(rows.map((row) => row.span.span_id).sort()).toEqual(["x", "y", "z"]);
	});

	it("goes deeper than any stack", () => {
		const deep = Array.from({ length: 50_000 }, (_, at) =>
			span(`s${at}`, at === 0 ? null : `s${at - 1}`, at, 1),
		);
		const rows = orderSpans(deep);
		expect(rows).toHaveLength(50_000);
		expect(rows[0]?.below).toBe(49_999);
	});

	it("hides what is below a span that was folded", () => {
		const shown = unfolded(orderSpans(TRACE), new Set(["a"]));
		expect(shown.map((row) => row.span.span_id)).toEqual(["root", "a", "b"]);
		expect(shown[1]?.isCollapsed).toBe(true);
	});
});

describe("the waterfall", () => {
	it("lays out only the rows that are seen", () => {
		const many = Array.from({ length: 10_000 }, (_, at) => span(`s${at}`, null, at, 1));
		const rows = orderSpans(many);
		const bars = layoutBars(rows, wholeOf(rows), 800, 5000 * ROW, 10 * ROW);
		expect(bars).toHaveLength(10);
		expect(bars[0]?.row.index).toBe(5000);
	});

	it("keeps what is short to be seen, and what is long in proportion", () => {
		const rows = orderSpans(TRACE);
		const bars = layoutBars(rows, wholeOf(rows), 1000, 0, 400);
		expect(bars[0]).toMatchObject({ x: 0, y: 0, width: 1000 });
		expect(bars[1]).toMatchObject({ x: 100, y: ROW, width: 300 });
	});

	it("has a map of no more lines than pixels, with every failure on it", () => {
		const many = Array.from({ length: 1000 }, (_, at) => ({
			...span(`s${at}`, null, at, 1),
			status: at === 501 ? ("error" as const) : ("ok" as const),
		}));
		const rows = orderSpans(many);
		const lines = layoutMap(rows, wholeOf(rows), 500, 48);
		expect(lines.length).toBeLessThanOrEqual(48);
		expect(lines.some((line) => line.isFailed)).toBe(true);
	});

	it("has ticks at round moments since the trace began, however far one looked into it", () => {
		expect(ticksOf(0, 100, 440)).toEqual([0, 50, 100]);
		expect(ticksOf(0, 0.5, 1100).length).toBeGreaterThan(3);
		expect(ticksOf(37, 43, 330)).toEqual([38, 40, 42]);
	});

	it("writes ticks in one unit, and tells them apart", () => {
		expect(sayTicks([0, 50, 100])).toEqual(["0", "50 ms", "100 ms"]);
		expect(sayTicks([1234.1, 1234.2])).toEqual(["1.2341 s", "1.2342 s"]);
		expect(sayTicks([0, 0.25, 0.5])).toEqual(["0", "250 µs", "500 µs"]);
		expect(sayTicks(ticksOf(0, 60_000, 440))).toEqual(["0", "20 s", "40 s", "60 s"]);
		expect(sayTicks(ticksOf(0, 400_000, 440))).toEqual(["0", "2 min", "4 min", "6 min"]);
	});

	it("never writes a duration across the edge of a bar", () => {
		const bar = (x: number, width: number) => ({ x, y: 0, width, height: ROW });
		expect(placeLabel(bar(0, 50), 40, 200)).toEqual({ x: 56, isInside: false });
		expect(placeLabel(bar(150, 50), 40, 200)).toEqual({ x: 104, isInside: false });
		expect(placeLabel(bar(0, 200), 40, 200)).toEqual({ x: 154, isInside: true });
		expect(placeLabel(bar(-500, 1000), 40, 200)).toEqual({ x: 154, isInside: true });
		expect(placeLabel(bar(10, 45), 40, 60)).toBeNull();
	});

	it("shows on the map which part of time and rows is seen", () => {
		const view = layoutView(
			{ start: 25, end: 50 },
			{ start: 0, end: 100 },
			{ top: 50 * ROW, height: 25 * ROW },
			100,
			400,
			48,
		);
		expect(view).toEqual({ x: 100, y: 24, width: 100, height: 12 });
	});
});

describe("what lies on the bars", () => {
	const at = (ms: number) => new Date(START + ms).toISOString();
	const log = (span_id: string | null, ms: number, severity: string) =>
		({ span_id, timestamp: at(ms), severity, body: severity }) as unknown as LogRecord;

	it("is each span's events and log records in order, and the trace's own with the first span", () => {
		const failing = {
			...span("a", "root", 10, 30),
			events: [
				{ name: "exception", timestamp: at(20), attributes: { "exception.type": "Refusal" } },
			],
		};
		const rows = orderSpans([TRACE[0] as Span, failing]);
		const marks = marksOf(rows, [
			log("a", 15, "warn"),
			log(null, 1, "info"),
			log("gone", 2, "error"),
		]);
		expect(marks.get("a")?.map((mark) => [mark.kind, mark.isBad])).toEqual([
			["log", false],
			["event", true],
		]);
		expect(marks.get("a")?.[1]?.text).toBe("exception Refusal");
		expect(marks.get("root")).toHaveLength(2);
	});

	it("stands for its neighbours where there is no room, the worst of them in front", () => {
		const marks = marksOf(orderSpans(TRACE), [
			...Array.from({ length: 500 }, (_, each) => log("a", 10 + each / 100, "info")),
			log("a", 12, "error"),
		]);
		const placed = placeMarks(marks.get("a") ?? [], { start: START, end: START + 100 }, 100);
		expect(placed.length).toBeLessThan(5);
		expect(placed.reduce((sum, each) => sum + each.count, 0)).toBe(501);
		expect(placed.some((each) => each.mark.isBad)).toBe(true);
	});

	it("has an arrow for each link between spans that are shown", () => {
		const linked = {
			...span("b", "root", 50, 40),
			links: [link("t", "a1"), link("t", "gone"), link("u", "a")],
		};
		const rows = orderSpans([...TRACE.filter((each) => each.span_id !== "b"), linked]);
		const arrows = arrowsOf(rows, null);
		expect(arrows.map((each) => [each.from.span.span_id, each.to.span.span_id])).toEqual([
			["a1", "b"],
		]);
		expect(rows.filter(leadsAway).map((row) => row.span.span_id)).toEqual(["b"]);
		expect(arrowsOf(unfolded(rows, new Set(["a"])), null)).toEqual([]);
	});

	it("has only the arrows of the span that is selected where there would be a mesh", () => {
		const many = Array.from({ length: 500 }, (_, each) => ({
			...span(`s${each}`, null, each, 1),
			links: [link("t", `s${(each + 1) % 500}`)],
		}));
		expect(arrowsOf(orderSpans(many), "s7")).toHaveLength(2);
	});

	function link(trace_id: string, span_id: string) {
		return { trace_id, span_id, trace_state: "", attributes: {} };
	}
});

describe("what is looked at of a trace", () => {
	const whole = { start: 100, end: 200 };

	it("stays inside the whole, as long as it was", () => {
		expect(within(whole, { start: 120, end: 140 })).toEqual({ start: 120, end: 140 });
		expect(within(whole, { start: 90, end: 110 })).toEqual({ start: 100, end: 120 });
		expect(within(whole, { start: 195, end: 215 })).toEqual({ start: 180, end: 200 });
	});

	it("is all of it when it would be as long", () => {
		expect(within(whole, { start: 150, end: 250 })).toBeNull();
		expect(within(whole, { start: 0, end: 900 })).toBeNull();
	});
});

describe("the hues of a trace", () => {
	it("are a name's own where they can be, and never near to each other", () => {
		expect(assignHues(["shop"]).get("shop")).toBe(hueOf("shop"));
		for (const names of [
			["shop", "bank", "web"],
			["a", "b", "c", "d"],
			["worker-1", "worker-2"],
		]) {
			const hues = [...assignHues(names).values()];
			expect(new Set(hues).size).toBe(names.length);
		}
	});

	it("are the same for a trace whenever it is opened, and repeat only when all are taken", () => {
		const names = Array.from({ length: 20 }, (_, each) => `service ${each}`);
		expect(assignHues(names)).toEqual(assignHues([...names, ...names]));
		expect(new Set([...assignHues(names).values()].slice(0, 8)).size).toBe(8);
	});
});
