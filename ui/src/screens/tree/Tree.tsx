/** Tree: who runs under whom, how far they are, and how to steer or stop them. */

import { useEffect, useMemo } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { App, AppList } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { Nothing, Shown } from "../../parts/States";
import { sayAgo, sayCount } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param, place } from "../../state/place";
import { mode, now, readTime } from "../../state/time";
import { AppDetails } from "./AppDetails";
import { useTreeFeed } from "./feed";
import { type Branch, LIVE, layTree, readProgress } from "./layout";

const LIMIT = 2000;

export default function Tree() {
	const selected = place.value.names[0] ?? null;
	const all = param("all") === "true";
	// What happens is heard at once; the clock is for a feed that cannot be had.
	const heard = useTreeFeed();
	const key = `${all} ${heard} ${mode.value === "following" ? now.value : 0}`;
	const answer = useAnswer<AppList>(
		key,
		(until) => get("/api/v1/apps", { query: { limit: LIMIT, order: "tree" }, until }),
		"apps",
	);
	const asked = { limit: LIMIT };
	return (
		<>
			<Head
				title="Tree"
				copies={{
					cli: command(["tree", ...(selected === null ? [] : [selected])]),
					url: addressOf("/api/v1/apps", {}, asked),
					mcp: { tool: "tree", arguments: selected === null ? {} : { app_id: selected } },
				}}
			>
				<label>
					<input
						type="checkbox"
						checked={all}
						onChange={(event) => change({ all: event.currentTarget.checked ? "true" : null })}
					/>{" "}
					ended ones too
				</label>
			</Head>
			<main class="main fills">
				<Shown
					of={answer}
					empty={(found) =>
						found.apps.length > 0 ? null : (
							<Nothing title="Nothing runs in the tree yet">
								<p>Put any command into it:</p>
								<pre>{`clew exec --name mine -- sleep 60

# or from Python
import clew
run = clew.init("worker")
run.status({"phase": "reading", "progress": 0.2})`}</pre>
							</Nothing>
						)
					}
				>
					{(found) => <Apps found={found} selected={selected} all={all} again={answer.again} />}
				</Shown>
			</main>
		</>
	);
}

interface AppsProps {
	found: AppList;
	selected: string | null;
	all: boolean;
	again: () => void;
}

function Apps({ found, selected, all, again }: AppsProps) {
	const rows = useMemo(() => {
		const shown = all ? found.apps : keepLive(found.apps);
		return layTree(shown);
	}, [found, all]);
	const at = rows.findIndex((row) => row.app.app_id === selected);
	const live = found.apps.filter((app) => LIVE.has(app.status)).length;
	const step = (by: number) => {
		const row = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
		if (row) window.location.hash = linkTo("tree", [row.app.app_id], { all: param("all") });
	};
	useEffect(
		() =>
			addKeys([
				{ keys: "j", what: "Next app", act: () => step(1) },
				{ keys: "k", what: "App before", act: () => step(-1) },
			]),
		[rows, at],
	);
	return (
		<div class="split">
			<div class="column">
				<div class="bar counted">
					<span>
						<b>{sayCount(live)}</b> alive of {sayCount(found.total ?? found.count)}
						{found.truncated && <span class="soft">, the first {found.count} are shown</span>}
					</span>
				</div>
				{rows.length === 0 ? (
					<Nothing title="Nothing is alive">
						<p>
							{found.count} apps have ended.{" "}
							<button type="button" onClick={() => change({ all: "true" })}>
								Show them
							</button>
						</p>
					</Nothing>
				) : (
					<Rows
						items={rows}
						height={30}
						label="Apps"
						reveal={at < 0 ? undefined : at}
						render={(row) => <AppRow row={row} isSelected={row.app.app_id === selected} />}
					/>
				)}
			</div>
			<aside class="side" aria-label="App">
				{selected === null ? (
					<p class="soft">Choose an app to see what it said, and to steer it.</p>
				) : (
					<AppDetails key={selected} id={selected} apps={found.apps} again={again} />
				)}
			</aside>
		</div>
	);
}

/** Live apps, and those above them, without whom they would stand nowhere. */
function keepLive(apps: readonly App[]): App[] {
	const kept = new Set(apps.filter((app) => LIVE.has(app.status)).flatMap((app) => app.path));
	return apps.filter((app) => kept.has(app.app_id));
}

const TONES: Record<string, string> = {
	running: "good",
	done: "",
	error: "bad",
	crashed: "bad",
	start_failed: "bad",
	cancelled: "warn",
	lost_contact: "warn",
	reconnecting: "warn",
};

export function Status({ app }: { app: App }) {
	return <span class={`tag ${TONES[app.status] ?? ""}`}>{app.status.replace("_", " ")}</span>;
}

function AppRow({ row, isSelected }: { row: Branch; isSelected: boolean }) {
	const { app } = row;
	const progress = readProgress(app);
	const seen = readTime(app.last_snapshot?.at ?? app.connected_at ?? app.scheduled_at) ?? 0;
	return (
		<a
			class="row"
			href={linkTo("tree", [app.app_id], { all: param("all") })}
			aria-current={isSelected ? "true" : undefined}
		>
			<span class="cut grow" style={{ paddingLeft: `${row.depth * 18}px` }}>
				<b>{app.app_name}</b> {row.below > 0 && <span class="soft small">{row.below} below</span>}
			</span>
			{progress.phase && <span class="soft cut">{progress.phase}</span>}
			{progress.share !== null && <progress value={progress.share} max={1} aria-label="progress" />}
			{progress.cost !== null && <span class="soft small">${progress.cost.toFixed(2)}</span>}
			{progress.tokens !== null && (
				<span class="soft small">{sayCount(progress.tokens)} tokens</span>
			)}
			<span class="soft small host cut">{String(app.process.hostname ?? "")}</span>
			<span class="soft small">{sayAgo(seen, now.value)}</span>
			<Status app={app} />
		</a>
	);
}
