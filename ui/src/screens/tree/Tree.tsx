/** Tree: who runs under whom, how far they are, and how to steer or stop them. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { addressOf } from "../../api/client";
import { lostSince } from "../../api/reach";
import type { App } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { Failed, Loading, Nothing, Stale } from "../../parts/States";
import { sayAgo, sayCount, sayMany } from "../../parts/words";
import { addKeys } from "../../state/keys";
import { change, go, linkTo, param, params, place } from "../../state/place";
import { now, readTime } from "../../state/time";
import { AppDetails } from "./AppDetails";
import { ACTIVE, type Tree as Known, useTree } from "./feed";
import {
	type Branch,
	FAILED,
	isOrphan,
	KINDS,
	type Kind,
	LIVE,
	layTree,
	readProgress,
} from "./layout";
import "./tree.css";

const SEARCH = "tree-search";

export default function Tree() {
	const selected = place.value.names[0] ?? null;
	const all = param("all") === "true";
	const tree = useTree(all);
	const asked = {
		order: "tree",
		limit: 1000,
		within: selected ?? undefined,
		...(all || selected !== null ? {} : { active: ACTIVE }),
	};
	return (
		<>
			<Head
				title="Tree"
				copies={{
					cli: command(["tree", ...(selected === null ? [] : [selected])], {
						all: all && selected === null,
					}),
					url: addressOf("/api/v1/apps", {}, asked),
					mcp: {
						tool: "tree",
						arguments: selected === null ? { all: all || undefined } : { app_id: selected },
					},
				}}
			>
				<input
					id={SEARCH}
					type="search"
					aria-label="Apps called"
					placeholder="name, host, phase  ( / )"
					style={{ width: "200px" }}
					value={param("text") ?? ""}
					onInput={(event) => change({ text: event.currentTarget.value }, { replace: true })}
				/>
				<select
					aria-label="Which apps"
					style={{ width: "auto" }}
					value={param("only") ?? ""}
					onChange={(event) => change({ only: event.currentTarget.value || null })}
				>
					<option value="">all of them</option>
					{KINDS.map((each) => (
						<option key={each} value={each}>
							only {each}
						</option>
					))}
				</select>
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
				<Content tree={tree} selected={selected} all={all} />
			</main>
		</>
	);
}

function Content({ tree, selected, all }: { tree: Known; selected: string | null; all: boolean }) {
	const { apps, problem, again } = tree;
	if (apps === null)
		return problem === null ? <Loading /> : <Failed problem={problem} again={again} />;
	return (
		<div class={`shown ${problem === null && lostSince.value === null ? "" : "is-stale"}`}>
			{problem !== null && !problem.isUnreachable && <Stale problem={problem} again={again} />}
			{apps.length > 0 ? (
				<Apps tree={tree} apps={apps} selected={selected} all={all} />
			) : (
				<Nothing title={all ? "Nothing ran in the tree yet" : "Nothing runs in the tree now"}>
					<p>Put any command into it:</p>
					<pre>{`clew exec --name mine -- sleep 60

# or from Python
import clew
run = clew.init("worker")
run.status({"phase": "reading", "progress": 0.2})`}</pre>
					{!all && (
						<p>
							Something may have ended more than a quarter of an hour ago.{" "}
							<button type="button" onClick={() => change({ all: "true" })}>
								Show ended ones too
							</button>
						</p>
					)}
				</Nothing>
			)}
		</div>
	);
}

/** Which apps are folded: those that are named, or all but those that are named. */
function useFolds() {
	const [isAll, open, folded] = [param("fold") === "*", params("open"), params("fold")];
	const words = `${isAll} ${open.join(" ")} ${folded.join(" ")}`;
	const folds = useMemo(() => {
		const named = new Set(isAll ? open : folded);
		return { has: (id: string) => named.has(id) !== isAll };
	}, [words]);
	const fold = (id: string, wanted: boolean) => {
		if (folds.has(id) === wanted) return;
		const list = isAll ? open : folded;
		const next = list.includes(id) ? list.filter((each) => each !== id) : [...list, id];
		change(isAll ? { open: next } : { fold: next }, { replace: true });
	};
	const foldAll = (wanted: boolean) =>
		change({ fold: wanted ? "*" : null, open: null }, { replace: true });
	return { folds, fold, foldAll };
}

