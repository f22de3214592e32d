import { describe, expect, it } from "vitest";
import { Blocks } from "../src/api/events";
import type { Density } from "../src/api/schema";
import { command, quote } from "../src/parts/CopyMenu";
import { layoutDensity, sayBucket, sayRange } from "../src/parts/TimeBar";
import {
	nameMany,
	sayBytes,
	sayClocks,
	sayCount,
	sayDuration,
	sayMany,
	saySharePercent,
} from "../src/parts/words";

describe("what is copied", () => {
	it("is one word of a shell, whatever it holds", () => {
		expect(quote("shop")).toBe("shop");
		expect(quote("it's; rm -rf $HOME")).toBe("'it'\\''s; rm -rf $HOME'");
	});

	it("has the flags that say something", () => {
		expect(
			command(["traces"], {
				service: "shop",
				min_duration_ms: 5,
				q: undefined,
				attribute: ["a=1", "b"],
			}),
		).toBe("clew traces --service shop --min-duration-ms 5 --attribute a=1 --attribute b");
	});
});

describe("words", () => {
	it("tell durations in three figures", () => {
		expect([0.000_5, 0.25, 12.345, 999.9, 1234, 61_000, 7_260_000].map(sayDuration)).toEqual([
			"500 ns",
			"250 µs",
			"12.3 ms",
			"1000 ms",
			"1.23 s",
			"1 min 1 s",
			"2 h 1 min",
		]);
	});

	it("tell one of a thing as one", () => {
		expect([sayMany(1, "span"), sayMany(0, "span"), sayMany(12_345, "span")]).toEqual([
			"1 span",
			"0 spans",
			"12.3 k spans",
		]);
		expect([1, 2].map((count) => sayMany(count, "process", "processes"))).toEqual([
			"1 process",
			"2 processes",
		]);
		expect([1, 2].map((count) => nameMany(count, "was", "were"))).toEqual(["was", "were"]);
	});

	it("are said of counts in no other way on any screen", () => {
		const sources = import.meta.glob<string>("../src/**/*.{ts,tsx}", {
			eager: true,
			query: "?raw",
			import: "default",
		});
		// A figure that is put into a text, and right after it several of something.
		const several =
			/(?:sayCount\([^{}]*\)|\b(?:\w*[cC]ount|length|total))\}(?:<\/b>)? (?:\w+ )?[a-z]+s\b/g;
		const wrong = Object.entries(sources)
			.filter(([path]) => !path.endsWith("parts/words.ts"))
			.flatMap(([path, text]) => [...text.matchAll(several)].map(([found]) => `${path}: ${found}`));
		expect(Object.keys(sources).length).toBeGreaterThan(50);
		expect(wrong).toEqual([]);
	});

	it("tell counts, bytes and shares", () => {
		expect([sayCount(9999), sayCount(1_234_567)]).toEqual(["9,999", "1.23 M"]);
		expect([sayBytes(12), sayBytes(1536)]).toEqual(["12 B", "1.5 KiB"]);
		expect([saySharePercent(0), saySharePercent(0.0001), saySharePercent(0.5)]).toEqual([
			"0 %",
			"< 0.1 %",
			"50 %",
		]);
	});
});

describe("server-sent events", () => {
	it("come whole, however the stream is cut", () => {
		const text = "id: 7\r\nevent: batch\r\ndata: [1,\r\ndata: 2]\r\n\r\n: alive\n\ndata: x\n\n";
		for (const size of [1, 2, 3, 5, 100]) {
			const blocks = new Blocks();
			const events = [];
			for (let at = 0; at < text.length; at += size)
				events.push(...blocks.take(text.slice(at, at + size)));
			expect(events).toEqual([
				{ id: "7", type: "batch", data: "[1,\n2]" },
				// As long as no other is told, the last id is where to go on from.
				{ id: "7", type: "message", data: "x" },
			]);
		}
	});

	it("tell their place even where they tell nothing else", () => {
		const place = { id: "3" };
		const blocks = new Blocks(place);
		expect(blocks.take("id: 12\n\n: alive\n\n")).toEqual([]);
		expect(place.id).toBe("12");
	});
});

describe("the time bar", () => {
	const density: Density = {
		start: "2026-11-21T10:00:00Z",
		bucket_ms: 1000,
		count: 3,
		spans: [100, 0, 1],
		errors: [100, 0, 0],
		logs: [0, 0, 3],
	};
	const start = Date.UTC(2026, 10, 21, 10);

	it("draws what is rare so that it is seen, failures above all", () => {
		const columns = layoutDensity(density, { start, end: start + 3000 }, 300, 30);
		expect(columns.filter((each) => each.kind === "spans")).toHaveLength(2);
		expect(columns.filter((each) => each.kind === "errors")).toHaveLength(1);
		expect(columns.every((each) => each.height >= 1)).toBe(true);
	});
});

describe("times that stand beside each other", () => {
	const at = (text: string) => new Date(text).getTime();

	it("tell the day only where there are several, and seconds only where they differ", () => {
		const from = at("2026-11-21T10:00:00");
		const every = (ms: number) => [0, 1, 2].map((step) => from + step * ms);
		expect(sayClocks(every(300_000))).toEqual(["10:00", "10:05", "10:10"]);
		expect(sayClocks(every(15_000))).toEqual(["10:00:00", "10:00:15", "10:00:30"]);
		const night = [0, 1, 2].map((step) => at("2026-11-21T22:00:00") + step * 7_200_000);
		expect(sayClocks(night)).toEqual(["22:00", "11-22", "02:00"]);
		expect(sayClocks(every(86_400_000))).toEqual(["11-21", "11-22", "11-23"]);
	});

	it("are a range, whose day is told once", () => {
		const [start, end] = [at("2026-11-21T10:00:00"), at("2026-11-21T10:45:00")];
		const later = at("2026-11-22T06:00:00");
		expect(sayRange({ start, end }, later)).toBe("2026-11-21 10:00:00 – 10:45:00");
		expect(sayRange({ start, end }, end)).toBe("10:00:00 – 10:45:00");
	});

	it("are told with what came then", () => {
		const density = {
			start: "2026-11-21T10:00:00Z",
			bucket_ms: 60_000,
			spans: [0, 12],
			errors: [0, 1],
			logs: [0, 3],
		} as unknown as Density;
		const clock = Date.parse("2026-11-21T12:00:00Z");
		const minute = (of: number) => Date.parse("2026-11-21T10:00:30Z") + of * 60_000;
		expect(sayBucket(density, minute(0), clock)).toMatch(/: nothing came$/);
		expect(sayBucket(density, minute(1), clock)).toMatch(/: 12 spans, 1 failed, 3 log records$/);
	});
});
