/** Who did how much: here, and in the team by what was shared with it. */

import { get } from "../../api/client";
import type { ActivityReport, TeamActivity, TeamStatus } from "../../api/schema";
import { Nothing, Shown } from "../../parts/States";
import { sayAgo, sayCount, sayDuration, sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { now, rangeKey, rangeQuery, readTime } from "../../state/time";
import { heardOf } from "./rounds";

export function Activity({ status }: { status: TeamStatus | undefined }) {
	return (
		<div class="stack">
			<Here />
			{status?.connected && status.team_id !== null && <Shared status={status} />}
		</div>
	);
}

function Here() {
	const answer = useAnswer<ActivityReport>(rangeKey.value, (until) =>
		get("/api/v1/sessions/activity", { query: rangeQuery(), until }),
	);
	return (
		<section class="panel stack" aria-label="On this server">
			<h2>On this server</h2>
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : (
						<Nothing title="Nobody worked in a session in this time">
							<p>Choose a longer range below, or begin a session.</p>
						</Nothing>
					)
				}
			>
				{(found) => (
					<div class="scroll">
						<table class="cards" aria-label="Activity on this server">
							<thead>
								<tr>
									<th>who</th>
									<th class="number">sessions</th>
									<th class="number">open</th>
									<th class="number">hours</th>
									<th class="number">notes</th>
									<th class="number">comments</th>
									<th>last</th>
								</tr>
							</thead>
							<tbody>
								{found.members.map((each) => (
									<tr key={each.owner}>
										<td>{each.owner}</td>
										<td class="number" data-label="sessions">
											{sayCount(each.sessions)}
										</td>
										<td class="number" data-label="open">
											{sayCount(each.open)}
										</td>
										<td class="number" data-label="hours">
											{each.hours.toFixed(1)}
										</td>
										<td class="number" data-label="notes">
											{sayCount(each.notes)}
										</td>
										<td class="number" data-label="comments">
											{sayCount(each.comments)}
										</td>
										<td class="soft">{sayAgo(readTime(each.last_at) ?? 0, now.value)}</td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				)}
			</Shown>
		</section>
	);
}

function Shared({ status }: { status: TeamStatus }) {
	const answer = useAnswer<TeamActivity>(
		heardOf(status),
		(until) => get("/api/v1/team/activity", { until }),
		status.team_id ?? "",
	);
	return (
		<section class="panel stack" aria-label={`In ${status.team}`}>
			<h2>In {status.team}, by what was shared</h2>
			<Shown
				of={answer}
				empty={(found) =>
					found.total_sessions > 0 ? null : (
						<p class="soft">Nobody shared a session with this team yet.</p>
					)
				}
			>
				{(found) => (
					<>
						<p>
							<b>{sayMany(found.total_sessions, "session")}</b>,{" "}
							<b>{found.total_focus_hours.toFixed(1)}</b> hours, <b>{found.active_members}</b> at
							work
						</p>
						<div class="scroll stack">
							<table class="cards" aria-label="Members' activity">
								<thead>
									<tr>
										<th>who</th>
										<th class="number">sessions</th>
										<th class="number">hours</th>
										<th class="number">findings</th>
									</tr>
								</thead>
								<tbody>
									{found.members.map((each) => (
										<tr key={each.user_id}>
											<td>{each.display_name ?? each.user_id}</td>
											<td class="number" data-label="sessions">
												{each.sessions}
											</td>
											<td class="number" data-label="hours">
												{each.hours.toFixed(1)}
											</td>
											<td class="number" data-label="findings">
												{each.findings}
											</td>
										</tr>
									))}
								</tbody>
							</table>
							<table class="cards" aria-label="Shared sessions">
								<thead>
									<tr>
										<th>shared session</th>
										<th>whose</th>
										<th>began</th>
										<th class="number">took</th>
										<th class="number">findings</th>
									</tr>
								</thead>
								<tbody>
									{found.recent_sessions.map((each) => (
										<tr key={each.id}>
											<td>
												{each.title} {!each.completed && <span class="tag good">open</span>}
											</td>
											<td>{each.display_name ?? each.user_id}</td>
											<td class="mono soft">
												{sayTime(readTime(each.start_time) ?? 0, now.value, { fraction: false })}
											</td>
											<td class="number" data-label="took">
												{each.seconds === null ? "–" : sayDuration(each.seconds * 1000)}
											</td>
											<td class="number" data-label="findings">
												{each.findings}
											</td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
					</>
				)}
			</Shown>
		</section>
	);
}
