/** Lineage: where a result came from, and what was made of it. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type {
	Edge,
	Lineage as LineageDocument,
	LineagePath,
	Node,
	SqlAnswer,
} from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, sayDuration, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, go, linkTo, param, place } from "../../state/place";
import { now, readTime } from "../../state/time";
import { BOX, layoutGraph } from "./layout";

const DEPTH = 20;

/** Nodes of one picture: more than that nobody looks at, and the list still tells them. */
const LIMIT = 200;

export default function Lineage() {
	const [id, to] = place.value.names;
	if (id === undefined) return <Which />;
	return to === undefined ? (
		<Walk key={id} id={id} />
	) : (
		<Path key={`${id} ${to}`} from={id} to={to} />
	);
}

function Which() {
	const [text, setText] = useState("");
	const recent = useAnswer<SqlAnswer>("recent", (until) =>
		get("/api/v1/sql", {
			query: {
				q:
					"SELECT toString(TraceId) AS id, max(Timestamp) AS at, uniqExact(ParentTraceId) AS inputs" +
					" FROM trace_links GROUP BY TraceId ORDER BY at DESC LIMIT 30",
			},
			until,
		}),
	);
	return (
		<>
			<Head title="Lineage" />
			<main class="main">
				<Nothing title="Whose origin?">
					<form
						class="bar"
						onSubmit={(event) => {
							event.preventDefault();
							if (text.trim() !== "") go(linkTo("lineage", [text.trim()]));
						}}
					>
						<input
							type="search"
							class="grow"
							aria-label="Trace id of an output"
							placeholder="the trace id of an output, a decimal number"
							value={text}
							onInput={(event) => setText(event.currentTarget.value)}
						/>
						<button type="submit" class="primary">
							Show
						</button>
					</form>
					<Shown
						of={recent}
						empty={(found) =>
							found.count > 0 ? null : (
								<>
									<p>Nothing was joined yet. A stage says what its output was made of:</p>
									<pre>{`from clew import lineage
with lineage.join([frame, cloud]) as out:
    out.value = fuse(frame, cloud)`}</pre>
								</>
							)
						}
					>
						{(found) => (
							<>
								<p class="soft">Outputs that were made last:</p>
								<ul>
									{found.rows.map((row) => (
										<li key={String(row.id)}>
											<a class="mono" href={linkTo("lineage", [String(row.id)])}>
												{String(row.id)}
											</a>{" "}
											<span class="soft">of {String(row.inputs)} inputs</span>
										</li>
									))}
								</ul>
							</>
						)}
					</Shown>
				</Nothing>
			</main>
		</>
	);
}

function Walk({ id }: { id: string }) {
	const direction = param("direction") === "down" ? "down" : "up";
	const [other, setOther] = useState("");
	const query = { direction, depth: DEPTH, limit: LIMIT } as const;
	const answer = useAnswer<LineageDocument>(`${id} ${direction}`, (until) =>
		get("/api/v1/lineage/{trace_id}", { in: { trace_id: id }, query, until }),
	);
	return (
		<>
			<Head
				title={direction === "up" ? "Where it came from" : "What was made of it"}
				copies={{
					cli: command(["lineage", id], { [direction]: true }),
					url: addressOf("/api/v1/lineage/{trace_id}", { trace_id: id }, query),
					mcp: { tool: "lineage", arguments: { trace_id: id, direction } },
				}}
			>
				<button
					type="button"
					aria-pressed={direction === "up"}
					onClick={() => change({ direction: null })}
				>
					◀ causes
				</button>
				<button
					type="button"
					aria-pressed={direction === "down"}
					onClick={() => change({ direction: "down" })}
				>
					effects ▶
				</button>
				<form
					class="bar"
					onSubmit={(event) => {
						event.preventDefault();
						if (other.trim() !== "") go(linkTo("lineage", [id, other.trim()]));
					}}
				>
					<input
						type="search"
						aria-label="Path to"
						placeholder="path to another id"
						value={other}
						onInput={(event) => setOther(event.currentTarget.value)}
					/>
				</form>
			</Head>
			<main class="main fills">
				<Shown of={answer}>
					{(found) => (
						<Graph
							nodes={found.nodes}
							edges={found.edges}
							root={found.root}
							notes={notesOf(found)}
						/>
					)}
				</Shown>
			</main>
		</>
	);
}

