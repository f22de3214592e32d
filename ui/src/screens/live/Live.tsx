/** Live: spans, log records and what happens in the tree, as they come. */

import { useEffect, useRef, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import { type FeedPlace, listen } from "../../api/events";
import { lostSince } from "../../api/reach";
import type { LogRecord, Span, SpanList, WatchEvent } from "../../api/schema";
import { Complete } from "../../parts/Complete";
import { CompletingText } from "../../parts/CompletingText";
import { type Copies, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { SendData } from "../../parts/SendData";
import { Nothing } from "../../parts/States";
import { Written } from "../../parts/Written";
import { nameMany, sayCount, sayDuration, sayMany, sayTime, sayValue } from "../../parts/words";
import { asProblem } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { noteLacking, noteUnled } from "../../state/partial";
import { change, linkTo, param } from "../../state/place";
import { now } from "../../state/time";
import { type Fault, faultOf } from "../find/expression";
import "../find/find.css";
import "./live.css";
import { asStatement } from "../find/query";
import { completeExpression, suggestServices } from "../find/suggest";
import {
	Backlog,
	isAppWanted,
	KEPT_MAX,
	type Kind,
	type Line,
	momentOf,
	type Wanted,
} from "./backlog";

/** Rows are shown at most so often: a thousand spans a second are not a thousand paintings. */
const PAINT_MS = 150;

const RETRY_MS = 2_000;

const PATHS: Record<Kind, string> = {
	span: "/api/v1/traces/live",
	log: "/api/v1/logs/live",
	app: "/api/v1/watch",
};

/** `waiting` for the server, `open`, or why it is not. */
const KINDS: readonly Kind[] = ["span", "log", "app"];

type Feeds = Record<Kind, "waiting" | "open" | string>;

/** What is shown at once, before anything new comes: a screenful, of the last minutes. */
const BEFORE = 50;
const BEFORE_LAST = "15m";

const NOTHING_OPEN: Feeds = { span: "waiting", log: "waiting", app: "waiting" };

export default function Live() {
	const wanted: Wanted = {
		service: param("service") ?? "",
		status: param("status") ?? "",
		text: param("text") ?? "",
		q: param("q") ?? "",
	};
	const hidden = new Set((param("without") ?? "").split(",").filter((each) => each !== ""));
	const backlog = useRef(new Backlog());
	const painted = useRef(-1);
	const [isPaused, setPaused] = useState(false);
	const [isAway, setAway] = useState(false);
	const [isWished, setWished] = useState(false);
	const [, setRound] = useState(0);
	const [feeds, setFeeds] = useState<Feeds>(NOTHING_OPEN);
	const key = JSON.stringify([wanted, [...hidden].sort()]);

	useEffect(() => {
		const gone = new AbortController();
		const kept = new Backlog();
		backlog.current = kept;
		painted.current = -1;
		setFeeds(NOTHING_OPEN);
		setAway(false);
		const told = (kind: Kind, state: string) =>
			setFeeds((before) => (before[kind] === state ? before : { ...before, [kind]: state }));
		const kinds = KINDS.filter((kind) => !hidden.has(kind));
		for (const kind of kinds) void follow(kind, wanted, gone.signal, kept, told);
		const timer = window.setInterval(() => {
			// Nothing came: nothing is to be painted.
			if (painted.current !== kept.version) setRound((before) => before + 1);
		}, PAINT_MS);
		return () => {
			gone.abort();
			window.clearInterval(timer);
		};
	}, [key]);
	const lines = backlog.current.show(isPaused);
	painted.current = backlog.current.version;
	const waiting = backlog.current.waiting;
	const toEnd = () => {
		setPaused(false);
		// Whoever is there already need not be brought there.
		setWished(isAway);
	};
	useEffect(
		() =>
			addKeys([
				{ keys: " ", what: "Pause or go on", act: () => setPaused((was) => !was) },
				{ keys: "G", what: "To the newest", act: toEnd },
				{
					keys: "/",
					what: "Filter",
					act: () => document.querySelector<HTMLElement>("search input")?.focus(),
				},
			]),
		[isAway],
	);
	const without = (kind: Kind) => {
		const next = new Set(hidden);
		if (!next.delete(kind)) next.add(kind);
		change({ without: [...next].sort().join(",") });
	};
	const problems = KINDS.filter(
		(kind) => !hidden.has(kind) && feeds[kind] !== "open" && feeds[kind] !== "waiting",
	);
	// Said once for all screens, above the time bar.
	const isLost = lostSince.value !== null;
	const fault = problems
		.map((kind) => faultOf(feeds[kind], wanted.q))
		.find((each) => each !== null);
	return (
		<>
			<Head title="Live" copies={copiesOf(wanted)}>
				{KINDS.map((kind) => (
					<button
						type="button"
						key={kind}
						class={hidden.has(kind) || feeds[kind] === "open" ? "" : "is-awaited"}
						aria-pressed={!hidden.has(kind)}
						title={feeds[kind] === "open" ? "they come" : feeds[kind]}
						onClick={() => without(kind)}
					>
						{kind}s
					</button>
				))}
				<button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
					{isPaused
						? `‖ paused, ${sayCount(waiting)} ${nameMany(waiting, "waits", "wait")}`
						: "● following"}
				</button>
			</Head>
			<main class="main fills live">
				<Filters wanted={wanted} fault={fault ?? null} />
				{backlog.current.dropped > 0 && (
					<div class="notice" role="note">
						Not shown: {sayMany(backlog.current.dropped, "record")}. More came than the feed or this
						page could take. What came is stored, and <a href={linkTo("find")}>Find</a> has it.
					</div>
				)}
				{wanted.q !== "" && !hidden.has("app") && (
					<div class="notice" role="note">
						An expression is about spans and log records: what happens to apps is left out.
					</div>
				)}
				{fault === undefined &&
					!isLost &&
					[...new Set(problems.map((kind) => feeds[kind]))].map((why) => (
						<div class="notice" role="alert" key={why}>
							{problems
								.filter((kind) => feeds[kind] === why)
								.map((kind) => `${kind}s`)
								.join(", ")}
							: {why}. It is tried again.
						</div>
					))}
				{lines.length === 0 ? (
					<Nothing title={key === NO_FILTER ? "Waiting for what comes" : "Nothing came that fits"}>
						<SendData />
					</Nothing>
				) : (
					<div class={`shown ${isLost ? "is-stale" : ""}`}>
						<Rows
							items={lines}
							height={26}
							label="What came"
							follow={!isPaused}
							reveal={isWished ? lines.length - 1 : undefined}
							onAway={(away) => {
								setAway(away);
								if (!away) setWished(false);
							}}
							render={(line) => <LiveRow line={line} />}
						/>
					</div>
				)}
				{lines.length > 0 && (
					<div class="bar counted small">
						<span class="soft grow">
							{sayMany(lines.length, "record")}
							{lines.length >= KEPT_MAX && `: the newest, older ones are let go`}
						</span>
						{(isAway || isPaused) && (
							<button type="button" onClick={toEnd}>
								To the newest <kbd>G</kbd>
							</button>
						)}
					</div>
				)}
			</main>
		</>
	);
}

const NO_FILTER = JSON.stringify([{ service: "", status: "", text: "", q: "" }, []]);

function Filters({ wanted, fault }: { wanted: Wanted; fault: Fault | null }) {
	return (
		<search class="filters">
			<Complete
				label="service"
				value={wanted.service}
				suggest={suggestServices}
				onChoose={(service) => change({ service })}
			/>
			<select
				aria-label="status"
				value={wanted.status}
				onChange={(event) => change({ status: event.currentTarget.value })}
			>
				<option value="">any status</option>
				<option value="error">failed</option>
			</select>
			<Written label="words" value={wanted.text} onSend={(text) => change({ text })} />
			<CompletingText
				label="expression"
				placeholder="expression: duration > 100ms AND http.route = /cart"
				value={wanted.q}
				fault={fault}
				complete={(text, caret, until) =>
					completeExpression(text, caret, "spans", { service: wanted.service || undefined }, until)
				}
				onSend={(q) => change({ q: q.trim() })}
			/>
		</search>
	);
}

function copiesOf({ service, status, text, q }: Wanted): Copies {
	const asked = { service, status, text, q };
	const said = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== ""));
	return {
		cli: command(["live"], asked),
		sql: asStatement("otel_traces", said, { last: BEFORE_LAST }),
		url: addressOf("/api/v1/traces/live", {}, said),
		mcp: { tool: "find_spans", arguments: { ...said, last: BEFORE_LAST } },
	};
}

