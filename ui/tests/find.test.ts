import { describe, expect, it } from "vitest";
import type { TraceList, TraceSummary } from "../src/api/schema";
import {
	faultOf,
	keyOf,
	SPAN_FIELDS,
	tokensOf,
	wantedAt,
	writeKey,
	writeValue,
} from "../src/screens/find/expression";
import { asExpression, asStatement, attributeExpression } from "../src/screens/find/query";
import {
	askAbout,
	axisOf,
	boxAt,
	isWithin,
	layoutDots,
	readBox,
	writeBox,
} from "../src/screens/find/scatter";
import { findSlowest } from "../src/screens/find/slowest";
import { completeStatement, faultOfStatement } from "../src/screens/find/statement";

describe("the slowest traces", () => {
	it("are found among however many, in a few questions", async () => {
		const all = Array.from({ length: 40_000 }, (_, at) => ((at * 7919) % 40_000) + 1);
		let asked = 0;
		const ask = async (least: number) => {
			asked += 1;
			const fitting = all.filter((each) => each >= least);
			const traces = fitting.slice(0, 500).map((duration_ms) => ({ duration_ms }));
			return { traces, next: fitting.length > 500 ? "more" : null } as unknown as TraceList;
		};
		const found = await findSlowest(ask);
		const took = found.traces.map((each) => each.duration_ms);
		const slowest = Array.from({ length: took.length }, (_, at) => 40_000 - at);
		expect([...took].sort((one, other) => other - one)).toEqual(slowest);
		expect(took.length).toBeGreaterThan(50);
		expect(asked).toBeLessThan(8);
	});

	it("are what came where all took equally long", async () => {
		const traces = Array.from({ length: 500 }, () => ({ duration_ms: 7 }));
		const found = await findSlowest(async () => ({ traces, next: "more" }) as unknown as TraceList);
		expect(found.traces).toHaveLength(500);
	});
});

describe("an expression while it is typed", () => {
	const wanted = (text: string) => {
		const at = text.indexOf("|");
		const { kind, word, target } = wantedAt(text.replace("|", ""), at);
		return [kind, word, target];
	};

	it("is completed by what may stand at the caret", () => {
		expect(wanted("|")).toEqual(["target", "", ""]);
		expect(wanted("ser|")).toEqual(["target", "ser", ""]);
		expect(wanted("service |")).toEqual(["operator", "", "service"]);
		expect(wanted("service = ch|")).toEqual(["value", "ch", "service"]);
		expect(wanted("service=|")).toEqual(["value", "", "service"]);
		expect(wanted("service = shop |")).toEqual(["join", "", "service"]);
		expect(wanted("service = shop AND (http.r|")).toEqual(["target", "http.r", "service"]);
		expect(wanted("NOT |")).toEqual(["target", "", ""]);
		expect(wanted('kind IN (server, "cl|')).toEqual(["value", "cl", "kind"]);
		expect(wanted("kind IN (server) |")).toEqual(["join", "", "kind"]);
		expect(wanted("stat| = error")).toEqual(["target", "stat", ""]);
	});

	it("takes the place of the whole word, wherever the caret is in it", () => {
		expect(wantedAt("status = error AND root", 11)).toMatchObject({ from: 9, to: 14, word: "er" });
	});

	it("is cut into pieces that are all of it, whatever somebody types", () => {
		for (const text of ['a="x', "((,))!=~", "ä§ = '", "a\\ b", ">= <=!"]) {
			let end = 0;
			for (const { from, to } of tokensOf(text)) {
				expect(text.slice(end, from).trim()).toBe("");
				end = to;
			}
			expect(text.slice(end).trim()).toBe("");
		}
	});

	it("quotes what would else be read as something different", () => {
		expect([
			writeValue("shop"),
			writeValue("a b"),
			writeValue('say "x"'),
			writeValue("or"),
		]).toEqual(["shop", '"a b"', '"say \\"x\\""', '"or"']);
		expect(writeKey("http.route", SPAN_FIELDS)).toBe("http.route");
		expect(writeKey("service", SPAN_FIELDS)).toBe('"service"');
		expect(writeKey("event.id", SPAN_FIELDS)).toBe('"event.id"');
		expect(keyOf('resource."a b"')).toBe("a b");
	});

	it("is marked where the server says that it is wrong", () => {
		const said = "filter expression, column 6: expected a value, found '='";
		expect(faultOf(said, "foo == 1")).toEqual({
			from: 5,
			to: 6,
			message: "column 6: expected a value, found '='",
		});
		expect(faultOf("filter expression, column 9: more", "status =")).toMatchObject({
			from: 8,
			to: 9,
		});
		expect(faultOf("the server cannot be reached", "a")).toBeNull();
	});
});

