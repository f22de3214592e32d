import { describe, expect, it } from "vitest";
import type { Rect } from "../src/canvas/Drawing";
import { LABEL } from "../src/canvas/layers";
import { sayRate } from "../src/parts/words";
import { layoutMap } from "../src/screens/services/layout";

function mapOf(pairs: readonly [string, string][], words = "1,234 · 56.7 ms") {
	const nodes = [...new Set(pairs.flat())].map((name) => ({ name }));
	const edges = pairs.map(([from, to]) => ({ from, to }));
	return layoutMap(nodes, edges, () => words);
}

function placesOf({ wires }: ReturnType<typeof mapOf>): Rect[] {
	return wires.flatMap(({ label, words }) => {
		const width = words.length * 6;
		return label === null
			? []
			: [{ x: label.x - width / 2, y: label.y - LABEL / 2, width, height: LABEL }];
	});
}

function isOver(one: Rect, other: Rect): boolean {
	return (
		one.x < other.x + other.width &&
		other.x < one.x + one.width &&
		one.y < other.y + other.height &&
		other.y < one.y + one.height
	);
}

describe("a map of names", () => {
	it("has who is called right of who calls, and a circle without end", () => {
		const { boxes, wires } = mapOf([
			["a", "b"],
			["b", "c"],
			["c", "b"],
		]);
		const x = (name: string) => boxes.find((box) => box.node.name === name)?.x ?? -1;
		expect(x("a")).toBeLessThan(x("b"));
		expect(x("b")).toBeLessThan(x("c"));
		expect(wires).toHaveLength(3);
		// The way back is not over the way there.
		expect(new Set(wires.map((wire) => wire.path)).size).toBe(3);
	});

	it("has who is called below who calls where it goes down", () => {
		const nodes = ["a", "b", "c"].map((name) => ({ name }));
		const edges = [
			{ from: "a", to: "b" },
			{ from: "a", to: "c" },
		];
		const { boxes, wires, width, height } = layoutMap(nodes, edges, () => "7 · 12 ms", true);
		const [a, b, c] = boxes as unknown as [Rect, Rect, Rect];
		expect([b.y, c.y]).toEqual([a.y + a.height + 64, a.y + a.height + 64]);
		expect(Math.abs(c.x - b.x)).toBeGreaterThan(b.width);
		expect(width).toBeLessThan(362);
		expect(height).toBeLessThan(200);
		for (const { label } of wires) expect(label).not.toBeNull();
	});

	it("is the same whatever the order in which it comes", () => {
		const pairs: [string, string][] = [
			["web", "cart"],
			["web", "stock"],
			["cart", "stock"],
			["stock", "web"],
		];
		const boxes = (of: [string, string][]) =>
			mapOf(of)
				.boxes.map((box) => `${box.node.name} ${box.x} ${box.y}`)
				.sort();
		expect(boxes(pairs)).toEqual(boxes([...pairs].reverse()));
	});

	it("has the words of no arrow over those of another, nor over a box", () => {
		const callers = ["web", "app", "batch"];
		const called = ["cart", "stock", "payments", "mail"];
		const pairs = callers.flatMap((from) => called.map((to) => [from, to] as [string, string]));
		const map = mapOf([...pairs, ["cart", "stock"], ["web", "far"], ["mail", "far"]]);
		const { boxes, wires } = map;
		const labels = placesOf(map);
		expect(labels).toHaveLength(wires.length);
		for (const [at, label] of labels.entries()) {
			for (const other of labels.slice(at + 1)) expect(isOver(label, other)).toBe(false);
			for (const box of boxes) expect(isOver(label, box)).toBe(false);
		}
	});
});

describe("a rate", () => {
	it("is told in a unit that makes it one or more", () => {
		expect(sayRate(0)).toBe("0/s");
		expect(sayRate(0.0356)).toBe("2.14/min");
		expect(sayRate(0.001)).toBe("3.6/h");
		expect(sayRate(12.34)).toBe("12.3/s");
		expect(sayRate(1234.5)).toBe("1,235/s");
	});
});
