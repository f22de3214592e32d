/** Events that were not taken in, and which rule they broke. */

import { addressOf, get } from "../../api/client";
import type { RejectedList } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Nothing, Shown } from "../../parts/States";
import { sayMany, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, param } from "../../state/place";
import { now, rangeKey, rangeQuery, readTime, window_ } from "../../state/time";
import { sayState } from "./state";
import { rejectedSql } from "./statements";
import { Ways } from "./Ways";

const LIMIT = 500;

/** Longer than events are kept by default. */
const LONG = "52w";

export function Rejected() {
	const code = param("code") ?? undefined;
	const warned = param("warned") === "true";
	const query = { ...rangeQuery(), limit: LIMIT, code, warned: warned || undefined };
	const about = `${code} ${warned}`;
	const answer = useAnswer<RejectedList>(
		rangeKey.value + about,
		(until) => get("/api/v1/rejected", { query, until }),
		about,
	);
	return (
		<>
			<Head
				title={warned ? "Events with a warning" : "Rejected events"}
				copies={{
					cli: command(["rejected"], { code, warned, ...rangeQuery() }),
					sql: rejectedSql(warned, window_.value, LIMIT),
					url: addressOf("/api/v1/rejected", {}, query),
					mcp: {
						tool: "rejected_events",
						arguments: { code, warned: warned || undefined, ...rangeQuery() },
					},
				}}
			>
				<label>
					<input
						type="checkbox"
						checked={warned}
						onChange={(event) => change({ warned: event.currentTarget.checked ? "true" : null })}
					/>{" "}
					those taken with a warning
				</label>
				<Ways />
			</Head>
			<main class="main">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 || code !== undefined ? null : (
							<Nothing
								title={`None was ${warned ? "taken with a warning" : "rejected"} in this time`}
							>
								<p>
									Every event that came was what its registry says. A registry is made of the
									classes of your objects, and given to the server:
								</p>
								<pre>clew registry push shop.json</pre>
								<p>
									The time is that of their coming, whenever they say they were: what was sent late
									is where it came.{" "}
									<a
										href={linkTo("twin", [], {
											...{ show: "rejected", warned: warned ? "true" : null },
											...{ last: LONG, start: null, end: null },
										})}
									>
										Look at the last year
									</a>
								</p>
							</Nothing>
						)
					}
				>
					{(found) => (
						<>
							<p class="bar">
								<b>{sayMany(found.total ?? found.count, "event")}</b>
								{Object.entries(found.by_code).map(([each, count]) => (
									<button
										type="button"
										key={each}
										aria-pressed={each === code}
										onClick={() => change({ code: each === code ? null : each })}
									>
										{each} {count}
									</button>
								))}
							</p>
							<div class="scroll">
								<table class="cards" aria-label="Rejected events">
									<thead>
										<tr>
											<th>at</th>
											<th>object</th>
											<th>what it said</th>
											<th>{warned ? "what is odd" : "why not"}</th>
											<th>
												<span class="hidden">span</span>
											</th>
										</tr>
									</thead>
									<tbody>
										{found.events.map((event) => (
											<tr key={event.event_id}>
												<td class="mono soft">{sayTime(readTime(event.at) ?? 0, now.value)}</td>
												<td>
													<a
														href={linkTo("twin", [event.obj_type, event.obj_id], { at: event.at })}
													>
														{event.obj_type} {event.obj_id}
													</a>
													<br />
													<span class="soft small">
														{event.name ?? event.type.replace("_", " ")}, {event.service}
													</span>
												</td>
												<td class="mono words">{sayState(event.changes)}</td>
												<td class="words">
													{event.issues.map((issue, at) => (
														<p class="issue" key={at}>
															<span class="tag warn">{sayValue(issue.code)}</span>{" "}
															{sayValue(issue.message ?? issue)}
														</p>
													))}
												</td>
												<td>
													{event.trace_id && (
														<a href={linkTo("trace", [event.trace_id], { span: event.span_id })}>
															span
														</a>
													)}
												</td>
											</tr>
										))}
									</tbody>
								</table>
							</div>
							{found.truncated && <p class="soft small">The newest {found.count} are shown.</p>}
						</>
					)}
				</Shown>
			</main>
		</>
	);
}
