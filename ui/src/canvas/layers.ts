/** Boxes in columns, and arrows that go beside what they pass. Pure.
 *
 * Deterministic: the same graph gives the same picture, whatever the order in which it came.
 */

import type { Rect } from "./Drawing";

export interface Point {
	x: number;
	y: number;
}

export interface Box<Node> extends Rect {
	node: Node;
}

export interface Arrow<Node, Edge> {
	edge: Edge;
	from: Box<Node>;
	to: Box<Node>;
	/** Where a long arrow goes through the columns between its ends, beside their boxes. */
	through: Point[];
}

export interface Layers<Node, Edge> {
	boxes: Box<Node>[];
	arrows: Arrow<Node, Edge>[];
	width: number;
	height: number;
}

/** Of a box, between boxes, and around all of them; in pixels. */
export interface Sizes {
	width: number;
	height: number;
	gapX: number;
	gapY: number;
	pad: number;
}

/** A graph whose nodes and edges are anything, and how to read them. */
export interface Graph<Node, Edge> {
	nodes: readonly Node[];
	edges: readonly Edge[];
	idOf: (node: Node) => string;
	endsOf: (edge: Edge) => readonly [from: string, to: string];
	/** The column of each node, from the left. */
	levels: ReadonlyMap<string, number>;
	compare: (one: string, other: string) => number;
	sizes: Sizes;
}

/** Sweeps that bring each box near those it is joined to. */
const SWEEPS = 4;

/** Room for an arrow that passes through a column. */
const LANE = 16;

/** With more than so many lanes nobody follows one; then long arrows go straight. */
const LANES_MAX = 2_000;

/** What takes room in a column: a box, or an arrow that passes. */
interface Slot<Node> {
	id: string;
	node: Node | null;
	height: number;
}

/** Return the picture of a graph; edges of a node to itself, or to none that is known, are left out. */
export function layLayers<Node, Edge>(graph: Graph<Node, Edge>): Layers<Node, Edge> {
	const { nodes, idOf, levels, compare, sizes } = graph;
	const columns: Slot<Node>[][] = [];
	const put = (level: number, slot: Slot<Node>) => {
		while (columns.length <= level) columns.push([]);
		(columns[level] as Slot<Node>[]).push(slot);
	};
	for (const node of [...nodes].sort((one, other) => compare(idOf(one), idOf(other))))
		put(levels.get(idOf(node)) ?? 0, { id: idOf(node), node, height: sizes.height });
	const lanes = layLanes(graph, put);
	const near = neighbours(lanes);
	for (let sweep = 0; sweep < SWEEPS; sweep += 1)
		order(sweep % 2 === 0 ? columns : [...columns].reverse(), columns, near, compare);
	return draw(columns, lanes, graph);
}

/** Of each edge, by its place in the list, the slots that it goes through, both ends included. */
type Lanes = ReadonlyMap<number, readonly string[]>;

function layLanes<Node, Edge>(
	{ edges, endsOf, levels, compare }: Graph<Node, Edge>,
	put: (level: number, slot: Slot<Node>) => void,
): Lanes {
	const inOrder = edges
		.map((edge, at) => {
			const [from, to] = endsOf(edge);
			return { from, to, at, far: (levels.get(to) ?? 0) - (levels.get(from) ?? 0) };
		})
		.filter(({ from, to }) => from !== to && levels.has(from) && levels.has(to))
		.sort((one, other) => compare(one.from, other.from) || compare(one.to, other.to));
	const wanted = inOrder.reduce((sum, { far }) => sum + Math.max(0, Math.abs(far) - 1), 0);
	const lanes = new Map<number, readonly string[]>();
	for (const { from, to, at, far } of inOrder) {
		const first = levels.get(from) ?? 0;
		const way = [from];
		for (let step = 1; wanted <= LANES_MAX && step < Math.abs(far); step += 1) {
			const id = `${from} ${to} ${at} ${step}`;
			put(first + step * Math.sign(far), { id, node: null, height: LANE });
			way.push(id);
		}
		way.push(to);
		lanes.set(at, way);
	}
	return lanes;
}

/** Bring what is in each column near what it is joined to in the others. */
function order<Node>(
	inTurn: readonly Slot<Node>[][],
	columns: readonly Slot<Node>[][],
	near: ReadonlyMap<string, readonly string[]>,
	compare: (one: string, other: string) => number,
): void {
	const rank = new Map<string, number>();
	const note = (column: Slot<Node>[]) => {
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
				(weight.get(one.id) ?? 0) - (weight.get(other.id) ?? 0) || compare(one.id, other.id),
		);
		note(column);
	}
}