interface AppsProps {
	tree: Known;
	apps: readonly App[];
	selected: string | null;
	all: boolean;
}

function Apps({ tree, apps, selected, all }: AppsProps) {
	const text = param("text") ?? "";
	const asked = param("only") as Kind | null;
	const kind = asked !== null && KINDS.includes(asked) ? asked : null;
	const { folds, fold, foldAll } = useFolds();
	const byId = useMemo(() => new Map(apps.map((app) => [app.app_id, app])), [apps]);
	const rows = useMemo(
		() => layTree(apps, { text, kind, folded: folds }),
		[apps, text, kind, folds],
	);
	const at = rows.findIndex((row) => row.app.app_id === selected);
	const isNarrowed = text !== "" || kind !== null;
	useTreeKeys(rows, fold, foldAll);
	const counts = useMemo(() => count(apps), [apps]);
	return (
		<div class="split">
			<div class="column apps-column">
				<div class="bar counted">
					<span class="grow">
						<b>{sayCount(counts.live)}</b> alive, {sayCount(counts.failed)} failed, of{" "}
						{sayCount(tree.total)}
						{isNarrowed && (
							<span> · {sayCount(rows.filter((row) => !row.isContext).length)} like that</span>
						)}
						{tree.truncated && (
							<span class="soft">, the first {sayCount(apps.length)} are shown</span>
						)}
					</span>
					{tree.isHeard === false && (
						<span class="tag warn" title="What happens cannot be heard; it is asked for every 5 s">
							not live
						</span>
					)}
					<button type="button" class="plain small" onClick={() => foldAll(true)}>
						Fold all
					</button>
					<button type="button" class="plain small" onClick={() => foldAll(false)}>
						Unfold all
					</button>
				</div>
				{rows.length === 0 ? (
					<Nothing title="No app is like that">
						<p>
							<button type="button" onClick={() => change({ text: null, only: null })}>
								Show all of them
							</button>
						</p>
					</Nothing>
				) : (
					<Rows
						items={rows}
						height={30}
						label="Apps"
						reveal={at < 0 ? undefined : at}
						render={(row) => (
							<AppRow
								row={row}
								isSelected={row.app.app_id === selected}
								isOrphan={isOrphan(row.app, byId)}
								fold={fold}
							/>
						)}
					/>
				)}
			</div>
			<aside class="side" aria-label="App">
				{selected === null ? (
					<p class="soft">
						Choose an app to see what it said, and to steer it. <kbd>j</kbd> <kbd>k</kbd> go through
						them, <kbd>←</kbd> <kbd>→</kbd> fold and unfold.
					</p>
				) : (
					<AppDetails
						key={selected}
						id={selected}
						apps={apps}
						all={all}
						heardOf={tree.heardOf}
						again={tree.again}
					/>
				)}
			</aside>
		</div>
	);
}

function useTreeKeys(
	rows: readonly Branch[],
	fold: (id: string, wanted: boolean) => void,
	foldAll: (wanted: boolean) => void,
): void {
	// Keys are made known once; what they act on changes with every picture.
	const seen = useRef({ rows, fold, foldAll });
	seen.current = { rows, fold, foldAll };
	useEffect(() => {
		const to = (index: number) => {
			const shown = seen.current.rows;
			const row = shown[Math.max(0, Math.min(shown.length - 1, index))];
			if (row) go(linkToApp(row.app.app_id));
		};
		// Asked of the address: the second of two quick keys comes before the first is drawn.
		const at = () => seen.current.rows.findIndex((row) => row.app.app_id === place.value.names[0]);
		const own = () => seen.current.rows[at()];
		return addKeys([
			{ keys: "j", what: "Next app", act: () => to(at() + 1) },
			{ keys: "k", what: "App before", act: () => to(at() - 1) },
			{
				keys: "ArrowLeft",
				what: "Fold what is below the app, or go to the one above",
				act: () => {
					const row = own();
					if (row === undefined) return;
					if (row.below > 0 && !row.isFolded) seen.current.fold(row.app.app_id, true);
					else to(seen.current.rows.findIndex((each) => each.app.app_id === row.app.parent_id));
				},
			},
			{
				keys: "ArrowRight",
				what: "Unfold what is below the app",
				act: () => {
					const row = own();
					if (row?.isFolded) seen.current.fold(row.app.app_id, false);
				},
			},
			{ keys: "{", what: "Fold everything", act: () => seen.current.foldAll(true) },
			{ keys: "}", what: "Unfold everything", act: () => seen.current.foldAll(false) },
			{ keys: "/", what: "Look for an app", act: () => document.getElementById(SEARCH)?.focus() },
		]);
	}, []);
}

