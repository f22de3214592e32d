/** The graph, drawn; zoomed and moved by wheel, pointer and keys; and the evidence beside it. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Edge, Node } from "../../api/schema";
import { sayMany } from "../../parts/words";
import { addKeys } from "../../state/keys";
import { change, param } from "../../state/place";
import { EdgeEvidence, Evidence } from "./Evidence";
import { edgeKey, nameOf } from "./edges";
import { type Arrow, BOX, layoutGraph, type Picture, pathOf } from "./layout";
import "./lineage.css";

interface GraphProps {
	nodes: readonly Node[];
	edges: readonly Edge[];
	root: string;
	notes: readonly string[];
}

/** Smaller nobody reads a box; larger it does not get more. */
const ZOOM_MIN = 0.15;
const ZOOM_MAX = 2;
const ZOOM_STEP = 1.2;

/** A wheel's tick is some 100 pixels; this makes it one step. */
const WHEEL = Math.log(ZOOM_STEP) / 100;

export function Graph({ nodes, edges, root, notes }: GraphProps) {
	const picture = useMemo(() => layoutGraph(nodes, edges), [nodes, edges]);
	const selected = param("node") ?? root;
	const node = nodes.find((each) => each.trace_id === selected);
	const chosen = edges.find((each) => edgeKey(each) === param("edge"));
	const frame = useRef<HTMLDivElement>(null);
	const zoom = useZoom(frame, picture);
	useGraphKeys(picture, root, zoom);
	useLayoutEffect(() => {
		// What was asked about comes into sight, however long the way to it.
		const box = picture.boxes.find((each) => each.node.trace_id === selected);
		const element = frame.current;
		if (!box || !element) return;
		const [left, top] = [box.x * zoom.scale, box.y * zoom.scale];
		const [wide, tall] = [box.width * zoom.scale, box.height * zoom.scale];
		const { scrollLeft, scrollTop, clientWidth, clientHeight } = element;
		if (left < scrollLeft || left + wide > scrollLeft + clientWidth)
			element.scrollLeft = left + wide / 2 - clientWidth / 2;
		if (top < scrollTop || top + tall > scrollTop + clientHeight)
			element.scrollTop = top - clientHeight / 2;
	}, [picture, selected]);
	return (
		<>
			{notes.map((note) => (
				<div class="notice" role="note" key={note}>
					{note}
				</div>
			))}
			<div class="split">
				<div class="column drawn">
					<div class="zooms bar">
						<button
							type="button"
							aria-label="Smaller"
							title="-"
							onClick={() => zoom.by(1 / ZOOM_STEP)}
						>
							−
						</button>
						<button type="button" aria-label="Larger" title="+" onClick={() => zoom.by(ZOOM_STEP)}>
							+
						</button>
						<button type="button" title="0" onClick={zoom.fit}>
							Fit
						</button>
					</div>
					<section
						class="scroll frame"
						ref={frame}
						aria-label="Graph"
						// biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable
						tabIndex={0}
					>
						<Drawn picture={picture} selected={selected} chosen={chosen} scale={zoom.scale} />
					</section>
				</div>
				<aside class="side" aria-label="Evidence">
					{chosen && (
						<EdgeEvidence
							edge={chosen}
							nodes={nodes}
							close={() => change({ edge: null }, { replace: true })}
						/>
					)}
					{node && <Evidence node={node} nodes={nodes} edges={edges} />}
				</aside>
			</div>
		</>
	);
}

interface Zoom {
	scale: number;
	by: (factor: number, at?: { x: number; y: number }) => void;
	fit: () => void;
}

/** Zooming keeps what is under the pointer, or in the middle, where it is; moving is scrolling. */
function useZoom(frame: { current: HTMLElement | null }, picture: Picture): Zoom {
	const [scale, setScale] = useState(1);
	const kept = useRef<{ x: number; y: number; at: { x: number; y: number } } | null>(null);
	const now = useRef(scale);
	now.current = scale;
	const set = (wanted: number, at?: { x: number; y: number }) => {
		const element = frame.current;
		if (element === null) return;
		const place = at ?? { x: element.clientWidth / 2, y: element.clientHeight / 2 };
		kept.current = {
			x: (element.scrollLeft + place.x) / now.current,
			y: (element.scrollTop + place.y) / now.current,
			at: place,
		};
		setScale(Math.max(ZOOM_MIN, Math.min(ZOOM_MAX, wanted)));
	};
	useLayoutEffect(() => {
		const element = frame.current;
		if (element === null || kept.current === null) return;
		element.scrollLeft = kept.current.x * scale - kept.current.at.x;
		element.scrollTop = kept.current.y * scale - kept.current.at.y;
	}, [scale]);
	const by = (factor: number, at?: { x: number; y: number }) => set(now.current * factor, at);
	const fit = () => {
		const element = frame.current;
		if (element === null) return;
		set(Math.min(1, element.clientWidth / picture.width, element.clientHeight / picture.height));
	};
	useEffect(() => {
		const element = frame.current;
		if (element === null) return;
		// By hand, since a wheel that zooms must not scroll as well, and Preact's listeners may not say so.
		const turn = (event: WheelEvent) => {
			if (!event.ctrlKey && !event.metaKey) return;
			event.preventDefault();
			const box = element.getBoundingClientRect();
			by(Math.exp(-event.deltaY * WHEEL), {
				x: event.clientX - box.left,
				y: event.clientY - box.top,
			});
		};
		element.addEventListener("wheel", turn, { passive: false });
		return () => element.removeEventListener("wheel", turn);
	}, []);
	return { scale, by, fit };
}