describe("filters", () => {
	it("say the same as an expression", () => {
		expect(attributeExpression("http.route=/cart/{id} x")).toBe('"http.route" = "/cart/{id} x"');
		expect(attributeExpression("resource.env!=prod")).toBe('resource."env" != "prod"');
		expect(attributeExpression('"event.id"=7')).toBe('"event.id" = "7"');
		expect(attributeExpression("!user.id")).toBe('NOT "user.id"');
		expect(asExpression({ status: "error", q: "a OR b", attribute: ["k>5"] })).toBe(
			'status = error AND "k" > "5" AND (a OR b)',
		);
	});

	it("say as a statement what a statement can say, and name the rest", () => {
		const text = asStatement(
			"otel_traces",
			{ service: "it's", min_duration_ms: 1.5, q: "a\n= 1" },
			{ last: "15m" },
		);
		expect(text).toContain("ServiceName = 'it\\'s' AND Duration >= 1500000");
		expect(text).toContain("INTERVAL 900 SECOND");
		expect(text.split("\n")[0]).toBe("-- and, in the words of filters: a = 1");
	});
});

describe("a box in the picture", () => {
	const START = Date.UTC(2026, 10, 21, 10);
	const shown = { start: START, end: START + 100_000 };
	const traces = Array.from({ length: 300 }, (_, at) => ({
		trace_id: at.toString(16).padStart(32, "0"),
		start_time: new Date(START + at * 300).toISOString(),
		duration_ms: 1 + at,
		error_count: 0,
	})) as unknown as TraceSummary[];

	it("holds the dots that it was drawn around, and comes back from the address", () => {
		const [width, height] = [800, 150];
		const axis = axisOf(traces);
		const share = { x: 0.2, y: 0.05, width: 0.3, height: 0.5 };
		const box = boxAt(share, shown, axis, height);
		const drawn = layoutDots(traces, shown, width, height).filter((dot) => {
			const [x, y] = [(dot.x + 3) / width, (dot.y + 3) / height];
			return x >= 0.2 && x <= 0.5 && y >= 0.05 && y <= 0.55;
		});
		expect(traces.filter((each) => isWithin(each, box)).length).toBe(drawn.length);
		const again = readBox(writeBox(box));
		expect(again?.start).toBeCloseTo(box.start, 2);
		expect(again?.high).toBeCloseTo(box.high, 1);
		expect(readBox("nonsense")).toBeNull();
	});

	it("names few traces, and tells many by their durations and their time", () => {
		const few = askAbout({ ...shown, low: 5, high: 6 }, traces, {});
		expect(few.bad).toMatch(/^trace_id IN \([0-9a-f]{32}, [0-9a-f]{32}\)$/);
		expect(few.time).toBeNull();
		const many = askAbout({ ...shown, low: 5, high: 250 }, traces, {});
		expect(many).toEqual({ bad: "root AND duration >= 5ms AND duration <= 250ms", time: shown });
		const longest = askAbout({ ...shown, low: 1, high: 100 }, traces, {});
		expect(longest.bad.length).toBeLessThanOrEqual(4096);
	});
});

describe("a statement while it is typed", () => {
	const column = (name: string) => ({ name, type: "String", comment: "" });
	const schema = {
		tables: [
			{ name: "otel_traces", columns: [column("ServiceName"), column("SpanName")] },
			{ name: "otel_logs", columns: [column("ServiceName"), column("Body")] },
		],
	} as unknown as Parameters<typeof completeStatement>[2];
	const texts = (text: string, at = text.length) =>
		completeStatement(text, at, schema).found.map((each) => each.text);

	it("has tables after FROM, and columns of the tables that it names", () => {
		expect(texts("SELECT * FROM ")).toEqual(["otel_traces", "otel_logs"]);
		expect(texts("SELECT S FROM otel_logs", 8)).toEqual(["ServiceName", "SELECT"].concat(["sum("]));
		expect(texts("SELECT Bo FROM otel_traces", 9)).toEqual([]);
		expect(texts("SELECT 1 WHERE Body = 'otel")).toEqual([]);
	});

	it("is marked where it fails, or where the name stands that nobody knows", () => {
		const text = "select count( from otel_traces";
		const said = "syntax error: failed at position 20 (otel_traces): otel_traces.";
		expect(faultOfStatement(said, text)).toMatchObject({ from: 19, to: 30 });
		const unknown = faultOfStatement("unknown expression identifier `foo`", "select foo from x");
		expect(unknown).toMatchObject({ from: 7, to: 10 });
		const refused = faultOfStatement("the function coun is not allowed", "SELECT coun() FROM t");
		expect(refused).toMatchObject({ from: 7, to: 11 });
		expect(faultOfStatement("something else", "select 1")).toMatchObject({ from: 8, to: 9 });
	});
});