function Path({ from, to }: { from: string; to: string }) {
	const answer = useAnswer<LineagePath>(`${from} ${to}`, (until) =>
		get("/api/v1/lineage/path", { query: { from, to }, until }),
	);
	return (
		<>
			<Head
				title="The ways between two"
				copies={{
					cli: command(["lineage", from], { path: to }),
					url: addressOf("/api/v1/lineage/path", {}, { from, to }),
				}}
			>
				<a class="button" href={linkTo("lineage", [from])}>
					Back to {from}
				</a>
			</Head>
			<main class="main fills">
				<Shown
					of={answer}
					empty={(found) =>
						found.found ? null : (
							<Nothing title="No way leads from one to the other">
								<p>Neither was made of the other, as far as is known.</p>
							</Nothing>
						)
					}
				>
					{(found) => (
						<Graph
							nodes={found.nodes}
							edges={found.edges}
							root={found.from}
							notes={found.truncated ? ["there are more ways than are shown"] : []}
						/>
					)}
				</Shown>
			</main>
		</>
	);
}

function notesOf(found: LineageDocument): string[] {
	const notes: string[] = [];
	if (found.truncated) notes.push(`this is not all: ${found.stopped_by.join(", ")}`);
	if (found.missing > 0)
		notes.push(`${found.missing} inputs are named and nothing is known of them`);
	if (found.cycles.length > 0)
		notes.push(`${found.cycles.length} circles: something is its own cause`);
	const lost = Object.values(found.losses).reduce((sum, each) => sum + each, 0);
	if (lost > 0) notes.push(`${sayCount(lost)} messages about links were lost or refused`);
	return notes;
}

interface GraphProps {
	nodes: readonly Node[];
	edges: readonly Edge[];
	root: string;
	notes: readonly string[];
}