function queryOf(kind: Kind, { service, status, text, q }: Wanted) {
	const asked = { service: service || undefined, text: text || undefined, q: q || undefined };
	if (kind === "span")
		return { ...asked, status: status === "error" ? status : undefined } as const;
	return { ...asked, min_severity: status === "error" ? ("error" as const) : undefined };
}

/** Show the newest that is there already: a screen that waits says nothing. */
async function recall(
	kind: Kind,
	wanted: Wanted,
	until: AbortSignal,
	backlog: Backlog,
): Promise<void> {
	if (kind === "app") return;
	const query = { last: BEFORE_LAST, limit: BEFORE, ...queryOf(kind, wanted) };
	try {
		const records =
			kind === "span"
				? ((await get("/api/v1/traces", { query: { ...query, view: "spans" }, until })) as SpanList)
						.spans
				: (await get("/api/v1/logs", { query, until })).logs;
		if (until.aborted) return;
		backlog.begin(
			records.map((record) => ({
				kind,
				at: momentOf(record as unknown as Record<string, unknown>) ?? 0,
				record,
			})),
		);
	} catch {
		// What cannot be asked for is told by its feed.
	}
}

async function follow(
	kind: Kind,
	wanted: Wanted,
	until: AbortSignal,
	backlog: Backlog,
	told: (kind: Kind, state: string) => void,
): Promise<void> {
	const query = kind === "app" ? {} : queryOf(kind, wanted);
	const isWanted = kind === "app" ? (line: Line) => isAppWanted(line, wanted) : undefined;
	const place: FeedPlace = { id: undefined };
	let isRecalled = false;
	const recallOnce = () => {
		if (!isRecalled) void recall(kind, wanted, until, backlog);
		isRecalled = true;
	};
	const heardOf = (said: { missing_shards?: string[]; standby_shards?: string[] }) => {
		noteLacking(place, said.missing_shards ?? []);
		noteUnled(place, said.standby_shards ?? []);
	};
	// Nothing is lacked by who has gone.
	until.addEventListener("abort", () => heardOf({}));
	const opened = () => {
		told(kind, "open");
		// It says anew what cannot be heard.
		heardOf({});
		// Not before: what comes between a list and the beginning of its feed would be in neither. And
		// again where the feed begins anew.
		isRecalled &&= place.id !== undefined;
		recallOnce();
	};
	while (!until.aborted) {
		try {
			for await (const event of listen(PATHS[kind], query, until, place, opened)) {
				if (event.type === "dropped") backlog.drop(Number(JSON.parse(event.data).dropped));
				else if (event.type === "error") throw new Error(JSON.parse(event.data).detail);
				else if (event.type === "shards") heardOf(JSON.parse(event.data));
				else if (event.type === "message") backlog.take(kind, JSON.parse(event.data), isWanted);
			}
		} catch (error) {
			if (until.aborted) return;
			told(kind, asProblem(error).message);
			recallOnce();
		}
		await new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
	}
}

