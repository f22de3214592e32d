/** One session: what was found out, what was looked at, and who may see it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { get, post, remove } from "../../api/client";
import type { Link, Note, Session, TeamStatus } from "../../api/schema";
import { Confirm } from "../../parts/Confirm";
import { Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayAgo, sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { type Deed, useDeed } from "../../state/deed";
import { go, linkTo } from "../../state/place";
import { lookAtSession, openSession } from "../../state/session";
import { mode, now, readTime } from "../../state/time";
import { linkOf } from "./links";
import { Tags, Took } from "./Sessions";

/** How often one is asked for that has ended. */
const SLOW_MS = 30_000;

interface OneSessionProps {
	id: string;
	status: TeamStatus | undefined;
}

export function OneSession({ id, status }: OneSessionProps) {
	const deed = useDeed();
	// One that is open grows by what is looked at, whoever's it is; to others a note may be added.
	const isOver = useRef(false);
	const every = isOver.current && openSession.value?.id !== id ? SLOW_MS : 1;
	const answer = useAnswer<Session>(
		`${id} ${mode.value === "following" ? Math.floor(now.value / every) : 0}`,
		(until) => get("/api/v1/sessions/{session_id}", { in: { session_id: id }, until }),
		id,
	);
	const found = answer.data?.id;
	isOver.current = answer.data !== undefined && answer.data.ended_at !== null;
	useEffect(() => {
		// Which one is current changes; a link is to stay with this one.
		if (id === "current" && found !== undefined)
			window.location.replace(linkTo("team", ["sessions", found]));
	}, [id, found]);
	const act = async (work: () => Promise<unknown>) => {
		const done = await deed.run(work);
		if (done) {
			answer.again();
			void lookAtSession();
		}
		return done;
	};
	return (
		<Shown of={answer}>
			{(found) => (
				<div class="stack">
					<About session={found} status={status} deed={deed} act={act} />
					<Wrong problem={deed.problem} />
					<div class="grid wide">
						<Notes session={found} deed={deed} act={act} />
						<Looked session={found} />
					</div>
				</div>
			)}
		</Shown>
	);
}

type Act = (work: () => Promise<unknown>) => Promise<boolean>;

interface PartProps {
	session: Session;
	deed: Deed;
	act: Act;
}

function About({ session, status, deed, act }: PartProps & { status: TeamStatus | undefined }) {
	const inPath = { session_id: session.id };
	const began = readTime(session.started_at) ?? 0;
	const ended = readTime(session.ended_at);
	return (
		<section class="panel stack" aria-label="Session">
			<div class="bar">
				<a href={linkTo("team")}>All sessions</a>
				<h2 class="grow">{session.title}</h2>
				<Tags session={session} />
			</div>
			<p class="bar">
				<span class="soft">{session.owner}</span>
				<span class="mono">
					{sayTime(began, now.value, { fraction: false })}
					{ended !== null && ` – ${sayTime(ended, now.value, { fraction: false })}`}
				</span>
				<span>
					<Took session={session} />
					{session.planned_minutes !== null && (
						<span class="soft"> of {session.planned_minutes} min planned</span>
					)}
				</span>
				<a
					href={linkTo("find", [], {
						start: session.started_at,
						end: session.ended_at ?? new Date(now.value).toISOString(),
						last: null,
					})}
				>
					Look at this time
				</a>
			</p>
			<div class="bar">
				{session.ended_at === null && (
					<button
						type="button"
						class="primary"
						disabled={deed.isBusy}
						onClick={() => act(() => post("/api/v1/sessions/{session_id}/stop", { in: inPath }))}
					>
						End it
					</button>
				)}
				{session.shared ? (
					<Confirm
						ask="Stop sharing …"
						title="Stop sharing this session?"
						sure="Stop sharing it"
						disabled={deed.isBusy}
						onSure={() => act(() => remove("/api/v1/sessions/{session_id}/share", { in: inPath }))}
					>
						<p>
							What the team's server has of it is erased: its title,{" "}
							{sayMany(session.note_count, "note")} and {sayMany(session.link_count, "link")}. Here
							it stays.
						</p>
					</Confirm>
				) : (
					<button
						type="button"
						disabled={deed.isBusy || !status?.connected}
						title={status?.connected ? undefined : "this server belongs to no team"}
						onClick={() =>
							act(() => post("/api/v1/sessions/{session_id}/share", { in: inPath, body: {} }))
						}
					>
						Share with {status?.team ?? "a team"}
					</button>
				)}
				<Confirm
					ask="Delete …"
					title={`Delete “${session.title}”?`}
					sure="Delete it"
					disabled={deed.isBusy}
					onSure={() =>
						act(async () => {
							await remove("/api/v1/sessions/{session_id}", { in: inPath });
							go(linkTo("team"));
						})
					}
				>
					<p>
						This removes the session, {sayMany(session.note_count, "note")} and{" "}
						{sayMany(session.link_count, "link")}. Traces, objects and comments stay.
					</p>
				</Confirm>
			</div>
		</section>
	);
}

