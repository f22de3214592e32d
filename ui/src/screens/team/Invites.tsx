/** Ways into the chosen team: made, handed on, and taken back. */

import { useState } from "preact/hooks";
import { get, post, remove } from "../../api/client";
import type { InviteHead, InviteList, TeamStatus } from "../../api/schema";
import { Confirm } from "../../parts/Confirm";
import { command } from "../../parts/CopyMenu";
import { Nothing, Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayDay, sayDuration } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { now, readTime } from "../../state/time";
import { stateOf } from "./invites";
import { NoTeam } from "./NoTeam";
import { heardOf } from "./rounds";

const LASTS = { "1d": "a day", "7d": "a week", "30d": "a month", "90d": "three months" };

export function Invites({ status }: { status: TeamStatus }) {
	const answer = useAnswer<InviteList>(
		// Whoever came in by one came with a round.
		status.team_id === null ? null : heardOf(status),
		(until) => get("/api/v1/team/invites", { until }),
		status.team_id ?? "",
	);
	if (status.team_id === null) return <NoTeam />;
	return (
		<div class="stack">
			<Make again={answer.again} />
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : (
						<Nothing title={`Nobody is invited to ${status.team}`}>
							<p>
								An invite is a code. Whoever has it comes in, until it ends or was used as often as
								you said.
							</p>
						</Nothing>
					)
				}
			>
				{(found) => <List found={found} again={answer.again} />}
			</Shown>
		</div>
	);
}

function Make({ again }: { again: () => void }) {
	const { isBusy, problem, run } = useDeed();
	const [role, setRole] = useState<"member" | "admin">("member");
	const [lasts, setLasts] = useState("7d");
	const [uses, setUses] = useState("1");
	const [made, setMade] = useState<InviteHead | null>(null);
	return (
		<form
			class="panel stack"
			aria-label="Invite"
			onSubmit={async (event) => {
				event.preventDefault();
				const done = await run(async () => {
					const body = { role, expires_in: lasts, uses: Number(uses) };
					setMade(await post("/api/v1/team/invites", { body }));
				});
				if (done) again();
			}}
		>
			<h2>Invite somebody</h2>
			<div class="bar start">
				<label>
					They come in as
					<select
						value={role}
						onChange={(event) => setRole(event.currentTarget.value as "member" | "admin")}
					>
						<option value="member">member</option>
						<option value="admin">admin</option>
					</select>
				</label>
				<label>
					It is good for
					<select value={lasts} onChange={(event) => setLasts(event.currentTarget.value)}>
						{Object.entries(LASTS).map(([value, said]) => (
							<option key={value} value={value}>
								{said}
							</option>
						))}
					</select>
				</label>
				<label>
					How many may come
					<input
						type="number"
						min={1}
						max={1000}
						required
						value={uses}
						onInput={(event) => setUses(event.currentTarget.value)}
					/>
				</label>
				<button type="submit" class="primary" disabled={isBusy}>
					Make an invite
				</button>
			</div>
			<Wrong problem={problem} />
			{made?.code && <Code code={made.code} />}
		</form>
	);
}

function Code({ code }: { code: string }) {
	const [copied, setCopied] = useState<string | null>(null);
	const copy = async (text: string) => {
		try {
			await navigator.clipboard.writeText(text);
			setCopied(text);
		} catch {
			// Not over plain HTTP from afar: browsers give the clipboard to safe pages only.
			window.prompt("Copy this", text);
		}
	};
	const line = command(["team", "join", code]);
	return (
		<div class="notice code" role="status">
			<p>
				Hand this code to whom you invite. It is shown once: <b class="mono">{code}</b>
			</p>
			<div class="bar">
				<button type="button" onClick={() => copy(code)}>
					{copied === code ? "Copied" : "Copy the code"}
				</button>
				<button type="button" onClick={() => copy(line)}>
					{copied === line ? "Copied" : "Copy as a command"}
				</button>
			</div>
		</div>
	);
}

function List({ found, again }: { found: InviteList; again: () => void }) {
	const { isBusy, problem, run } = useDeed();
	return (
		<section class="panel stack" aria-label="Invites">
			<h2>Invites</h2>
			<Wrong problem={problem} />
			<div class="scroll">
				<table aria-label="Invites">
					<thead>
						<tr>
							<th>as</th>
							<th class="number">used</th>
							<th>stands</th>
							<th>
								<span class="hidden">deeds</span>
							</th>
						</tr>
					</thead>
					<tbody>
						{found.invites.map((each) => {
							const state = stateOf(each, now.value);
							const ends = readTime(each.expires_at) ?? 0;
							return (
								<tr key={each.id}>
									<td>{each.role}</td>
									<td class="number">
										{each.uses} of {each.uses_max}
									</td>
									<td>
										<span class={`tag ${state === "open" ? "good" : ""}`}>{state}</span>{" "}
										<span class="soft small">
											{state === "open"
												? `for ${sayDuration(ends - now.value)}`
												: `ends ${sayDay(new Date(ends))}`}
										</span>
									</td>
									<td>
										{state === "open" && (
											<Confirm
												ask="Take back …"
												title="Take this invite back?"
												sure="Take it back"
												disabled={isBusy}
												onSure={async () => {
													const done = await run(() =>
														remove("/api/v1/team/invites/{invite_id}", {
															in: { invite_id: each.id },
														}),
													);
													if (done) again();
												}}
											>
												<p>Nobody comes in by it any more. Whoever came in by it stays.</p>
											</Confirm>
										)}
									</td>
								</tr>
							);
						})}
					</tbody>
				</table>
			</div>
		</section>
	);
}
