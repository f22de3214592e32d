/** Twin: what an object was at any moment, what changed it, and which span did. */

import { addressOf, get } from "../../api/client";
import type { ObjectList } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { Written } from "../../parts/Written";
import { sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, param, place } from "../../state/place";
import { now, rangeKey, rangeQuery, readTime, window_ } from "../../state/time";
import { OneObject } from "./OneObject";
import { Processes } from "./Processes";
import { Rejected } from "./Rejected";
import { Steps } from "./Steps";
import { sayState } from "./state";
import { objectsSql } from "./statements";
import { Ways } from "./Ways";
import "./twin.css";

const LIMIT = 500;

export default function Twin() {
	const [type, ...rest] = place.value.names;
	// An id may hold slashes.
	const id = rest.join("/");
	if (type !== undefined && id !== "")
		return <OneObject key={`${type}/${id}`} type={type} id={id} />;
	switch (param("show")) {
		case "rejected":
			return <Rejected />;
		case "processes":
			return <Processes />;
		case "steps":
			return <Steps />;
		default:
			return <Objects type={type} />;
	}
}

function Objects({ type: inPath }: { type: string | undefined }) {
	const text = param("text") ?? "";
	const type = param("type") ?? inPath;
	// What was deleted is looked for as well: what it was is the question.
	const query = { type, text: text || undefined, deleted: true, limit: LIMIT, ...rangeQuery() };
	const answer = useAnswer<ObjectList>(
		JSON.stringify([type, text]) + rangeKey.value,
		(until) => get("/api/v1/objects", { query, until }),
		JSON.stringify([type, text]),
	);
	const registry = useAnswer("types", (until) => get("/api/v1/registry", { until }));
	const types = new Set(Object.keys(registry.data?.objects ?? {}));
	for (const each of answer.data?.objects ?? []) types.add(each.type);
	if (type) types.add(type);
	return (
		<>
			<Head
				title="Twin"
				copies={{
					cli: command(["objects", ...(type ? [type] : [])], {
						text,
						deleted: true,
						...rangeQuery(),
					}),
					sql: objectsSql({ type, text, limit: LIMIT }, window_.value),
					url: addressOf("/api/v1/objects", {}, query),
					mcp: {
						tool: "find_objects",
						arguments: { type, text: query.text, deleted: true, ...rangeQuery() },
					},
				}}
			>
				<select
					aria-label="Type"
					style={{ width: "150px" }}
					value={type ?? ""}
					onChange={(event) => change({ type: event.currentTarget.value || null })}
				>
					<option value="">every type</option>
					{[...types].sort().map((each) => (
						<option key={each} value={each}>
							{each}
						</option>
					))}
				</select>
				<Written
					label="Object"
					placeholder="id or value"
					width="200px"
					value={text}
					onSend={(wanted) => change({ text: wanted })}
				/>
				<Ways />
			</Head>
			<main class="main fills">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 ? null : (
							<Nothing
								title={
									text || type ? "No object is like that" : "No object said anything in this time"
								}
							>
								{text || type ? (
									<p>
										None that said anything in this time: choose a longer range below, or{" "}
										<a href={linkTo("twin")}>look at all of them</a>.
									</p>
								) : (
									<SendData what="objects" />
								)}
							</Nothing>
						)
					}
				>
					{(found) => (
						<>
							<div class="bar counted">
								{sayMany(found.total ?? found.count, "object")}
								<span class="soft">
									{found.truncated && `the first ${found.count} are shown, `}
									as they are now, those that changed last first
								</span>
							</div>
							<Rows
								items={found.objects}
								height={32}
								label="Objects"
								render={(object) => (
									<a class="row" href={linkTo("twin", [object.type, object.id])}>
										<span class="mono soft">
											{sayTime(readTime(object.last_at) ?? 0, now.value)}
										</span>
										<span class="service">{object.type}</span>
										<span class="mono cut">{object.id}</span>
										<span class="grow cut soft mono">{sayState(object.state)}</span>
										{!object.exists && <span class="tag">deleted</span>}
										<span class="soft small">{sayMany(object.events, "event")}</span>
									</a>
								)}
							/>
						</>
					)}
				</Shown>
			</main>
		</>
	);
}
