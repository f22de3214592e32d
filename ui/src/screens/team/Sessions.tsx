/** Work sessions: begin one, and those that were. */

import { useState } from "preact/hooks";
import { get, post } from "../../api/client";
import type { SessionHead, SessionList } from "../../api/schema";
import { Nothing, Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayCount, sayDuration, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { go, linkTo } from "../../state/place";
import { lookAtSession, openSession } from "../../state/session";
import { standing } from "../../state/standing";
import { mode, now, readTime } from "../../state/time";
import { AtShards } from "./AtShards";

const LIMIT = 200;

export function Sessions() {
	const answer = useAnswer<SessionList>(
		// What others began is heard by the clock; one's own at once.
		`${openSession.value?.id} ${mode.value === "following" ? Math.floor(now.value / 30_000) : 0}`,
		(until) => get("/api/v1/sessions", { query: { limit: LIMIT }, until }),
	);
	const isTier = standing.value.shards !== null;
	return (
		<div class="stack">
			{isTier ? null : <Start again={answer.again} />}
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : isTier ? (
						<AtShards what="Sessions" />
					) : (
						<Nothing title="No session was begun yet">
							<p>
								While one is open, what you look at becomes its links, and what you found out stays
								beside them. Begin one above, or:
							</p>
							<pre>clew session start --plan 45m --title 'why is pay slow'</pre>
						</Nothing>
					)
				}
			>
				{(found) => <List found={found} />}
			</Shown>
		</div>
	);
}

function Start({ again }: { again: () => void }) {
	const [title, setTitle] = useState("");
	const [minutes, setMinutes] = useState("");
	const { isBusy, problem, run } = useDeed();
	const open = openSession.value;
	return (
		<form
			class="panel stack"
			onSubmit={async (event) => {
				event.preventDefault();
				const done = await run(async () => {
					const begun = await post("/api/v1/sessions", {
						body: {
							title: title.trim(),
							planned_minutes: minutes === "" ? null : Number(minutes),
							switch: open !== null,
						},
					});
					await lookAtSession();
					go(linkTo("team", ["sessions", begun.id]));
				});
				if (done) again();
			}}
		>
			<h2>Begin a session</h2>
			<div class="bar start">
				<label class="grow">
					What do you look for?
					<input
						type="text"
						required
						maxLength={200}
						value={title}
						placeholder="why is pay slow"
						onInput={(event) => setTitle(event.currentTarget.value)}
					/>
				</label>
				<label>
					Minutes planned
					<input
						type="number"
						min={1}
						max={480}
						value={minutes}
						onInput={(event) => setMinutes(event.currentTarget.value)}
					/>
				</label>
				<button type="submit" class="primary" disabled={isBusy}>
					Begin
				</button>
			</div>
			{open !== null && (
				<p class="soft small">
					This ends the one that is open:{" "}
					<a href={linkTo("team", ["sessions", open.id])}>{open.title}</a>
				</p>
			)}
			<Wrong problem={problem} />
		</form>
	);
}

function List({ found }: { found: SessionList }) {
	return (
		<div class="scroll">
			<table class="cards" aria-label="Sessions">
				<thead>
					<tr>
						<th>session</th>
						<th>whose</th>
						<th>began</th>
						<th class="number">took</th>
						<th class="number">found out</th>
						<th class="number">looked at</th>
						<th>
							<span class="hidden">deeds</span>
						</th>
					</tr>
				</thead>
				<tbody>
					{found.sessions.map((each) => (
						<tr key={each.id}>
							<td>
								<a href={linkTo("team", ["sessions", each.id])}>{each.title}</a>
							</td>
							<td class="soft">{each.owner}</td>
							<td class="mono soft">
								{sayTime(readTime(each.started_at) ?? 0, now.value, { fraction: false })}
							</td>
							<td class="number" data-label="took">
								<Took session={each} />
							</td>
							<td class="number" data-label="found out">
								{sayCount(each.note_count)}
							</td>
							<td class="number" data-label="looked at">
								{sayCount(each.link_count)}
							</td>
							<td>
								<Tags session={each} />
							</td>
						</tr>
					))}
				</tbody>
			</table>
			{found.truncated && (
				<p class="soft small">
					The newest {found.count} of {sayCount(found.total)}.
				</p>
			)}
		</div>
	);
}

export function Took({ session }: { session: SessionHead }) {
	const over = session.overrun_seconds;
	return (
		<>
			{sayDuration(session.seconds * 1000)}
			{over > 0 && <span class="warn small"> {sayDuration(over * 1000)} over</span>}
		</>
	);
}

/** How sessions end besides being ended, and what more is to be known of it. */
const ENDS: Record<string, [string, string]> = {
	switched: ["ended by the next one", "another one was begun while it was open"],
	forgotten: ["ended by itself", "nothing was done in it for a day"],
};

export function Tags({ session }: { session: SessionHead }) {
	const [words, why] = ENDS[session.end_reason ?? ""] ?? ["ended"];
	return (
		<span class="bar tags">
			{session.ended_at === null ? (
				<span class="tag good">open</span>
			) : (
				<span class="tag" title={why}>
					{words}
				</span>
			)}
			{session.kind !== "own" && <span class="tag">{session.kind}</span>}
			{session.shared && <span class="tag good">shared</span>}
		</span>
	);
}
