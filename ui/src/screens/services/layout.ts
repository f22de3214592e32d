/** Services and what they call, in layers: who is called stands right of who calls. Pure. */

import type { Rect } from "../../canvas/Drawing";

/** What is drawn as a box; the name is its identity. */
interface Named {
	name: string;
}

/** What is drawn as an arrow, by the names of its ends. */
interface Joining {
	from: string;
	to: string;
}

export interface Box<Node extends Named> extends Rect {
	node: Node;
}

export interface Arrow<Node extends Named, Edge extends Joining> {
	edge: Edge;
	from: Box<Node>;
	to: Box<Node>;
}

export const BOX = { width: 168, height: 46, gapX: 90, gapY: 16, pad: 14 } as const;

/** Return the picture of a service map; the same map gives the same picture. */
export function layoutMap<Node extends Named, Edge extends Joining>(
	nodes: readonly Node[],
	edges: readonly Edge[],
): { boxes: Box<Node>[]; arrows: Arrow<Node, Edge>[]; width: number; height: number } {
	const sorted = [...nodes].sort((one, other) => (one.name < other.name ? -1 : 1));
	const level = levelsOf(sorted, edges);
	const columns: Node[][] = [];
	for (const node of sorted) {
		const at = level.get(node.name) ?? 0;
		while (columns.length <= at) columns.push([]);
		(columns[at] as Node[]).push(node);
	}
	const tallest = Math.max(1, ...columns.map((column) => column.length));
	const height = 2 * BOX.pad + tallest * (BOX.height + BOX.gapY) - BOX.gapY;
	const boxes = new Map<string, Box<Node>>();
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
function levelsOf(nodes: readonly Named[], edges: readonly Joining[]): Map<string, number> {
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

function reaches(from: string, to: string, edges: readonly Joining[]): boolean {
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