function count(apps: readonly App[]): { live: number; failed: number } {
	let [live, failed] = [0, 0];
	for (const app of apps) {
		if (LIVE.has(app.status)) live += 1;
		else if (FAILED.has(app.status)) failed += 1;
	}
	return { live, failed };
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
	return (
		<span class={`tag status ${TONES[app.status] ?? ""}`}>{app.status.replace("_", " ")}</span>
	);
}

/** The link to an app, with all that narrows the list as it is. */
function linkToApp(id: string): string {
	return linkTo("tree", [id], {
		all: param("all"),
		text: param("text"),
		only: param("only"),
		fold: params("fold"),
		open: params("open"),
		pane: param("pane"),
	});
}

interface AppRowProps {
	row: Branch;
	isSelected: boolean;
	isOrphan: boolean;
	fold: (id: string, wanted: boolean) => void;
}

function AppRow({ row, isSelected, isOrphan: isAlone, fold }: AppRowProps) {
	const { app } = row;
	const progress = readProgress(app);
	const heard = app.ended_at ?? app.last_snapshot?.at ?? app.connected_at ?? app.scheduled_at;
	const seen = readTime(heard) ?? 0;
	const link = linkToApp(app.app_id);
	return (
		// biome-ignore lint/a11y/noStaticElementInteractions: a wider target for a pointer; keys have the link
		<div
			class={`row ${row.isContext ? "is-context" : ""} ${isSelected ? "is-selected" : ""}`}
			onClick={(event) => {
				// The link and the button do it by themselves; this is for a pointer beside them.
				if (!(event.target as Element).closest("a, button")) go(link);
			}}
		>
			<span class="grow cut named" style={{ paddingLeft: `${Math.min(row.depth, 24) * 18}px` }}>
				{row.below > 0 ? (
					<button
						type="button"
						class="plain fold"
						aria-expanded={!row.isFolded}
						aria-label={`What is below ${app.app_name}`}
						onClick={() => fold(app.app_id, !row.isFolded)}
					>
						{row.isFolded ? "▸" : "▾"}
					</button>
				) : (
					<span class="fold" />
				)}
				<a href={link} aria-current={isSelected ? "true" : undefined}>
					{app.app_name}
				</a>{" "}
				{row.below > 0 && <span class="soft small">{sayCount(row.below)} below</span>}
				{row.failedBelow > 0 && (
					<span class="bad small"> {sayCount(row.failedBelow)} of them failed</span>
				)}
			</span>
			{progress.phase && <span class="soft cut">{progress.phase}</span>}
			{progress.share !== null && <progress value={progress.share} max={1} aria-label="progress" />}
			{progress.cost !== null && <span class="soft small">${progress.cost.toFixed(2)}</span>}
			{progress.tokens !== null && (
				<span class="soft small">{sayMany(progress.tokens, "token")}</span>
			)}
			<span class="soft small host cut">{String(app.process.hostname ?? "")}</span>
			<span class="soft small ago" title={app.ended_at ? "It ended" : "It was heard of last"}>
				{sayAgo(seen, now.value)}
			</span>
			{isAlone && (
				<span class="tag warn" title="It lives on, and whoever started it has ended">
					orphan
				</span>
			)}
			{app.detached && (
				<span class="tag" title="A cancel of what is above it leaves it out">
					detached
				</span>
			)}
			{app.held !== null && (
				<span class="tag" title="It has ended, and waits for what is below it">
					{app.held}, held
				</span>
			)}
			<Status app={app} />
		</div>
	);
}