/** What a message says, as far as a row has room. */
function sayPayload(payload: unknown): string {
	if (payload === null || typeof payload !== "object") return sayValue(payload);
	return Object.entries(payload)
		.map(([name, value]) => `${name} ${sayValue(value)}`)
		.join(", ")
		.slice(0, PAYLOAD_MAX);
}

/** A message may hold a book; a row holds a line. */
const PAYLOAD_MAX = 300;

const ONLY_BAD: Wanted = { service: "", status: "error", text: "", q: "" };

const BAD_SEVERITIES = new Set(["error", "fatal"]);

function LiveRow({ line }: { line: Line }) {
	const time = <span class="mono soft">{sayTime(line.at, now.value)}</span>;
	if (line.kind === "span") {
		const span = line.record as Span;
		return (
			<a class="row" href={linkTo("trace", [span.trace_id], { span: span.span_id })}>
				{time}
				<span class="tag">span</span>
				<span class="service">{span.service}</span>
				<span class="grow cut">{span.operation}</span>
				{span.status === "error" && <span class="tag bad">failed</span>}
				<span class="duration">{sayDuration(span.duration_ms)}</span>
			</a>
		);
	}
	if (line.kind === "log") {
		const log = line.record as LogRecord;
		const content = (
			<>
				{time}
				<span class={`tag ${BAD_SEVERITIES.has(log.severity) ? "bad" : ""}`}>{log.severity}</span>
				<span class="service">{log.service}</span>
				<span class="grow cut mono">{sayValue(log.body)}</span>
			</>
		);
		if (!log.trace_id) return <div class="row">{content}</div>;
		return (
			<a class="row" href={linkTo("trace", [log.trace_id], { span: log.span_id })}>
				{content}
			</a>
		);
	}
	const event = line.record as WatchEvent;
	const said = event.document as Record<string, unknown>;
	const isBad = isAppWanted(line, ONLY_BAD);
	return (
		<a class="row" href={linkTo("tree", [event.app_id], { all: "true" })}>
			{time}
			<span class={`tag ${isBad ? "bad" : "good"}`}>{event.kind}</span>
			<span class="service">{sayValue(said.app_name)}</span>
			<span class="grow cut">
				{event.kind === "transition"
					? `${sayValue(said.from) || "new"} → ${sayValue(said.to)}`
					: sayValue(said.msg_type ?? said.action ?? said.crash_type)}{" "}
				<span class="soft">{sayValue(said.reason) || sayPayload(said.payload)}</span>
			</span>
		</a>
	);
}
