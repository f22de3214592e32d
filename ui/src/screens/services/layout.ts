/** Services and what they call, in layers: who is called stands right of who calls. Pure. */

import type { TopologyEdge, TopologyNode } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";

export interface Box extends Rect {
	node: TopologyNode;
}

export interface Arrow {
	edge: TopologyEdge;
	from: Box;
	to: Box;
}

export const BOX = { width: 168, height: 46, gapX: 90, gapY: 16, pad: 14 } as const;

/** Return the picture of a service map; the same map gives the same picture. */
export function layoutMap(
	nodes: readonly TopologyNode[],
	edges: readonly TopologyEdge[],
): { boxes: Box[]; arrows: Arrow[]; width: number; height: number } {
	const sorted = [...nodes].sort((one, other) => (one.name < other.name ? -1 : 1));
	const level = levelsOf(sorted, edges);
	const columns: TopologyNode[][] = [];
	for (const node of sorted) {
		const at = level.get(node.name) ?? 0;
		while (columns.length <= at) columns.push([]);
		(columns[at] as TopologyNode[]).push(node);
	}
	const tallest = Math.max(1, ...columns.map((column) => column.length));
	const height = 2 * BOX.pad + tallest * (BOX.height + BOX.gapY) - BOX.gapY;
	const boxes = new Map<string, Box>();
	for (const [at, column] of columns.entries()) {
		const tall = column.length * (BOX.height + BOX.gapY) - BOX.gapY;
		for (const [row, node] of column.entries())
			boxes.set(node.name, {
				node,
				x: BOX.pad + at * (BOX.width + BOX.gapX),
				y: (height - tall) / 2 + row * (BOX.height + BOX.gapY),
				width: BOX.width,
				height: BOX.height,
			});
	}
	const arrows = edges.flatMap((edge) => {
		const from = boxes.get(edge.from);
		const to = boxes.get(edge.to);
		return from && to && from !== to ? [{ edge, from, to }] : [];
	});
	const width = 2 * BOX.pad + Math.max(1, columns.length) * (BOX.width + BOX.gapX) - BOX.gapX;
	return { boxes: [...boxes.values()], arrows, width, height };
}

/** The longest way from a service that nobody calls; circles count once. */
function levelsOf(
	nodes: readonly TopologyNode[],
	edges: readonly TopologyEdge[],
): Map<string, number> {
	const level = new Map(nodes.map((node) => [node.name, 0]));
	// Each round moves called ones right of their callers; a circle would move for ever.
	for (let round = 0; round < nodes.length; round += 1) {
		let moved = false;
		for (const { from, to } of edges) {
			if (from === to || reaches(to, from, edges)) continue;
			const wanted = (level.get(from) ?? 0) + 1;
			if (level.has(to) && wanted > (level.get(to) ?? 0)) {
				level.set(to, wanted);
				moved = true;
			}
		}
		if (!moved) break;
	}
	return level;
}

function reaches(from: string, to: string, edges: readonly TopologyEdge[]): boolean {
	const seen = new Set([from]);
	const waiting = [from];
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
		if (next === to) return true;
		for (const edge of edges)
			if (edge.from === next && !seen.has(edge.to)) {
				seen.add(edge.to);
				waiting.push(edge.to);
			}
	}
	return false;
}
