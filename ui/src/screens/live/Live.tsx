/** Live: spans, log records and what happens in the tree, as they come. */

import { useEffect, useRef, useState } from "preact/hooks";
import { addressOf } from "../../api/client";
import { listen } from "../../api/events";
import type { LogRecord, Span, WatchEvent } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { Nothing, SendData } from "../../parts/States";
import { sayCount, sayDuration, sayTime, sayValue } from "../../parts/words";
import { asProblem } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import { Backlog, type Kind, type Line } from "./backlog";

/** Rows are shown at most so often: a thousand spans a second are not a thousand paintings. */
const PAINT_MS = 150;

const RETRY_MS = 2_000;

const PATHS: Record<Kind, string> = {
	span: "/api/v1/traces/live",
	log: "/api/v1/logs/live",
	app: "/api/v1/watch",
};

type Feeds = Record<Kind, "waiting" | "open" | string>;

export default function Live() {
	const service = param("service") ?? "";
	const status = param("status") ?? "";
	const text = param("text") ?? "";
	const hidden = new Set((param("without") ?? "").split(",").filter((each) => each !== ""));
	const backlog = useRef(new Backlog());
	const [isPaused, setPaused] = useState(false);
	const [, setPainted] = useState(0);
	const [feeds, setFeeds] = useState<Feeds>({ span: "waiting", log: "waiting", app: "waiting" });
	const key = JSON.stringify([service, status, text, [...hidden].sort()]);

	useEffect(() => {
		const gone = new AbortController();
		backlog.current = new Backlog();
		const told = (kind: Kind, state: string) =>
			setFeeds((before) => ({ ...before, [kind]: state }));
		for (const kind of Object.keys(PATHS) as Kind[]) {
			if (hidden.has(kind)) continue;
			const query =
				kind === "app"
					? {}
					: {
							service: service || undefined,
							text: text || undefined,
							status: kind === "span" ? status || undefined : undefined,
						};
			void follow(kind, query, gone.signal, backlog.current, told);
		}
		const timer = window.setInterval(() => setPainted((before) => before + 1), PAINT_MS);
		return () => {
			gone.abort();
			window.clearInterval(timer);
		};
	}, [key]);
	useEffect(
		() => addKeys([{ keys: " ", what: "Pause or go on", act: () => setPaused((was) => !was) }]),
		[],
	);

	const lines = backlog.current.show(isPaused);
	const waiting = backlog.current.waiting;
	const without = (kind: Kind) => {
		const next = new Set(hidden);
		if (!next.delete(kind)) next.add(kind);
		change({ without: [...next].sort().join(",") });
	};
	return (
		<>
			<Head
				title="Live"
				copies={{
					cli: command(["live"], { service, status }),
					url: addressOf("/api/v1/traces/live", {}, { service: service || undefined }),
				}}
			>
				{(Object.keys(PATHS) as Kind[]).map((kind) => (
					<button
						type="button"
						key={kind}
						aria-pressed={!hidden.has(kind)}
						title={feeds[kind] === "open" ? "it comes" : feeds[kind]}
						onClick={() => without(kind)}
					>
						{kind}s {!hidden.has(kind) && feeds[kind] !== "open" && <span class="warn">…</span>}
					</button>
				))}
				<button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
					{isPaused ? `‖ paused, ${sayCount(waiting)} wait` : "● following"}
				</button>
			</Head>
			<main class="main fills">
				<search class="filters">
					<Filter name="service" value={service} />
					<select
						aria-label="status"
						value={status}
						onChange={(event) => change({ status: event.currentTarget.value })}
					>
						<option value="">any status</option>
						<option value="error">failed spans</option>
					</select>
					<Filter name="text" value={text} label="words" />
				</search>
				{backlog.current.dropped > 0 && (
					<div class="notice" role="note">
						{sayCount(backlog.current.dropped)} records are not shown: more came than the feed or
						this page could take.
					</div>
				)}
				{Object.entries(feeds)
					.filter(([kind, state]) => !hidden.has(kind) && state !== "open" && state !== "waiting")
					.map(([kind, state]) => (
						<div class="notice" role="alert" key={kind}>
							{kind}s: {state}. It is tried again.
						</div>
					))}
				{lines.length === 0 ? (
					<Nothing title="Waiting for what comes">
						<SendData />
					</Nothing>
				) : (
					<Rows
						items={lines}
						height={26}
						label="What came"
						follow={!isPaused}
						render={(line) => <LiveRow line={line} />}
					/>
				)}
			</main>
		</>
	);
}

function Filter({ name, value, label }: { name: string; value: string; label?: string }) {
	return (
		<input
			type="search"
			aria-label={label ?? name}
			placeholder={label ?? name}
			value={value}
			onChange={(event) => change({ [name]: event.currentTarget.value })}
		/>
	);
}

async function follow(
	kind: Kind,
	query: Record<string, unknown>,
	until: AbortSignal,
	backlog: Backlog,
	told: (kind: Kind, state: string) => void,
): Promise<void> {
	let last: string | undefined;
	while (!until.aborted) {
		try {
			told(kind, "open");
			for await (const event of listen(PATHS[kind], query, until, last)) {
				last = event.id ?? last;
				if (event.type === "dropped") backlog.dropped += Number(JSON.parse(event.data).dropped);
				else if (event.type === "error") throw new Error(JSON.parse(event.data).detail);
				else backlog.take(kind, JSON.parse(event.data));
			}
		} catch (error) {
			if (!until.aborted) told(kind, asProblem(error).message);
		}
		await new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
	}
}

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
	return (
		<a class="row" href={linkTo("tree", [event.app_id], { all: "true" })}>
			{time}
			<span class="tag good">{event.kind}</span>
			<span class="service">{sayValue(said.app_name)}</span>
			<span class="grow cut">
				{event.kind === "transition"
					? `${sayValue(said.from) || "new"} → ${sayValue(said.to)}`
					: sayValue(said.msg_type ?? said.action ?? said.crash_type)}{" "}
				<span class="soft">{readTime(event.at) === null ? "" : sayValue(said.reason)}</span>
			</span>
		</a>
	);
}
