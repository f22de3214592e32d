/** A graph of causes in columns: what was asked about on one side, its farthest causes on the other.
 *
 * Deterministic: the same graph gives the same picture. Pure.
 */

import type { Edge, Node } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";

export interface Box extends Rect {
	node: Node;
}

export interface Arrow {
	edge: Edge;
	from: Box;
	to: Box;
}

export interface Picture {
	boxes: Box[];
	arrows: Arrow[];
	width: number;
	height: number;
}

export const BOX = { width: 200, height: 54, gapX: 70, gapY: 18, pad: 16 } as const;

/** Sweeps that bring each box near those it is joined to. */
const SWEEPS = 4;

/** Causes stand on the left of what was made of them, whichever way was asked. */
export function layoutGraph(nodes: readonly Node[], edges: readonly Edge[]): Picture {
	const columns = new Map<number, Node[]>();
	const levels = levelNodes(nodes, edges);
	const columnOf = (node: Node) => levels.get(node.trace_id) ?? 0;
	for (const node of [...nodes].sort((one, other) => compareIds(one.trace_id, other.trace_id))) {
		const column = columns.get(columnOf(node));
		if (column) column.push(node);
		else columns.set(columnOf(node), [node]);
	}
	const near = neighbours(edges);
	const order = [...columns.keys()].sort((one, other) => one - other);
	for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
		const rank = new Map<string, number>();
		for (const column of columns.values())
			for (const [at, node] of column.entries()) rank.set(node.trace_id, at / column.length);
		const forward = sweep % 2 === 0 ? order : [...order].reverse();
		for (const at of forward) {
			const column = columns.get(at) ?? [];
			const weight = new Map(
				column.map((node) => {
					const ranks = (near.get(node.trace_id) ?? [])
						.map((id) => rank.get(id))
						.filter((each) => each !== undefined);
					const mean = ranks.reduce((sum, each) => sum + each, 0) / Math.max(ranks.length, 1);
					return [node.trace_id, ranks.length > 0 ? mean : (rank.get(node.trace_id) ?? 0)] as const;
				}),
			);
			column.sort(
				(one, other) =>
					(weight.get(one.trace_id) ?? 0) - (weight.get(other.trace_id) ?? 0) ||
					compareIds(one.trace_id, other.trace_id),
			);
			for (const [index, node] of column.entries()) rank.set(node.trace_id, index / column.length);
		}
	}
	return draw(columns, order, edges);
}

/**
 * Return how many steps each node is from the farthest thing without a cause: so every arrow goes to
 * the right, but for those that close a circle.
 */
export function levelNodes(nodes: readonly Node[], edges: readonly Edge[]): Map<string, number> {
	const parents = new Map<string, string[]>();
	for (const edge of edges) {
		const list = parents.get(edge.trace_id);
		if (list) list.push(edge.parent_trace_id);
		else parents.set(edge.trace_id, [edge.parent_trace_id]);
	}
	const known = new Set(nodes.map((node) => node.trace_id));
	const levels = new Map<string, number>();
	const open = new Set<string>();
	for (const node of nodes) {
		// By hand rather than by recursion: a chain may be longer than a stack.
		const stack: { id: string; next: number }[] = [{ id: node.trace_id, next: 0 }];
		while (stack.length > 0) {
			const top = stack[stack.length - 1] as { id: string; next: number };
			if (levels.has(top.id)) {
				stack.pop();
				continue;
			}
			open.add(top.id);
			const above = (parents.get(top.id) ?? []).filter((id) => known.has(id));
			const next = above[top.next];
			if (next !== undefined) {
				top.next += 1;
				if (!levels.has(next) && !open.has(next)) stack.push({ id: next, next: 0 });
				continue;
			}
			const levelled = above.map((id) => levels.get(id) ?? -1);
			levels.set(top.id, 1 + Math.max(-1, ...levelled));
			open.delete(top.id);
			stack.pop();
		}
	}
	return levels;
}

function draw(columns: Map<number, Node[]>, order: number[], edges: readonly Edge[]): Picture {
	const tallest = Math.max(1, ...[...columns.values()].map((column) => column.length));
	const height = 2 * BOX.pad + tallest * (BOX.height + BOX.gapY) - BOX.gapY;
	const boxes = new Map<string, Box>();
	order.forEach((at, index) => {
		const column = columns.get(at) ?? [];
		const tall = column.length * (BOX.height + BOX.gapY) - BOX.gapY;
		column.forEach((node, row) => {
			boxes.set(node.trace_id, {
				node,
				x: BOX.pad + index * (BOX.width + BOX.gapX),
				y: (height - tall) / 2 + row * (BOX.height + BOX.gapY),
				width: BOX.width,
				height: BOX.height,
			});
		});
	});
	const arrows = edges.flatMap((edge) => {
		const from = boxes.get(edge.parent_trace_id);
		const to = boxes.get(edge.trace_id);
		return from && to ? [{ edge, from, to }] : [];
	});
	const width = 2 * BOX.pad + order.length * (BOX.width + BOX.gapX) - BOX.gapX;
	return { boxes: [...boxes.values()], arrows, width: Math.max(width, 0), height };
}

function neighbours(edges: readonly Edge[]): Map<string, string[]> {
	const near = new Map<string, string[]>();
	const add = (one: string, other: string) => {
		const list = near.get(one);
		if (list) list.push(other);
		else near.set(one, [other]);
	};
	for (const edge of edges) {
		add(edge.trace_id, edge.parent_trace_id);
		add(edge.parent_trace_id, edge.trace_id);
	}
	return near;
}

/** Ids are numbers beyond what a double holds. */
export function compareIds(one: string, other: string): number {
	return one.length - other.length || (one < other ? -1 : one > other ? 1 : 0);
}