function Notes({ session, deed, act }: PartProps) {
	const [text, setText] = useState("");
	const inPath = { session_id: session.id };
	return (
		<section class="panel stack" aria-label="Found out">
			<h2>Found out</h2>
			{session.notes.length === 0 && <p class="soft">Nothing yet.</p>}
			<ol class="notes">
				{session.notes.map((note) => (
					<li key={note.id}>
						<p class="soft small bar">
							<span class="mono">{sayTime(readTime(note.created_at) ?? 0, now.value)}</span>
							{note.kind !== "note" && <span class="tag">{note.kind}</span>}
							<AboutNote note={note} />
							<span class="grow" />
							{note.kind === "note" && (
								<Confirm
									ask="Remove …"
									title="Remove this note?"
									sure="Remove it"
									disabled={deed.isBusy}
									onSure={() =>
										act(() =>
											remove("/api/v1/sessions/{session_id}/notes/{note_id}", {
												in: { ...inPath, note_id: note.id },
											}),
										)
									}
								>
									<pre>{note.body}</pre>
								</Confirm>
							)}
						</p>
						<p class="body">{note.body}</p>
					</li>
				))}
			</ol>
			<form
				class="stack"
				onSubmit={async (event) => {
					event.preventDefault();
					const done = await act(() =>
						post("/api/v1/sessions/{session_id}/notes", { in: inPath, body: { body: text } }),
					);
					if (done) setText("");
				}}
			>
				<label>
					What did you find out?
					<textarea
						rows={3}
						required
						value={text}
						onInput={(event) => setText(event.currentTarget.value)}
					/>
				</label>
				<div>
					<button type="submit" class="primary" disabled={deed.isBusy}>
						Keep it
					</button>
				</div>
			</form>
		</section>
	);
}

function AboutNote({ note }: { note: Note }) {
	if (note.about === null) return null;
	const link = linkOf(note.about);
	const words = `${note.about.kind} ${note.about.id}`;
	return link === null ? <span class="cut">{words}</span> : <a href={link}>{words}</a>;
}

function Looked({ session }: { session: Session }) {
	const links = session.links.toReversed();
	return (
		<section class="panel stack" aria-label="Looked at">
			<h2>Looked at</h2>
			{links.length === 0 && (
				<p class="soft">
					{session.ended_at === null
						? "Nothing yet: open a trace, an app, an object, and it stands here."
						: "Nothing was."}
				</p>
			)}
			<ul class="looked">
				{links.map((each) => (
					<li key={`${each.kind} ${each.id}`}>
						<span class="tag">{each.kind}</span>
						<LookedAt link={each} />
						{each.count > 1 && <span class="soft small">{sayMany(each.count, "time")}</span>}
						<span class="soft small">{sayAgo(readTime(each.last_at) ?? 0, now.value)}</span>
					</li>
				))}
			</ul>
			{session.visits_left_out > 0 && (
				<p class="soft small">
					There was no room for {session.visits_left_out} more of what was looked at.
				</p>
			)}
		</section>
	);
}

function LookedAt({ link }: { link: Link }) {
	const to = linkOf(link);
	const words = link.title ?? link.id;
	if (to === null)
		return (
			<code class="grow cut" title={link.how ?? words}>
				{link.how ?? words}
			</code>
		);
	return (
		<a class="grow cut" href={to} title={link.how ?? link.id}>
			{words}
		</a>
	);
}
