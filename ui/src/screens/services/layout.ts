/** Services and what they call, in layers: who is called stands right of who calls. Pure. */

import type { Rect } from "../../canvas/Drawing";
import {
	type Bend,
	type Box,
	bendsOf,
	LABEL,
	layLayers,
	pathOf,
	placeLabels,
} from "../../canvas/layers";

/** What is drawn as a box; the name is its identity. */
interface Named {
	name: string;
}

/** What is drawn as an arrow, by the names of its ends. */
interface Joining {
	from: string;
	to: string;
}

export interface Wire<Edge extends Joining> {
	edge: Edge;
	/** As an SVG has it. */
	path: string;
	words: string;
	/** Where the words stand, the middle of their line; null where there is no room for them. */
	label: { x: number; y: number } | null;
}

export interface ServiceMap<Node extends Named, Edge extends Joining> {
	boxes: Box<Node>[];
	wires: Wire<Edge>[];
	width: number;
	height: number;
}

/** Between boxes there is room for the words of an arrow. */
export const BOX = { width: 168, height: 46, gapX: 150, gapY: 18, pad: 14 } as const;

/** Where more arrows than these go between two columns, their words stand beside each other. */
const FEW = 6;
const GAP_OF_MANY = 260;

/** The same from above to below, before it is turned: columns lie. Two boxes fit a phone. */
const DOWN = { width: BOX.height, height: 156, gapX: 64, gapY: 12, pad: 4 } as const;

/** Return a point or a rectangle with across and down exchanged. */
function turned<Shape extends { x: number; y: number }>(shape: Shape): Shape {
	const { width, height } = shape as Partial<Rect>;
	const size = width === undefined ? {} : { width: height, height: width };
	return { ...shape, x: shape.y, y: shape.x, ...size };
}

/** Pixels of a letter of a label, rather more than less, and around all of them. */
const LETTER = 6.2;
const AROUND = 6;

/** Return the picture of a service map, to the right or `isDown`; the same map gives the same picture. */
export function layoutMap<Node extends Named, Edge extends Joining>(
	nodes: readonly Node[],
	edges: readonly Edge[],
	say: (edge: Edge) => string,
	isDown = false,
): ServiceMap<Node, Edge> {
	const sorted = [...nodes].sort((one, other) => compare(one.name, other.name));
	const levels = levelsOf(sorted, edges);
	const gapX = mostBetween(levels, edges) > FEW ? GAP_OF_MANY : BOX.gapX;
	const laid = layLayers({
		nodes: sorted,
		edges,
		idOf: (node) => node.name,
		endsOf: (edge) => [edge.from, edge.to],
		levels,
		compare,
		sizes: isDown ? DOWN : { ...BOX, gapX },
	});
	const { arrows } = laid;
	const turn = isDown ? turned : <Shape>(shape: Shape) => shape;
	const boxes = laid.boxes.map(turn);
	const { width, height } = turn({ x: 0, y: 0, width: laid.width, height: laid.height });
	const ways = arrows.map((arrow) =>
		bendsOf(arrow).map((bend) => bend.map(turn) as unknown as Bend),
	);
	const words = arrows.map(({ edge }) => say(edge));
	const widths = words.map((each) => each.length * LETTER + AROUND);
	const labels = placeLabels(ways, widths, boxes);
	const wires = arrows.map(({ edge }, at) => {
		const place = labels[at] ?? null;
		return {
			edge,
			path: pathOf(ways[at] ?? []),
			words: words[at] ?? "",
			label: place && { x: place.x + place.width / 2, y: place.y + LABEL / 2 },
		};
	});
	return { boxes, wires, width, height };
}

/** How many arrows go between two columns, where they are most. */
function mostBetween(levels: ReadonlyMap<string, number>, edges: readonly Joining[]): number {
	const counts: number[] = [];
	for (const { from, to } of edges) {
		const [one, other] = [levels.get(from) ?? 0, levels.get(to) ?? 0];
		for (let at = Math.min(one, other); at < Math.max(one, other); at += 1)
			counts[at] = (counts[at] ?? 0) + 1;
	}
	return Math.max(0, ...counts.filter((count) => count !== undefined));
}

function compare(one: string, other: string): number {
	return one < other ? -1 : Number(one > other);
}

/** The longest way from a service that nobody calls; what closes a circle goes back. */
function levelsOf(sorted: readonly Named[], edges: readonly Joining[]): Map<string, number> {
	const names = sorted.map((node) => node.name);
	const called = new Map<string, string[]>(names.map((name) => [name, []]));
	const isCalled = new Set<string>();
	for (const { from, to } of edges) {
		if (from === to || !called.has(from) || !called.has(to)) continue;
		called.get(from)?.push(to);
		isCalled.add(to);
	}
	for (const list of called.values()) list.sort(compare);
	// From those that nobody calls; then from whoever is left, who are in circles.
	const inTurn = [...names.filter((name) => !isCalled.has(name)), ...names];
	const callersFirst = orderByCalls(inTurn, called);
	const rank = new Map(callersFirst.map((name, at) => [name, at]));
	const level = new Map(names.map((name) => [name, 0]));
	for (const name of callersFirst)
		for (const to of called.get(name) ?? [])
			if ((rank.get(to) ?? 0) > (rank.get(name) ?? 0))
				level.set(to, Math.max(level.get(to) ?? 0, (level.get(name) ?? 0) + 1));
	return level;
}

/** Return all names, each before those that it calls unless they lead back to it. */
function orderByCalls(
	inTurn: readonly string[],
	called: ReadonlyMap<string, readonly string[]>,
): string[] {
	const seen = new Set<string>();
	const finished: string[] = [];
	for (const name of inTurn) {
		if (seen.has(name)) continue;
		seen.add(name);
		// By hand rather than by recursion: a chain may be longer than a stack.
		const stack = [{ name, next: 0 }];
		for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
			const to = called.get(top.name)?.[top.next];
			top.next += 1;
			if (to === undefined) {
				finished.push(top.name);
				stack.pop();
			} else if (!seen.has(to)) {
				seen.add(to);
				stack.push({ name: to, next: 0 });
			}
		}
	}
	return finished.reverse();
}
