/** The open work session, small, on every screen. */

import { useEffect } from "preact/hooks";
import { linkTo } from "../state/place";
import { openSession, watchSession } from "../state/session";
import { now, readTime } from "../state/time";
import { sayDuration } from "./words";

export function OpenSession() {
	useEffect(() => watchSession(), []);
	const session = openSession.value;
	if (session === null) return null;
	const spent = Math.max(0, now.value - (readTime(session.started_at) ?? now.value));
	const planned = session.planned_minutes === null ? null : session.planned_minutes * 60_000;
	const isOver = planned !== null && spent > planned;
	return (
		<a
			class="session"
			href={linkTo("team", ["sessions", session.id])}
			title={`Work session: ${session.title}`}
		>
			<span class="cut">
				<span class="good" aria-hidden="true">
					●
				</span>{" "}
				{session.title}
			</span>
			<span class={`small ${isOver ? "warn" : "soft"}`}>
				{sayDuration(Math.floor(spent / 60_000) * 60_000 || 1000).replace(" 0 s", "")}
				{planned !== null && ` of ${session.planned_minutes} min`}
			</span>
		</a>
	);
}
