import { describe, expect, it } from "vitest";
import type { Edge, Node } from "../src/api/schema";
import {
	type Arrow,
	compareIds,
	layoutGraph,
	levelNodes,
	pathOf,
} from "../src/screens/lineage/layout";
import { walkSql } from "../src/screens/lineage/statements";

function graph(pairs: readonly [string, string][]): { nodes: Node[]; edges: Edge[] } {
	const ids = [...new Set(pairs.flat())];
	const nodes = ids.map((trace_id) => ({ trace_id, depth: 0, stages: [] }) as unknown as Node);
	const edges = pairs.map(
		([parent_trace_id, trace_id]) => ({ parent_trace_id, trace_id }) as unknown as Edge,
	);
	return { nodes, edges };
}

describe("a walk as a statement", () => {
	it("goes to causes or to effects, and is none for what must be looked up first", () => {
		expect(walkSql("400", "up", 20)).toContain("WHERE TraceId = 400 UNION ALL");
		expect(walkSql("400", "up", 20)).toContain("ON links.TraceId = walk.ParentTraceId");
		expect(walkSql("400", "down", 20)).toContain("ON links.ParentTraceId = walk.TraceId");
		expect(walkSql("5eed:01", "up", 20)).toBeUndefined();
		expect(walkSql("1 OR 1", "up", 20)).toBeUndefined();
	});
});

describe("the picture of a graph", () => {
	it("has every arrow go to the right where there is no circle", () => {
		// A cause that is near by one way and far by another.
		const { nodes, edges } = graph([
			["1", "2"],
			["2", "3"],
			["1", "3"],
			["3", "4"],
			["1", "4"],
		]);
		const picture = layoutGraph(nodes, edges);
		expect(picture.arrows).toHaveLength(5);
		for (const { from, to } of picture.arrows) expect(from.x).toBeLessThan(to.x);
	});

	it("ends for a circle, and for a chain longer than a stack", () => {
		const circle = graph([
			["1", "2"],
			["2", "3"],
			["3", "1"],
		]);
		expect(levelNodes(circle.nodes, circle.edges).size).toBe(3);
		const chain = graph(
			Array.from(
				{ length: 20_000 },
				(_, at) => [String(at + 1), String(at + 2)] as [string, string],
			),
		);
		const levels = levelNodes([...chain.nodes].reverse(), chain.edges);
		expect(levels.get("20001")).toBe(20_000);
	});

	it("is the same whatever the order in which nodes come", () => {
		const { nodes, edges } = graph([
			["1", "9"],
			["2", "9"],
			["3", "8"],
			["8", "9"],
		]);
		const places = (picture: ReturnType<typeof layoutGraph>) =>
			Object.fromEntries(picture.boxes.map((box) => [box.node.trace_id, [box.x, box.y]]));
		expect(places(layoutGraph(nodes, edges))).toEqual(
			places(layoutGraph([...nodes].reverse(), [...edges].reverse())),
		);
	});

	it("leads a long arrow beside the boxes that it passes", () => {
		const { nodes, edges } = graph([
			["1", "2"],
			["2", "3"],
			["3", "4"],
			["1", "4"],
		]);
		const picture = layoutGraph(nodes, edges);
		const long = picture.arrows.find((arrow) => arrow.through.length > 0);
		expect(long?.edge).toMatchObject({ parent_trace_id: "1", trace_id: "4" });
		expect(long?.through).toHaveLength(2);
		for (const point of long?.through ?? [])
			for (const box of picture.boxes)
				expect(
					point.x > box.x &&
						point.x < box.x + box.width &&
						point.y > box.y &&
						point.y < box.y + box.height,
				).toBe(false);
		expect(pathOf(long as Arrow)).toMatch(/^M[\d.]+ [\d.]+ C/);
	});

	it("holds a thousand nodes apart", () => {
		const pairs = Array.from(
			{ length: 1_000 },
			(_, at) => [String(Math.floor(at / 3) + 1), String(at + 2)] as [string, string],
		);
		const { nodes, edges } = graph(pairs);
		const { boxes, width, height } = layoutGraph(nodes, edges);
		const places = new Set(boxes.map((box) => `${box.x} ${box.y}`));
		expect(places.size).toBe(nodes.length);
		for (const box of boxes) {
			expect(box.x + box.width).toBeLessThanOrEqual(width);
			expect(box.y + box.height).toBeLessThanOrEqual(height);
		}
	});

	it("orders ids as the numbers that they are", () => {
		expect(["18446744073709551615", "9", "10"].sort(compareIds)).toEqual([
			"9",
			"10",
			"18446744073709551615",
		]);
	});
});
