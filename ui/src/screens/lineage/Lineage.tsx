/** Lineage: where a result came from, and what was made of it. */

import { useState } from "preact/hooks";
import { addressOf, get, markOwn } from "../../api/client";
import type { Lineage as LineageDocument, LineagePath } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { nameMany, sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, go, linkTo, param, place } from "../../state/place";
import { now, rangeKey, readTime, type Span, window_ } from "../../state/time";
import { Graph } from "./Graph";
import { outputsSql, walkSql } from "./statements";

const DEPTH = 20;

/** Nodes of a picture at first, and when somebody wants more: beyond that nobody sees anything. */
const LIMIT = 200;
const LIMIT_MAX = 1_000;

export default function Lineage() {
	const [id, to] = place.value.names;
	if (id === undefined) return <Which />;
	return to === undefined ? (
		<Walk key={id} id={id} />
	) : (
		<Path key={`${id} ${to}`} from={id} to={to} />
	);
}

interface Output {
	id: string;
	at: string;
	inputs: number;
	stage: string;
	service: string;
}

/** Outputs with the stages that made them, in two questions: the second knows what to look for. */
async function askOutputs(shown: Span, until: AbortSignal): Promise<Output[]> {
	const found = await get("/api/v1/sql", { query: { q: outputsSql(shown) }, until });
	if (found.count === 0) return [];
	const ids = found.rows.map((row) => String(row.id)).filter((id) => /^\d+$/.test(id));
	const items = ids.map((id) => `'tracelink.trace_id=${id}'`).join(", ");
	const named = await get("/api/v1/sql", {
		query: {
			q:
				"SELECT SpanAttributes['tracelink.trace_id'] AS id, any(SpanName) AS stage," +
				" any(ServiceName) AS service FROM otel_traces" +
				` WHERE hasAny(SpanAttributeItems, [${items}]) GROUP BY id`,
		},
		// Words for what was found, and no look of its own.
		until: markOwn(AbortSignal.any([until])),
	});
	const stages = new Map(named.rows.map((row) => [String(row.id), row]));
	return found.rows.map((row) => ({
		id: String(row.id),
		at: String(row.at),
		inputs: Number(row.inputs),
		stage: String(stages.get(String(row.id))?.stage ?? ""),
		service: String(stages.get(String(row.id))?.service ?? ""),
	}));
}

function Which() {
	const [text, setText] = useState("");
	const shown = window_.value;
	const recent = useAnswer<Output[]>(rangeKey.value, (until) => askOutputs(shown, until));
	const q = outputsSql(shown);
	return (
		<>
			<Head
				title="Lineage"
				copies={{
					cli: command(["sql", q]),
					sql: q,
					url: addressOf("/api/v1/sql", {}, { q }),
					mcp: { tool: "sql", arguments: { query: q } },
				}}
			/>
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
							aria-label="Id of an output"
							placeholder="a decimal trace id, or TRACEID:SPANID of a span"
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
							found.length > 0 ? null : (
								<>
									<p>Nothing was joined in this time. A stage says what its output was made of.</p>
									<SendData what="links" />
								</>
							)
						}
					>
						{(found) => (
							<div class="scroll">
								<table aria-label="Outputs">
									<thead>
										<tr>
											<th>output, the last made first</th>
											<th>by</th>
											<th class="number">inputs</th>
											<th>at</th>
										</tr>
									</thead>
									<tbody>
										{found.map((each) => (
											<tr key={each.id}>
												<td>
													<a href={linkTo("lineage", [each.id])}>
														{each.stage || "no stage told"}{" "}
														<span class="mono small">{each.id.slice(-10)}</span>
													</a>
												</td>
												<td>{each.service}</td>
												<td class="number">{each.inputs}</td>
												<td class="mono soft">
													{sayTime(readTime(each.at) ?? 0, now.value, { fraction: false })}
												</td>
											</tr>
										))}
									</tbody>
								</table>
							</div>
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
	const isMore = param("more") === "true";
	const query = {
		direction,
		depth: isMore ? LIMIT_MAX : DEPTH,
		limit: isMore ? LIMIT_MAX : LIMIT,
	} as const;
	const answer = useAnswer<LineageDocument>(
		`${id} ${direction} ${isMore}`,
		(until) => get("/api/v1/lineage/{trace_id}", { in: { trace_id: id }, query, until }),
		`${id} ${direction}`,
	);
	return (
		<>
			<Head
				title={direction === "up" ? "Where it came from" : "What was made of it"}
				copies={{
					cli: command(["lineage", id], { [direction]: true }),
					sql: walkSql(id, direction, DEPTH),
					url: addressOf("/api/v1/lineage/{trace_id}", { trace_id: id }, query),
					mcp: { tool: "lineage", arguments: { id, direction } },
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
				{answer.data?.truncated && !isMore && (
					<button type="button" onClick={() => change({ more: "true" })}>
						Show more of it
					</button>
				)}
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
				<Shown
					of={answer}
					empty={(found) =>
						found.nodes.some((node) => !node.missing) ? null : (
							<Nothing title="Nothing is known of this id">
								<p>
									No link set, no item and no span names <code>{id}</code>. What is known may be out
									of what is kept, or the id may be cut short.
								</p>
								<p>
									<a href={linkTo("lineage")}>Choose among the outputs that were made last</a>
								</p>
							</Nothing>
						)
					}
				>
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
					mcp: { tool: "lineage", arguments: { id: from, to } },
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
		notes.push(`of ${sayMany(found.missing, "input")} nothing is known but the name`);
	if (found.cycles.length > 0)
		notes.push(`${sayMany(found.cycles.length, "circle")}: something is its own cause`);
	const lost = Object.values(found.losses).reduce((sum, each) => sum + each, 0);
	if (lost > 0)
		notes.push(
			`${sayMany(lost, "message")} about links ${nameMany(lost, "was", "were")} lost or refused`,
		);
	return notes;
}
