/** A graph of causes in columns: what was asked about on one side, its farthest causes on the other.
 *
 * Deterministic: the same graph gives the same picture. Pure.
 */

import type { Edge, Node } from "../../api/schema";
import * as layers from "../../canvas/layers";

export type Box = layers.Box<Node>;
export type Arrow = layers.Arrow<Node, Edge>;
export type Picture = layers.Layers<Node, Edge>;

export const BOX = { width: 200, height: 54, gapX: 70, gapY: 18, pad: 16 } as const;

/** Causes stand on the left of what was made of them, whichever way was asked. */
export function layoutGraph(nodes: readonly Node[], edges: readonly Edge[]): Picture {
	return layers.layLayers({
		nodes,
		edges,
		idOf: (node) => node.trace_id,
		endsOf: (edge) => [edge.parent_trace_id, edge.trace_id],
		levels: levelNodes(nodes, edges),
		compare: compareIds,
		sizes: BOX,
	});
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

/** Return an arrow as a path: level where it leaves, passes and arrives. */
export function pathOf(arrow: Arrow): string {
	return layers.pathOf(layers.bendsOf(arrow));
}

/** Ids are numbers beyond what a double holds. */
export function compareIds(one: string, other: string): number {
	return one.length - other.length || (one < other ? -1 : one > other ? 1 : 0);
}
