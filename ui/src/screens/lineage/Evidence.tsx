/** What is known of a node and of an edge: items, stages, inputs, windows, who and what. */

import type { Edge, Node } from "../../api/schema";
import { sayDuration, sayMany, sayTime } from "../../parts/words";
import { change, linkTo, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import { edgeKey, nameOf } from "./edges";

interface EdgeEvidenceProps {
	edge: Edge;
	nodes: readonly Node[];
	close: () => void;
}

/** Who said that one was made of the other, and when: the record of the edge itself. */
export function EdgeEvidence({ edge, nodes, close }: EdgeEvidenceProps) {
	const called = (id: string) => calledOf(nodes, id) ?? id;
	return (
		<section class="panel stack evidence" aria-label="Evidence of the edge">
			<div class="bar">
				<h2 class="grow">
					{called(edge.parent_trace_id)} → {called(edge.trace_id)}
				</h2>
				<button type="button" onClick={close}>
					Close
				</button>
			</div>
			<p class="soft">
				Whoever made the second told, when it sent the item below, that the first went into it.
			</p>
			<dl>
				<dt>stream</dt>
				<dd class="mono">{edge.stream_id}</dd>
				<dt>epoch</dt>
				<dd class="mono">{edge.epoch}</dd>
				<dt>number</dt>
				<dd class="mono">{edge.seq}</dd>
				<dt>told at</dt>
				<dd>{sayTime(readTime(edge.at) ?? 0, now.value)}</dd>
				<dt>age of the input</dt>
				<dd>{edge.age_ms === null ? "not known" : sayDuration(edge.age_ms)}</dd>
				<dt>among the inputs</dt>
				<dd>number {edge.position + 1}</dd>
				<dt>input</dt>
				<dd class="mono">{edge.parent_trace_id}</dd>
				<dt>output</dt>
				<dd class="mono">{edge.trace_id}</dd>
			</dl>
			<p class="bar">
				<a class="button" href={linkTo("lineage", [edge.parent_trace_id, edge.trace_id])}>
					All ways between them
				</a>
			</p>
		</section>
	);
}

/** What an item is called, where it is in the picture and that is told. */
function calledOf(nodes: readonly Node[], id: string): string | undefined {
	const node = nodes.find((each) => each.trace_id === id);
	return node && nameOf(node);
}

interface EndsProps {
	edges: readonly Edge[];
	end: "parent_trace_id" | "trace_id";
	nodes: readonly Node[];
}

function Ends({ edges, end, nodes }: EndsProps) {
	return (
		<ul class="ends">
			{edges.map((edge) => (
				<li key={`${edgeKey(edge)} ${edge.position}`}>
					<button
						type="button"
						class="plain"
						aria-label={`Go to ${calledOf(nodes, edge[end]) ?? ""} ${edge[end]}`}
						onClick={() => change({ node: edge[end], edge: null }, { replace: true })}
					>
						{calledOf(nodes, edge[end]) ?? <span class="soft">no stage told</span>}{" "}
						<span class="mono">{edge[end]}</span>
					</button>
					{edge.age_ms !== null && <span class="soft small">{sayDuration(edge.age_ms)} old</span>}
					<button
						type="button"
						class="plain small"
						aria-pressed={edgeKey(edge) === param("edge")}
						aria-label={`Evidence that ${edge.parent_trace_id} went into ${edge.trace_id}`}
						onClick={() => change({ edge: edgeKey(edge) }, { replace: true })}
					>
						evidence
					</button>
				</li>
			))}
		</ul>
	);
}

interface EvidenceProps {
	node: Node;
	nodes: readonly Node[];
	edges: readonly Edge[];
}

export function Evidence({ node, nodes, edges }: EvidenceProps) {
	const inputs = edges.filter((edge) => edge.trace_id === node.trace_id);
	const outputs = edges.filter((edge) => edge.parent_trace_id === node.trace_id);
	return (
		<div class="stack">
			<h2>{nameOf(node) ?? "An item"}</h2>
			<dl>
				<dt>trace id</dt>
				<dd class="mono">{node.trace_id}</dd>
				{node.items.map((item) => (
					<>
						<dt>item</dt>
						<dd>
							number <span class="mono">{item.seq}</span> of stream{" "}
							<span class="mono">{item.stream_id}</span>, epoch{" "}
							<span class="mono">{item.epoch}</span>
							<br />
							<span class="soft mono">{sayTime(readTime(item.at) ?? 0, now.value)}</span>
							{item.record?.trace_id && (
								<>
									{" "}
									<a href={linkTo("trace", [item.record.trace_id], { span: item.record.span_id })}>
										{item.record.name || item.record.kind}
									</a>
								</>
							)}
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
			{inputs.length > 0 && <h3>{sayMany(inputs.length, "input")}</h3>}
			<Ends edges={inputs} end="parent_trace_id" nodes={nodes} />
			{outputs.length > 0 && <h3>Went into {sayMany(outputs.length, "output")}</h3>}
			<Ends edges={outputs} end="trace_id" nodes={nodes} />
			{node.windows.length > 0 && <h3>Windows</h3>}
			{node.windows.map((window) => (
				<p key={`${window.stream_id} ${window.epoch}`}>
					stream {window.stream_id}: {sayMany(window.count, "item")}, numbers {window.first_seq} to{" "}
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