function useGraphKeys(picture: Picture, root: string, zoom: Zoom): void {
	const seen = useRef({ picture, root, zoom });
	seen.current = { picture, root, zoom };
	useEffect(() => {
		const to = (id: string | undefined) => {
			if (id !== undefined) change({ node: id, edge: null }, { replace: true });
		};
		// Asked of the address: the second of two quick keys comes before the first is drawn.
		const selected = () => param("node") ?? seen.current.root;
		const beside = (by: number) => {
			const { boxes } = seen.current.picture;
			const own = boxes.find((each) => each.node.trace_id === selected());
			if (own === undefined) return;
			const column = boxes.filter((each) => each.x === own.x);
			to(column[column.indexOf(own) + by]?.node.trace_id);
		};
		const along = (from: "parent_trace_id" | "trace_id", onto: "parent_trace_id" | "trace_id") => {
			const id = selected();
			to(seen.current.picture.arrows.find(({ edge }) => edge[from] === id)?.edge[onto]);
		};
		return addKeys([
			{ keys: "[", what: "To a cause", act: () => along("trace_id", "parent_trace_id") },
			{ keys: "]", what: "To an effect", act: () => along("parent_trace_id", "trace_id") },
			{ keys: "j", what: "To the one below", act: () => beside(1) },
			{ keys: "k", what: "To the one above", act: () => beside(-1) },
			{ keys: "+", what: "Larger", act: () => seen.current.zoom.by(ZOOM_STEP) },
			{ keys: "-", what: "Smaller", act: () => seen.current.zoom.by(1 / ZOOM_STEP) },
			{ keys: "0", what: "All of it", act: () => seen.current.zoom.fit() },
		]);
	}, []);
}

interface DrawnProps {
	picture: Picture;
	selected: string;
	chosen: Edge | undefined;
	scale: number;
}

function Drawn({ picture, selected, chosen, scale }: DrawnProps) {
	const { width, height, boxes, arrows } = picture;
	const isNear = ({ edge }: Arrow) =>
		edge.trace_id === selected || edge.parent_trace_id === selected;
	// Those of what is looked at are painted over the others.
	const inOrder = [...arrows].sort((one, other) => Number(isNear(one)) - Number(isNear(other)));
	return (
		<svg
			class="graph"
			width={width * scale}
			height={height * scale}
			viewBox={`0 0 ${width} ${height}`}
			role="group"
			aria-label={`${sayMany(boxes.length, "node")}, ${sayMany(arrows.length, "edge")}`}
		>
			<defs>
				{["tip", "tip-near"].map((name) => (
					<marker
						key={name}
						id={name}
						viewBox="0 0 8 8"
						refX="7"
						refY="4"
						markerUnits="userSpaceOnUse"
						markerWidth="10"
						markerHeight="10"
						orient="auto"
					>
						<path d="M0 0 8 4 0 8z" class={name} />
					</marker>
				))}
			</defs>
			{inOrder.map((arrow) => {
				const { edge } = arrow;
				const path = pathOf(arrow);
				const near = isNear(arrow);
				return (
					// The list beside the graph has the same evidence for keys and readers.
					<g key={`${edgeKey(edge)} ${edge.position}`}>
						<path
							class={`edge ${near ? "is-near" : ""} ${edge === chosen ? "is-chosen" : ""}`}
							d={path}
							marker-end={near || edge === chosen ? "url(#tip-near)" : "url(#tip)"}
						/>
						{/* biome-ignore lint/a11y/noStaticElementInteractions: for a pointer; keys have the list beside it */}
						<path
							class="edge-target"
							d={path}
							onClick={() => change({ edge: edgeKey(edge) }, { replace: true })}
						>
							<title>
								stream {edge.stream_id}, epoch {edge.epoch}, number {edge.seq}
							</title>
						</path>
					</g>
				);
			})}
			{boxes.map(({ node, x, y }) => {
				const stage = node.stages[0];
				const isSelected = node.trace_id === selected;
				return (
					<a
						key={node.trace_id}
						href={nodeLink(node.trace_id)}
						aria-current={isSelected ? "true" : undefined}
						onClick={(event) => {
							event.preventDefault();
							change({ node: node.trace_id, edge: null }, { replace: true });
						}}
					>
						<g
							class={`box ${isSelected ? "is-selected" : ""} ${node.missing ? "is-missing" : ""}`}
							transform={`translate(${x} ${y})`}
						>
							<rect width={BOX.width} height={BOX.height} rx="6" />
							<text x="10" y="21" class="name">
								{cut(nameOf(node) ?? (node.missing ? "not known" : "no stage told"), 26)}
							</text>
							<text x="10" y="40" class="under">
								{cut(
									`${stage?.service ?? node.dataset?.namespace ?? ""} ${node.trace_id.slice(-10)}`,
									30,
								)}
							</text>
						</g>
					</a>
				);
			})}
		</svg>
	);
}

/** The link of a box, for whoever opens it elsewhere: this place with another node. */
function nodeLink(id: string): string {
	const [path = "", query = ""] = window.location.hash.split("?");
	const params = new URLSearchParams(query);
	params.set("node", id);
	params.delete("edge");
	return `${path}?${params}`;
}

function cut(text: string, characters: number): string {
	return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}
