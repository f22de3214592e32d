/** Team: work sessions, who did how much, who is in, what waits to be sent, and what met. */

import { addressOf, get } from "../../api/client";
import type { TeamStatus } from "../../api/schema";
import { type Copies, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Shown } from "../../parts/States";
import { type Answer, useAnswer } from "../../state/answer";
import { linkTo, place } from "../../state/place";
import { standing } from "../../state/standing";
import { mode, now, rangeQuery } from "../../state/time";
import { Activity } from "./Activity";
import { AtShards } from "./AtShards";
import { Conflicts } from "./Conflicts";
import { Invites } from "./Invites";
import { Members } from "./Members";
import { OneSession } from "./OneSession";
import { Queries } from "./Queries";
import { Sessions } from "./Sessions";
import { Sync } from "./Sync";
import "./team.css";

const PANES = [
	"sessions",
	"activity",
	"queries",
	"members",
	"invites",
	"sync",
	"conflicts",
] as const;
type Pane = (typeof PANES)[number];

export type Status = Answer<TeamStatus> & { again: () => void };

export default function Team() {
	const [asked, id] = place.value.names;
	const pane = PANES.find((each) => each === asked) ?? "sessions";
	const status: Status = useAnswer<TeamStatus>(
		`${mode.value === "following" ? now.value : 0}`,
		(until) => get("/api/v1/team", { until }),
	);
	const met = status.data?.conflicts ?? 0;
	const stuck = status.data?.queue.failed ?? 0;
	return (
		<>
			<Head title="Team" copies={copiesOf(pane, id)}>
				<Badge status={status} />
				<nav class="bar" aria-label="Team">
					{PANES.map((each) => (
						<a
							key={each}
							class="button"
							href={linkTo("team", each === "sessions" ? [] : [each])}
							aria-current={each === pane ? "page" : undefined}
						>
							{each}
							{each === "conflicts" && met > 0 && <span class="tag warn">{met}</span>}
							{each === "sync" && stuck > 0 && <span class="tag warn">{stuck} stuck</span>}
						</a>
					))}
				</nav>
			</Head>
			<main class="main">
				{pane === "sessions" &&
					(id === undefined ? <Sessions /> : <OneSession key={id} id={id} status={status.data} />)}
				{pane === "activity" && <Activity status={status.data} />}
				{pane === "members" && (
					<Shown of={status}>
						{(found) =>
							found.connected ? <Members status={found} again={status.again} /> : <NotConnected />
						}
					</Shown>
				)}
				{pane === "invites" && (
					<Shown of={status}>
						{(found) => (found.connected ? <Invites status={found} /> : <NotConnected />)}
					</Shown>
				)}
				{pane === "queries" && (
					<Shown of={status}>
						{(found) =>
							found.connected ? <Queries status={found} again={status.again} /> : <NotConnected />
						}
					</Shown>
				)}
				{pane === "sync" && (
					<Shown of={status}>
						{(found) =>
							found.connected ? <Sync status={found} again={status.again} /> : <NotConnected />
						}
					</Shown>
				)}
				{pane === "conflicts" && (
					<Shown of={status}>
						{(found) =>
							found.connected ? (
								<Conflicts id={id} status={found} again={status.again} />
							) : (
								<NotConnected />
							)
						}
					</Shown>
				)}
			</main>
		</>
	);
}

function Badge({ status }: { status: Status }) {
	const found = status.data;
	if (standing.value.shards !== null) return null;
	// As wide as what it says mostly: nothing moves when it is known.
	if (found === undefined)
		return (
			<span class="tag" style={{ visibility: "hidden" }}>
				not connected
			</span>
		);
	if (!found.connected) return <span class="tag">not connected</span>;
	const waits = found.queue.pending;
	const tone = found.link === "online" ? "good" : "warn";
	return (
		<span
			class={`tag ${tone}`}
			title={found.pause ?? found.last_round?.error ?? found.server ?? ""}
		>
			{found.link}
			{found.link === "online" && found.live && ", live"}
			{waits > 0 && `, ${waits} to send`}
		</span>
	);
}

/** Everything of a team's works here alone as well; this says what would join it to others. */
export function NotConnected() {
	if (standing.value.shards !== null) return <AtShards what="Teams" />;
	return (
		<div class="state">
			<h2>This server belongs to no team yet</h2>
			<p>
				Sessions, notes and comments are kept here and shared with nobody. To share some of them:
			</p>
			<pre>{`clew team connect https://team.example.org --email you@example.org
clew team join CODE-OF-AN-INVITE`}</pre>
			<p class="soft">
				It asks for the password, which is not kept. Nothing is shared until you agree to it, kind
				by kind, and session by session.
			</p>
		</div>
	);
}

const TOOL = { tool: "team", arguments: {} };

function copiesOf(pane: Pane, id: string | undefined): Copies {
	switch (pane) {
		case "sessions":
			return id === undefined
				? { cli: "clew session list", url: addressOf("/api/v1/sessions") }
				: {
						cli: command(["session", "show", id]),
						url: addressOf("/api/v1/sessions/{session_id}", { session_id: id }),
					};
		case "activity":
			return {
				cli: command(["session", "activity"], rangeQuery()),
				url: addressOf("/api/v1/sessions/activity", {}, rangeQuery()),
				mcp: TOOL,
			};
		case "queries":
			return { cli: "clew team query list", url: addressOf("/api/v1/team/queries") };
		case "members":
			return { cli: "clew team members", url: addressOf("/api/v1/team/members"), mcp: TOOL };
		case "invites":
			return { cli: "clew team invites", url: addressOf("/api/v1/team/invites") };
		case "sync":
			return { cli: "clew team status", url: addressOf("/api/v1/team"), mcp: TOOL };
		case "conflicts":
			return id === undefined
				? { cli: "clew team conflicts", url: addressOf("/api/v1/team/conflicts") }
				: {
						cli: command(["team", "conflict", id]),
						url: addressOf("/api/v1/team/conflicts/{conflict_id}", { conflict_id: id }),
					};
	}
}