function draw<Node, Edge>(
	columns: readonly Slot<Node>[][],
	lanes: Lanes,
	{ edges, endsOf, sizes }: Graph<Node, Edge>,
): Layers<Node, Edge> {
	const tallOf = (column: readonly Slot<Node>[]) =>
		column.reduce((sum, slot) => sum + slot.height + sizes.gapY, -sizes.gapY);
	const height = 2 * sizes.pad + Math.max(sizes.height, ...columns.map(tallOf));
	const boxes = new Map<string, Box<Node>>();
	const points = new Map<string, Point>();
	for (const [index, column] of columns.entries()) {
		const x = sizes.pad + index * (sizes.width + sizes.gapX);
		let y = (height - tallOf(column)) / 2;
		for (const { id, node, height: own } of column) {
			if (node === null) points.set(id, { x: x + sizes.width / 2, y: y + own / 2 });
			else boxes.set(id, { node, x, y, width: sizes.width, height: own });
			y += own + sizes.gapY;
		}
	}
	const arrows = edges.flatMap((edge, at) => {
		const [from, to] = endsOf(edge).map((id) => boxes.get(id));
		if (!from || !to || from === to) return [];
		const through = (lanes.get(at) ?? [])
			.map((id) => points.get(id))
			.filter((point) => point !== undefined);
		return [{ edge, from, to, through }];
	});
	const width = 2 * sizes.pad + columns.length * (sizes.width + sizes.gapX) - sizes.gapX;
	return { boxes: [...boxes.values()], arrows, width: Math.max(width, 0), height };
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

/** A piece of an arrow: a curve of Bézier's by its four points. */
export type Bend = readonly [Point, Point, Point, Point];

/** A curve that is shorter than this turns too sharply. */
const BEND_MIN = 24;

/** Where on the side of a box an arrow begins and ends: one that goes back is not over one that comes. */
const THERE = 0.5;
const BACK = 0.78;

/** Return the pieces of an arrow: level where it leaves, passes and arrives. */
export function bendsOf<Node, Edge>({ from, to, through }: Arrow<Node, Edge>): Bend[] {
	const isBack = to.x <= from.x;
	const ahead = isBack ? -1 : 1;
	const y = isBack ? BACK : THERE;
	let at: Point = { x: from.x + (isBack ? 0 : from.width), y: from.y + from.height * y };
	const bends: Bend[] = [];
	const bend = (next: Point, half: number) => {
		const [out, into] = [at.x + half * ahead, next.x - half * ahead];
		bends.push([at, { x: out, y: at.y }, { x: into, y: next.y }, next]);
		at = next;
	};
	const turn = (next: Point) => bend(next, Math.max(BEND_MIN, Math.abs(next.x - at.x) / 2));
	for (const point of through) {
		const half = (from.width / 2) * ahead;
		turn({ x: point.x - half, y: point.y });
		bend({ x: point.x + half, y: point.y }, 0);
	}
	turn({ x: to.x + (isBack ? to.width : 0), y: to.y + to.height * y });
	return bends;
}

/** Return pieces as the path of an SVG. */
export function pathOf(bends: readonly Bend[]): string {
	const say = ({ x, y }: Point) => `${x} ${y}`;
	return bends
		.map(([from, out, into, to], at) => {
			const start = at === 0 ? `M${say(from)} ` : "";
			return `${start}C${say(out)} ${say(into)} ${say(to)}`;
		})
		.join(" ");
}

/** Pixels of a label's height. */
export const LABEL = 14;

/** Where on a piece a label may stand: its middle before its ends. */
const PLACES = [0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8];

/** Points by which a piece is known to be beside a label or below it. */
const STEPS = 32;

/** A label over another one, or over a box, cannot be read; one over an arrow can. */
const UNREADABLE = 1_000;

interface Traced {
	points: Point[];
	around: Rect;
}

/**
 * Return where the label of each arrow stands: on its own way, and where few other arrows pass; null
 * where it could not be read. `widths` are of the labels, in the order of the arrows.
 */
export function placeLabels(
	ways: readonly (readonly Bend[])[],
	widths: readonly number[],
	boxes: readonly Rect[],
): (Rect | null)[] {
	const traced = ways.map(trace);
	const placed: Rect[] = [];
	const labels: (Rect | null)[] = [];
	for (const [at, way] of ways.entries()) {
		const width = widths[at] ?? 0;
		let [best, least]: [Rect | null, number] = [null, Number.POSITIVE_INFINITY];
		for (const [rank, place] of PLACES.entries())
			for (const bend of way) {
				const { x, y } = pointOn(bend, place);
				const label = { x: x - width / 2, y: y - LABEL / 2, width, height: LABEL };
				const taken = [...placed, ...boxes].filter((each) => overlaps(label, each)).length;
				let cost = rank / PLACES.length + taken * UNREADABLE;
				for (const [other, { points, around }] of traced.entries())
					if (other !== at && overlaps(label, around))
						cost += points.filter((point) => holds(label, point)).length;
				if (cost < least) [best, least] = [label, cost];
			}
		if (least >= UNREADABLE) best = null;
		labels.push(best);
		if (best !== null) placed.push(best);
	}
	return labels;
}

function trace(way: readonly Bend[]): Traced {
	const points = way.flatMap((bend) =>
		Array.from({ length: STEPS + 1 }, (_, at) => pointOn(bend, at / STEPS)),
	);
	const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
	const [x, y] = [Math.min(...xs), Math.min(...ys)];
	return { points, around: { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y } };
}

function pointOn([from, out, into, to]: Bend, share: number): Point {
	const rest = 1 - share;
	const mix = (a: number, b: number, c: number, d: number) =>
		a * rest ** 3 + 3 * b * rest ** 2 * share + 3 * c * rest * share ** 2 + d * share ** 3;
	return { x: mix(from.x, out.x, into.x, to.x), y: mix(from.y, out.y, into.y, to.y) };
}

function overlaps(one: Rect, other: Rect): boolean {
	return (
		one.x <= other.x + other.width &&
		other.x <= one.x + one.width &&
		one.y <= other.y + other.height &&
		other.y <= one.y + one.height
	);
}

function holds({ x, y, width, height }: Rect, point: Point): boolean {
	return point.x >= x && point.x <= x + width && point.y >= y && point.y <= y + height;
}
