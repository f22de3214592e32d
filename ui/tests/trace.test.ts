import { describe, expect, it } from "vitest";
import type { Span } from "../src/api/schema";
import {
	layoutBars,
	layoutMap,
	orderSpans,
	ROW,
	ticksOf,
	unfolded,
	wholeOf,
} from "../src/screens/trace/layout";

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

	it("has ticks at round moments", () => {
		expect(ticksOf(100, 440)).toEqual([0, 50, 100]);
		expect(ticksOf(0.5, 1100).length).toBeGreaterThan(3);
	});
});