function Graph({ nodes, edges, root, notes }: GraphProps) {
	const picture = useMemo(() => layoutGraph(nodes, edges), [nodes, edges]);
	const selected = param("node") ?? root;
	const node = nodes.find((each) => each.trace_id === selected);
	const frame = useRef<HTMLDivElement>(null);
	useLayoutEffect(() => {
		// What was asked about comes into sight, however long the way to it.
		const box = picture.boxes.find((each) => each.node.trace_id === selected);
		const element = frame.current;
		if (!box || !element) return;
		const isSeen =
			box.x >= element.scrollLeft && box.x + box.width <= element.scrollLeft + element.clientWidth;
		if (!isSeen) element.scrollLeft = box.x + box.width / 2 - element.clientWidth / 2;
		const isLevel =
			box.y >= element.scrollTop && box.y + box.height <= element.scrollTop + element.clientHeight;
		if (!isLevel) element.scrollTop = box.y - element.clientHeight / 2;
	}, [picture, selected]);
	return (
		<>
			{notes.map((note) => (
				<div class="notice" role="note" key={note}>
					{note}
				</div>
			))}
			<div class="split">
				<div class="column scroll" ref={frame}>
					<svg
						class="graph"
						width={picture.width}
						height={picture.height}
						role="group"
						aria-label={`${nodes.length} nodes, ${edges.length} edges`}
					>
						<defs>
							<marker
								id="tip"
								viewBox="0 0 8 8"
								refX="7"
								refY="4"
								markerWidth="7"
								markerHeight="7"
								orient="auto"
							>
								<path d="M0 0 8 4 0 8z" class="tip" />
							</marker>
						</defs>
						{picture.arrows.map(({ edge, from, to }) => {
							const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
							const [x2, y2] = [to.x, to.y + BOX.height / 2];
							const bend = Math.max(24, (x2 - x1) / 2);
							return (
								<path
									key={`${edge.parent_trace_id} ${edge.trace_id} ${edge.position}`}
									class={`edge ${edge.trace_id === selected || edge.parent_trace_id === selected ? "is-near" : ""}`}
									d={`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
									marker-end="url(#tip)"
								/>
							);
						})}
						{picture.boxes.map((box) => {
							const { node: each } = box;
							const stage = each.stages[0];
							return (
								<a
									key={each.trace_id}
									href={linkTo("lineage", place.value.names, {
										direction: param("direction"),
										node: each.trace_id,
									})}
									aria-current={each.trace_id === selected ? "true" : undefined}
								>
									<g
										class={`box ${each.trace_id === selected ? "is-selected" : ""} ${each.missing ? "is-missing" : ""}`}
										transform={`translate(${box.x} ${box.y})`}
									>
										<rect width={BOX.width} height={BOX.height} rx="6" />
										<text x="10" y="21" class="name">
											{cut(stage?.operation ?? (each.missing ? "not known" : "no stage told"), 26)}
										</text>
										<text x="10" y="40" class="under">
											{cut(`${stage?.service ?? ""} ${each.trace_id.slice(-10)}`, 30)}
										</text>
									</g>
								</a>
							);
						})}
					</svg>
				</div>
				<aside class="side" aria-label="Evidence">
					{node && <Evidence node={node} edges={edges} />}
				</aside>
			</div>
		</>
	);
}

function cut(text: string, characters: number): string {
	return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}

function Evidence({ node, edges }: { node: Node; edges: readonly Edge[] }) {
	const inputs = edges.filter((edge) => edge.trace_id === node.trace_id);
	return (
		<div class="stack">
			<h2>{node.stages[0]?.operation ?? "An item"}</h2>
			<dl>
				<dt>trace id</dt>
				<dd class="mono">{node.trace_id}</dd>
				{node.items.map((item) => (
					<>
						<dt>item</dt>
						<dd class="mono">
							{item.stream_id} / {item.epoch} / {item.seq}
							<br />
							<span class="soft">{sayTime(readTime(item.at) ?? 0, now.value)}</span>
						</dd>
					</>
				))}
			</dl>
			<p class="bar">
				<a class="button" href={linkTo("lineage", [node.trace_id])}>
					Its causes
				</a>
				<a class="button" href={linkTo("lineage", [node.trace_id], { direction: "down" })}>
					Its effects
				</a>
			</p>
			<h3>Stages and their spans</h3>
			{node.stages.length === 0 && <p class="soft">No span names it.</p>}
			{node.stages.map((stage) => (
				<p key={stage.span_id}>
					<a href={linkTo("trace", [stage.trace_id], { span: stage.span_id })}>{stage.operation}</a>{" "}
					<span class="soft">
						{stage.service}, {sayDuration(stage.duration_ms)}
					</span>
					{stage.status === "error" && <span class="tag bad">failed</span>}
				</p>
			))}
			{inputs.length > 0 && <h3>{inputs.length} inputs</h3>}
			{inputs.map((edge) => (
				<p key={edge.parent_trace_id}>
					<a class="mono" href={linkTo("lineage", [edge.parent_trace_id])}>
						{edge.parent_trace_id}
					</a>{" "}
					{edge.age_ms !== null && <span class="soft">{sayDuration(edge.age_ms)} old</span>}
				</p>
			))}
			{node.windows.length > 0 && <h3>Windows</h3>}
			{node.windows.map((window) => (
				<p key={`${window.stream_id} ${window.epoch}`}>
					stream {window.stream_id}: {window.count} items, numbers {window.first_seq} to{" "}
					{window.last_seq}
					<br />
					<span class="soft">
						over {sayDuration(window.span_ms)}, the oldest {sayDuration(window.oldest_ms)} old
					</span>
				</p>
			))}
			{node.apps.length > 0 && <h3>Apps</h3>}
			{node.apps.map((app) => (
				<p key={app.app_id}>
					<a href={linkTo("tree", [app.app_id], { all: "true" })}>{app.app_name ?? app.app_id}</a>{" "}
					<span class="tag">{app.status ?? "unknown"}</span>
				</p>
			))}
			{node.objects.length > 0 && <h3>Objects</h3>}
			{node.objects.map((object) => (
				<p key={`${object.type} ${object.id}`}>
					<a href={linkTo("twin", [object.type, object.id])}>
						{object.type} {object.id}
					</a>
				</p>
			))}
		</div>
	);
}
