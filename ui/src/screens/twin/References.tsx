/** An object with all that its references reach, as they were at one instant. */

import { useMemo } from "preact/hooks";
import { get } from "../../api/client";
import type { ObjectGraph, Reference, TwinState } from "../../api/schema";
import { Shown } from "../../parts/States";
import { sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { linkTo, param } from "../../state/place";
import { cursorTime, mode, now, readTime } from "../../state/time";
import { BOX, layoutMap } from "../services/layout";
import { Wires } from "../services/Wires";
import { recordedQuery, sayState } from "./state";

/** Objects of one picture; more is told, and the command has them all. */
const LIMIT = 100;

interface ReferencesProps {
	type: string;
	id: string;
	/** Changes when something new is known of the object. */
	heard: string;
}

export function References({ type, id, heard }: ReferencesProps) {
	const at = cursorTime.value;
	const known = recordedQuery(param("recorded_at"), at);
	const answer = useAnswer<ObjectGraph>(
		`${at ?? (mode.value === "following" ? now.value : "now")} ${known.recorded_at} ${at && heard}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}/graph", {
				in: { type, id },
				query: { limit: LIMIT, ...(at === null ? {} : { at }), ...known },
				until,
			}),
		`${type}/${id}`,
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.references.length > 0 ? null : (
					<div class="state">
						<h2>It refers to nothing at this moment</h2>
						<p>
							Which fields are references is said by the registry: a field of the type{" "}
							<code>reference</code>, pushed with <code>clew registry push</code>.
						</p>
					</div>
				)
			}
		>
			{(found) => <Picture found={found} />}
		</Shown>
	);
}

/** Between two boxes, and in one, there is room for so many letters. */
const shorten = (text: string, most: number) =>
	text.length > most ? `${text.slice(0, most - 1)}…` : text;

interface Shape {
	name: string;
	type: string;
	id: string;
	twin: TwinState | undefined;
}

const nameOf = ([type, id]: readonly [string, string]) => `${type}/${id}`;

function Picture({ found }: { found: ObjectGraph }) {
	const picture = useMemo(() => {
		const shapes = new Map<string, Shape>();
		for (const twin of found.objects) {
			const name = nameOf([twin.type, twin.id]);
			shapes.set(name, { name, type: twin.type, id: twin.id, twin });
		}
		for (const { to } of found.references)
			if (!shapes.has(nameOf(to)))
				shapes.set(nameOf(to), { name: nameOf(to), type: to[0], id: to[1], twin: undefined });
		const edges = found.references.map((each: Reference) => ({
			...each,
			from: nameOf(each.from),
			to: nameOf(each.to),
		}));
		return layoutMap([...shapes.values()], edges, ({ field, is_dangling }) =>
			is_dangling ? `${field}, to nothing` : field,
		);
	}, [found]);
	return (
		<div class="stack padded">
			<p class="soft">
				{sayMany(found.objects.length, "object")} at {sayTime(readTime(found.at) ?? 0, now.value)},
				of one instant
				{found.truncated && "; there are more than are shown"}
			</p>
			{found.warnings.map((warning) => (
				<p class="notice" role="note" key={`${warning.code} ${warning.message}`}>
					<b>{warning.code}</b> {warning.message}
				</p>
			))}
			<div class="scroll panel">
				<svg
					class="graph"
					width={picture.width}
					height={picture.height}
					role="group"
					aria-label={`${sayMany(found.objects.length, "object")}, ${sayMany(found.references.length, "reference")}`}
				>
					<Wires picture={picture} isBad={(edge) => edge.is_dangling} />
					{picture.boxes.map(({ node, x, y }) => (
						<a
							key={node.name}
							href={linkTo("twin", [node.type, node.id], {
								pane: "references",
								recorded_at: param("recorded_at"),
							})}
							aria-label={`${node.type} ${node.id}`}
						>
							<g
								class={`box ${node.twin?.exists ? "" : "is-missing"} ${node.name === nameOf(found.root) ? "is-selected" : ""}`}
								transform={`translate(${x} ${y})`}
							>
								<title>{node.twin ? sayState(node.twin.state) : "nothing is known of it"}</title>
								<rect width={BOX.width} height={BOX.height} rx="6" />
								<text x="10" y="19" class="name">
									{node.type}
								</text>
								<text x="10" y="36" class="under">
									{node.twin?.exists ? shorten(node.id, 26) : `${shorten(node.id, 15)}, not there`}
								</text>
							</g>
						</a>
					))}
				</svg>
			</div>
			<table aria-label="References">
				<thead>
					<tr>
						<th>from</th>
						<th>field</th>
						<th>to</th>
					</tr>
				</thead>
				<tbody>
					{found.references.map((each) => (
						<tr key={`${nameOf(each.from)} ${each.field} ${nameOf(each.to)}`}>
							<td>{nameOf(each.from)}</td>
							<td class="mono">{each.field}</td>
							<td>
								<a href={linkTo("twin", each.to, { recorded_at: param("recorded_at") })}>
									{nameOf(each.to)}
								</a>{" "}
								{each.is_dangling && <span class="tag bad">is not there</span>}
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
