/** Teams that one belongs to, and who is in the chosen one. */

import { useState } from "preact/hooks";
import { get, patch, post, remove } from "../../api/client";
import type { MemberHead, MemberList, TeamList, TeamStatus } from "../../api/schema";
import { Confirm } from "../../parts/Confirm";
import { Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayDay, sayMany } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { readTime } from "../../state/time";
import { rolesFor } from "./invites";
import { heardOf } from "./rounds";

interface MembersProps {
	status: TeamStatus;
	again: () => void;
}

export function Members({ status, again }: MembersProps) {
	// What is done in one of the lists is in the other one too, and some of it in the status.
	const [deeds, setDeeds] = useState(0);
	const heard = `${heardOf(status)} ${deeds}`;
	const done = () => {
		setDeeds((before) => before + 1);
		again();
	};
	return (
		<div class="grid wide">
			<Teams heard={heard} done={done} />
			<InIt heard={heard} status={status} done={done} />
		</div>
	);
}

interface TeamsProps {
	heard: string;
	done: () => void;
}

function Teams({ heard, done }: TeamsProps) {
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
									{each.role !== null && `you are ${each.role}`}
									{each.members > 0 && `, ${sayMany(each.members, "member")}`}
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
											const isDone = await run(() =>
												post("/api/v1/team/choose", { body: { team_id: each.id } }),
											);
											if (isDone) done();
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

function InIt({ heard, status, done }: TeamsProps & { status: TeamStatus }) {
	const answer = useAnswer<MemberList>(
		status.team_id === null ? null : heard,
		(until) => get("/api/v1/team/members", { until }),
		status.team_id ?? "",
	);
	const { isBusy, problem, run } = useDeed();
	if (status.team_id === null) return null;
	const me = status.accounts.find((one) => one.current)?.user_id;
	const role = answer.data?.members.find((each) => each.id === me)?.role ?? null;
	const act = async (work: () => Promise<unknown>) => {
		const isDone = await run(work);
		done();
		return isDone;
	};
	return (
		<section class="panel stack" aria-label="Members">
			<h2>Members of {status.team}</h2>
			<Wrong problem={problem} />
			<Shown of={answer}>
				{(found) => (
					<>
						{found.as_of_last_sync && (
							<p class="notice" role="note">
								The team's server is away: this is how it was at the last sync.
							</p>
						)}
						<div class="scroll members">
							<table aria-label="Members">
								<tbody>
									{found.members.map((each) => (
										<tr key={each.id}>
											<td>
												{each.display_name ?? each.email}
												{each.id === me && <span class="soft"> (you)</span>}
												{each.display_name !== null && (
													<>
														<br />
														<span class="soft small">{each.email}</span>
													</>
												)}
											</td>
											<td>
												<Role
													member={each}
													roles={rolesFor(role, each, each.id === me)}
													act={act}
												/>
											</td>
											<td class="soft since">
												since {sayDay(new Date(readTime(each.joined_at) ?? 0))}
											</td>
											<td>
												{rolesFor(role, each, each.id === me).length > 0 && (
													<Confirm
														ask="Take out …"
														title={`Take ${each.display_name ?? each.email} out of ${status.team}?`}
														sure="Take them out"
														disabled={isBusy}
														onSure={() =>
															act(() =>
																remove("/api/v1/team/members/{user_id}", {
																	in: { user_id: each.id },
																}),
															)
														}
													>
														<p>They see nothing of the team any more. What they shared stays.</p>
													</Confirm>
												)}
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

interface RoleProps {
	member: MemberHead;
	/** What may be chosen; none where it is not ours to say. */
	roles: string[];
	act: (work: () => Promise<unknown>) => Promise<boolean>;
}

function Role({ member, roles, act }: RoleProps) {
	if (roles.length === 0) return <span class="tag">{member.role}</span>;
	return (
		<select
			aria-label={`Role of ${member.display_name ?? member.email}`}
			value={member.role}
			onChange={async (event) => {
				const chosen = event.currentTarget;
				const role = chosen.value as "owner" | "admin" | "member";
				const done = await act(() =>
					patch("/api/v1/team/members/{user_id}", {
						in: { user_id: member.id },
						body: { role },
					}),
				);
				// The server decides: what it refused is not shown as chosen.
				if (!done) chosen.value = member.role;
			}}
		>
			{roles.map((each) => (
				<option key={each} value={each}>
					{each}
				</option>
			))}
		</select>
	);
}
