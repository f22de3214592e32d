/** One app: what it is, what it said, who asked what of it, and the ways to steer it. */

import { useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { App, AuditList, Command, MessageList } from "../../api/schema";
import { type Copies, CopyMenu, command } from "../../parts/CopyMenu";
import { Shown } from "../../parts/States";
import { sayAgo, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import { commanded, Told } from "./Outcome";
import { Steer } from "./Steer";
import { Status } from "./Tree";

const PANES = ["app", "messages", "audit"] as const;
type Pane = (typeof PANES)[number];

interface AppDetailsProps {
	id: string;
	apps: readonly App[];
	/** Whether those that ended long ago are among them. */
	all: boolean;
	/** Return what changes with all that happens to an app. */
	heardOf: (app_id: string) => number;
	again: () => void;
}

export function AppDetails({ id, apps, all, heardOf, again }: AppDetailsProps) {
	const heard = heardOf(id);
	// What is refused changes nothing of the app, and is in the audit log.
	const [deeds, setDeeds] = useState(0);
	const asked = param("pane") as Pane | null;
	const pane = asked !== null && PANES.includes(asked) ? asked : "app";
	const app = apps.find((each) => each.app_id === id);
	if (app === undefined)
		return (
			<div class="stack">
				<p class="soft">
					There is no app <code>{id}</code>
					{all ? " that may be seen." : ", or it ended more than a quarter of an hour ago."}
				</p>
				{!all && (
					<div>
						<button type="button" onClick={() => change({ all: "true" })}>
							Show ended ones too
						</button>
					</div>
				)}
			</div>
		);
	return (
		<div class="stack">
			<div class="bar">
				<h2 class="grow cut">{app.app_name}</h2>
				<Status app={app} />
			</div>
			<Steer
				app={app}
				apps={apps}
				heardOf={heardOf}
				again={() => {
					setDeeds((before) => before + 1);
					again();
				}}
			/>
			<div class="bar">
				<div class="bar grow" role="tablist" aria-label="Details">
					{PANES.map((each) => (
						<button
							type="button"
							role="tab"
							key={each}
							aria-selected={each === pane}
							onClick={() => change({ pane: each === "app" ? null : each }, { replace: true })}
						>
							{each}
						</button>
					))}
				</div>
				<CopyMenu of="this pane" {...copiesOf(pane, id)} />
			</div>
			{pane === "app" && <About app={app} apps={apps} />}
			{pane === "messages" && <Messages id={id} heard={heard} />}
			{pane === "audit" && <Audit id={id} heard={`${heard} ${deeds}`} />}
		</div>
	);
}

function copiesOf(pane: Pane, id: string): Copies {
	switch (pane) {
		case "app":
			return {
				cli: command(["app", id]),
				url: addressOf("/api/v1/apps/{app_id}", { app_id: id }),
				mcp: { tool: "app", arguments: { app_id: id } },
			};
		case "messages":
			return {
				cli: command(["messages", id]),
				url: addressOf("/api/v1/apps/{app_id}/messages", { app_id: id }),
			};
		case "audit":
			return {
				cli: command(["audit"], { app_id: id }),
				url: addressOf("/api/v1/audit", {}, { app_id: id }),
			};
	}
}

function About({ app, apps }: { app: App; apps: readonly App[] }) {
	const names = new Map(apps.map((each) => [each.app_id, each.app_name]));
	const process = app.process;
	return (
		<>
			<dl>
				<dt>id</dt>
				<dd class="mono">{app.app_id}</dd>
				<dt>under</dt>
				<dd>
					{app.path.length <= 1 && <span class="soft">nobody</span>}
					{app.path.slice(0, -1).map((each) => (
						<>
							<a href={linkTo("tree", [each])}>{names.get(each) ?? each.slice(-8)}</a>
							{" / "}
						</>
					))}
				</dd>
				{app.shard != null && (
					<>
						<dt>shard</dt>
						<dd>{app.shard}</dd>
					</>
				)}
				<dt>status</dt>
				<dd>
					{app.status} <span class="soft">{app.reason && `(${app.reason})`}</span>
				</dd>
				{moments(app).map(([name, at]) => (
					<>
						<dt>{name}</dt>
						<dd>
							{sayTime(readTime(at) ?? 0, now.value)}{" "}
							<span class="soft">{sayAgo(readTime(at) ?? 0, now.value)}</span>
						</dd>
					</>
				))}
				{app.deadline !== null && (
					<>
						<dt>deadline</dt>
						<dd title="Then the server acts by itself">
							{sayTime(readTime(app.deadline) ?? 0, now.value)}
						</dd>
					</>
				)}
				{app.held !== null && (
					<>
						<dt>held</dt>
						<dd>It ended as {app.held}, and waits for what is below it.</dd>
					</>
				)}
				{app.detached && (
					<>
						<dt>detached</dt>
						<dd>A cancel of what is above it leaves it out.</dd>
					</>
				)}
				{app.crash && (
					<>
						<dt>crash</dt>
						<dd>
							<span class="bad">{app.crash.crash_type.replace("_", " ")}</span>{" "}
							{sayTime(readTime(app.crash.at) ?? 0, now.value)}
							{app.crash.recovered_at && <span class="good"> it came back</span>}
						</dd>
					</>
				)}
				{app.role_refs.length > 0 && (
					<>
						<dt>roles</dt>
						<dd>{app.role_refs.join(", ")}</dd>
					</>
				)}
				{app.exit_code !== null && (
					<>
						<dt>exit code</dt>
						<dd>{app.exit_code}</dd>
					</>
				)}
				<dt>process</dt>
				<dd class="mono">
					{process.pid ? `${sayValue(process.hostname)} · pid ${sayValue(process.pid)}` : "–"}
					{process.executable && <div class="soft">{sayValue(process.executable)}</div>}
				</dd>
			</dl>
			<p class="bar">
				<a
					class="button"
					href={linkTo("find", [], { attribute: `resource.trails.app.id=${app.app_id}` })}
				>
					Its traces
				</a>
				<a
					class="button"
					href={linkTo("find", [], {
						attribute: `resource.trails.app.id=${app.app_id}`,
						show: "logs",
					})}
				>
					Its logs
				</a>
			</p>
			{app.last_snapshot && (
				<>
					<h3>Last status</h3>
					<pre>{JSON.stringify(app.last_snapshot.payload, null, 2)}</pre>
				</>
			)}
			{app.result && (
				<>
					<h3>{app.result.msg_type}</h3>
					<pre>{JSON.stringify(app.result.payload, null, 2)}</pre>
				</>
			)}
		</>
	);
}

/** What became of a command that somebody gave, asked for when it is opened. */
function Became({ id }: { id: string }) {
	const [isOpen, setOpen] = useState(false);
	const answer = useAnswer<Command>(isOpen ? id : null, (until) =>
		get("/api/v1/control/{correlation_id}", { in: { correlation_id: id }, until }),
	);
	return (
		<details onToggle={(event) => setOpen(event.currentTarget.open)}>
			<summary>outcome</summary>
			{isOpen && (
				<Shown of={answer}>
					{(found) => (
						<Told outcome={commanded(found)} again={found.over ? undefined : answer.again} />
					)}
				</Shown>
			)}
		</details>
	);
}

function moments(app: App): [string, string][] {
	const all: [string, string | null][] = [
		["announced", app.scheduled_at],
		["connected", app.connected_at],
		["dropped", app.disconnected_at],
		["ended", app.ended_at],
	];
	return all.filter((each): each is [string, string] => each[1] !== null);
}

function Messages({ id, heard }: { id: string; heard: number }) {
	const answer = useAnswer<MessageList>(`${id} ${heard}`, (until) =>
		get("/api/v1/apps/{app_id}/messages", { in: { app_id: id }, query: { limit: 100 }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(found) => (found.count > 0 ? null : <p class="soft">It said nothing yet.</p>)}
		>
			{(found) => (
				<div class="stack">
					{found.messages.map((each) => (
						<details key={each.id}>
							<summary>
								<b>{each.msg_type}</b>{" "}
								<span class="soft small">
									{sayTime(readTime(each.received_at) ?? 0, now.value)}
									{each.late && ", late"}
								</span>
							</summary>
							<pre>{JSON.stringify(each.payload, null, 2)}</pre>
						</details>
					))}
				</div>
			)}
		</Shown>
	);
}

function Audit({ id, heard }: { id: string; heard: string }) {
	const answer = useAnswer<AuditList>(`${id} ${heard}`, (until) =>
		get("/api/v1/audit", { query: { app_id: id, limit: 100 }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.entries.length > 0 ? null : <p class="soft">Nobody asked anything of it.</p>
			}
		>
			{(found) => (
				<ul class="audit">
					{found.entries.map((each) => (
						<li key={each.id}>
							<p class="bar">
								<span class="mono soft">
									{sayTime(readTime(each.at) ?? 0, now.value, { fraction: false })}
								</span>
								<b>{each.action}</b>
								<span>by {each.caller}</span>
								<span class={each.allowed ? "good" : "bad"}>
									{each.allowed ? "allowed" : "denied"}
								</span>
								{each.cascade && <span class="tag">all below as well</span>}
							</p>
							{each.detail && <p class="soft small">{each.detail}</p>}
							{each.correlation_id && <Became id={each.correlation_id} />}
						</li>
					))}
				</ul>
			)}
		</Shown>
	);
}
