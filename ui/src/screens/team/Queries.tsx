/** Questions worth asking again, kept for the chosen team. */

import { get, remove } from "../../api/client";
import type { QueryHead, QueryList, TeamStatus } from "../../api/schema";
import { Confirm } from "../../parts/Confirm";
import { Nothing, Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { linkTo } from "../../state/place";
import { NoTeam } from "./NoTeam";
import { linkOfQuery } from "./queries";
import { heardOf } from "./rounds";

interface QueriesProps {
	status: TeamStatus;
	again: () => void;
}

export function Queries({ status, again }: QueriesProps) {
	const { isBusy, problem, run } = useDeed();
	const answer = useAnswer<QueryList>(
		status.team_id === null ? null : heardOf(status),
		(until) => get("/api/v1/team/queries", { until }),
		status.team_id ?? "",
	);
	if (status.team_id === null) return <NoTeam />;
	const drop = async (query: QueryHead) => {
		const done = await run(() =>
			remove("/api/v1/team/queries/{query_id}", { in: { query_id: query.id } }),
		);
		if (done) {
			answer.again();
			again();
		}
	};
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.count > 0 ? null : (
					<Nothing title={`${status.team} keeps no query yet`}>
						<p>
							Ask something in <a href={linkTo("find")}>Find</a>, and press “Save for the team”
							there.
						</p>
					</Nothing>
				)
			}
		>
			{(found) => (
				<section class="panel stack" aria-label="Saved queries">
					<h2>Saved queries of {status.team}</h2>
					<Wrong problem={problem} />
					<div class="scroll">
						<table aria-label="Saved queries">
							<thead>
								<tr>
									<th>name</th>
									<th>asks</th>
									<th>
										<span class="hidden">deeds</span>
									</th>
								</tr>
							</thead>
							<tbody>
								{found.queries.map((each) => {
									const link = linkOfQuery(each);
									return (
										<tr key={each.id}>
											<td>
												{link === null ? each.name : <a href={link}>{each.name}</a>}
												<br />
												<span class="soft small">
													{each.language}
													{each.description && `, ${each.description}`}
												</span>
												{each.sync_status !== "synced" && (
													<span class="tag warn">
														{each.sync_status === "failed" ? "set aside" : "to be sent"}
													</span>
												)}
											</td>
											<td>
												<pre class="asks">{each.query}</pre>
											</td>
											<td>
												<Confirm
													ask="Delete …"
													title={`Delete ${each.name}?`}
													sure="Delete it for all"
													disabled={isBusy}
													onSure={() => drop(each)}
												>
													<p>It goes away for everybody in the team.</p>
												</Confirm>
											</td>
										</tr>
									);
								})}
							</tbody>
						</table>
					</div>
				</section>
			)}
		</Shown>
	);
}
