/** Teams that one belongs to, and who is in the chosen one. */

import { get, post } from "../../api/client";
import type { MemberList, TeamList, TeamStatus } from "../../api/schema";
import { Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayDay } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { readTime } from "../../state/time";

export function Members({ status }: { status: TeamStatus }) {
	const heard = `${status.team_id} ${status.queue.synced} ${status.last_round?.pulled}`;
	return (
		<div class="grid wide">
			<Teams heard={heard} />
			<InIt heard={heard} status={status} />
		</div>
	);
}

function Teams({ heard }: { heard: string }) {
	const { isBusy, problem, run } = useDeed();
	const answer = useAnswer<TeamList>(heard, (until) => get("/api/v1/team/teams", { until }));
	return (
		<section class="panel stack" aria-label="Teams">
			<h2>Teams</h2>
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : (
						<>
							<p class="soft">You are in none yet.</p>
							<pre>clew team join CODE-OF-AN-INVITE</pre>
						</>
					)
				}
			>
				{(found) => (
					<ul class="looked">
						{found.teams.map((each) => (
							<li key={each.id}>
								<b class="grow">{each.name}</b>
								<span class="soft small">
									{each.role ?? ""} {each.members > 0 && `of ${each.members}`}
								</span>
								<span class="soft small">
									{each.consents.length === 0
										? "nothing may be shared"
										: `may be shared: ${each.consents.join(", ")}`}
								</span>
								{each.chosen ? (
									<span class="tag good">chosen</span>
								) : (
									<button
										type="button"
										disabled={isBusy}
										onClick={async () => {
											const done = await run(() =>
												post("/api/v1/team/choose", { body: { team_id: each.id } }),
											);
											if (done) answer.again();
										}}
									>
										Choose
									</button>
								)}
							</li>
						))}
					</ul>
				)}
			</Shown>
			<Wrong problem={problem} />
		</section>
	);
}

function InIt({ heard, status }: { heard: string; status: TeamStatus }) {
	const answer = useAnswer<MemberList>(
		status.team_id === null ? null : heard,
		(until) => get("/api/v1/team/members", { until }),
		status.team_id ?? "",
	);
	if (status.team_id === null) return null;
	return (
		<section class="panel stack" aria-label="Members">
			<h2>Members of {status.team}</h2>
			<Shown of={answer}>
				{(found) => (
					<>
						{found.as_of_last_sync && (
							<p class="notice" role="note">
								The team's server is away: this is how it was at the last sync.
							</p>
						)}
						<table aria-label="Members">
							<tbody>
								{found.members.map((each) => (
									<tr key={each.id}>
										<td>
											{each.display_name ?? each.email}
											{each.id === status.accounts.find((one) => one.current)?.user_id && (
												<span class="soft"> (you)</span>
											)}
										</td>
										<td class="soft">{each.display_name === null ? "" : each.email}</td>
										<td>
											<span class="tag">{each.role}</span>
										</td>
										<td class="soft">since {sayDay(new Date(readTime(each.joined_at) ?? 0))}</td>
									</tr>
								))}
							</tbody>
						</table>
					</>
				)}
			</Shown>
		</section>
	);
}
