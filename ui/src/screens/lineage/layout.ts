/** A graph of causes in columns: what was asked about on one side, its farthest causes on the other.
 *
 * Deterministic: the same graph gives the same picture. Pure.
 */

import type { Edge, Node } from "../../api/schema";
import type { Rect } from "../../canvas/Drawing";

export interface Box extends Rect {
	node: Node;
}

export interface Point {
	x: number;
	y: number;
}

export interface Arrow {
	edge: Edge;
	from: Box;
	to: Box;
	/** Where a long arrow goes through the columns between its ends, beside their boxes. */
	through: Point[];
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

/** Room for an arrow that passes through a column. */
const LANE = 16;

/** With more than so many lanes nobody follows one; then long arrows go straight. */
const LANES_MAX = 2_000;

/** What takes room in a column: a box, or an arrow that passes. */
interface Slot {
	id: string;
	node: Node | null;
	height: number;
}

/** Causes stand on the left of what was made of them, whichever way was asked. */
export function layoutGraph(nodes: readonly Node[], edges: readonly Edge[]): Picture {
	const levels = levelNodes(nodes, edges);
	const columns: Slot[][] = [];
	const put = (level: number, slot: Slot) => {
		while (columns.length <= level) columns.push([]);
		(columns[level] as Slot[]).push(slot);
	};
	for (const node of [...nodes].sort((one, other) => compareIds(one.trace_id, other.trace_id)))
		put(levels.get(node.trace_id) ?? 0, { id: node.trace_id, node, height: BOX.height });
	const lanes = layLanes(levels, edges, put);
	const near = neighbours(lanes);
	for (let sweep = 0; sweep < SWEEPS; sweep += 1)
		order(sweep % 2 === 0 ? columns : [...columns].reverse(), columns, near);
	return draw(columns, lanes, edges);
}

/** Of each edge, by its place in the list, the slots that it goes through, both ends included. */
type Lanes = ReadonlyMap<number, readonly string[]>;

function layLanes(
	levels: ReadonlyMap<string, number>,
	edges: readonly Edge[],
	put: (level: number, slot: Slot) => void,
): Lanes {
	const spanOf = ({ parent_trace_id, trace_id }: Edge) =>
		(levels.get(trace_id) ?? 0) - (levels.get(parent_trace_id) ?? 0);
	const wanted = edges.reduce((sum, edge) => sum + Math.max(0, spanOf(edge) - 1), 0);
	const lanes = new Map<number, readonly string[]>();
	const inOrder = edges
		.map((edge, at) => ({ edge, at }))
		.filter(({ edge }) => levels.has(edge.trace_id) && levels.has(edge.parent_trace_id))
		.sort(
			(one, other) =>
				compareIds(one.edge.parent_trace_id, other.edge.parent_trace_id) ||
				compareIds(one.edge.trace_id, other.edge.trace_id),
		);
	for (const { edge, at } of inOrder) {
		const first = levels.get(edge.parent_trace_id) ?? 0;
		const way = [edge.parent_trace_id];
		for (let step = 1; wanted <= LANES_MAX && step < spanOf(edge); step += 1) {
			const id = `${edge.parent_trace_id} ${edge.trace_id} ${step}`;
			put(first + step, { id, node: null, height: LANE });
			way.push(id);
		}
		way.push(edge.trace_id);
		lanes.set(at, way);
	}
	return lanes;
}

/** Bring what is in each column near what it is joined to in the others. */
function order(
	inTurn: readonly Slot[][],
	columns: readonly Slot[][],
	near: ReadonlyMap<string, readonly string[]>,
): void {
	const rank = new Map<string, number>();
	const note = (column: Slot[]) => {
		for (const [at, slot] of column.entries()) rank.set(slot.id, (at + 0.5) / column.length);
	};
	for (const column of columns) note(column);
	for (const column of inTurn) {
		const weight = new Map(
			column.map((slot) => {
				const ranks = (near.get(slot.id) ?? []).map((id) => rank.get(id) ?? 0);
				const mean = ranks.reduce((sum, each) => sum + each, 0) / Math.max(ranks.length, 1);
				return [slot.id, ranks.length > 0 ? mean : (rank.get(slot.id) ?? 0)] as const;
			}),
		);
		column.sort(
			(one, other) =>
				(weight.get(one.id) ?? 0) - (weight.get(other.id) ?? 0) || compareIds(one.id, other.id),
		);
		note(column);
	}
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

function draw(columns: readonly Slot[][], lanes: Lanes, edges: readonly Edge[]): Picture {
	const tallOf = (column: readonly Slot[]) =>
		column.reduce((sum, slot) => sum + slot.height + BOX.gapY, -BOX.gapY);
	const height = 2 * BOX.pad + Math.max(BOX.height, ...columns.map(tallOf));
	const boxes = new Map<string, Box>();
	const points = new Map<string, Point>();
	for (const [index, column] of columns.entries()) {
		const x = BOX.pad + index * (BOX.width + BOX.gapX);
		let y = (height - tallOf(column)) / 2;
		for (const { id, node, height: own } of column) {
			if (node === null) points.set(id, { x: x + BOX.width / 2, y: y + own / 2 });
			else boxes.set(id, { node, x, y, width: BOX.width, height: own });
			y += own + BOX.gapY;
		}
	}
	const arrows = edges.flatMap((edge, at) => {
		const from = boxes.get(edge.parent_trace_id);
		const to = boxes.get(edge.trace_id);
		if (!from || !to) return [];
		const through = (lanes.get(at) ?? [])
			.map((id) => points.get(id))
			.filter((point) => point !== undefined);
		return [{ edge, from, to, through }];
	});
	const width = 2 * BOX.pad + columns.length * (BOX.width + BOX.gapX) - BOX.gapX;
	return { boxes: [...boxes.values()], arrows, width: Math.max(width, 0), height };
}

/** Return an arrow as a path: level where it leaves, passes and arrives. */
export function pathOf({ from, to, through }: Arrow): string {
	let [x, y] = [from.x + BOX.width, from.y + BOX.height / 2];
	let path = `M${x} ${y}`;
	const bend = (toX: number, toY: number) => {
		const half = Math.max(24, (toX - x) / 2);
		path += ` C${x + half} ${y} ${toX - half} ${toY} ${toX} ${toY}`;
		[x, y] = [toX, toY];
	};
	for (const point of through) {
		bend(point.x - BOX.width / 2, point.y);
		x = point.x + BOX.width / 2;
		path += ` L${x} ${y}`;
	}
	bend(to.x, to.y + BOX.height / 2);
	return path;
}

function neighbours(lanes: Lanes): Map<string, string[]> {
	const near = new Map<string, string[]>();
	const add = (one: string, other: string) => {
		const list = near.get(one);
		if (list) list.push(other);
		else near.set(one, [other]);
	};
	for (const way of lanes.values())
		for (let at = 1; at < way.length; at += 1) {
			add(way[at - 1] as string, way[at] as string);
			add(way[at] as string, way[at - 1] as string);
		}
	return near;
}

/** Ids are numbers beyond what a double holds. */
export function compareIds(one: string, other: string): number {
	return one.length - other.length || (one < other ? -1 : one > other ? 1 : 0);
}
