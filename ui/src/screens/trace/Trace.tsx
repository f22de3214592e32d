/** One trace: what happened when, what made it slow, what was said of it. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { Trace as TraceDocument } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, sayDuration, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, go, linkTo, param, place } from "../../state/place";
import { now, readTime } from "../../state/time";
import { Details } from "./Details";
import { orderSpans } from "./layout";
import { Waterfall } from "./Waterfall";

export default function Trace() {
	const id = place.value.names[0];
	return id === undefined ? <WhichTrace /> : <OneTrace key={id} id={id} />;
}

function WhichTrace() {
	const [text, setText] = useState("");
	return (
		<>
			<Head title="Trace" />
			<main class="main">
				<Nothing title="Which trace?">
					<form
						class="bar"
						onSubmit={(event) => {
							event.preventDefault();
							if (text.trim() !== "") go(linkTo("trace", [text.trim()]));
						}}
					>
						<input
							type="search"
							class="grow"
							aria-label="Trace id"
							placeholder="32 hexadecimal digits"
							value={text}
							onInput={(event) => setText(event.currentTarget.value)}
						/>
						<button type="submit" class="primary">
							Open
						</button>
					</form>
					<p>
						Or <a href={linkTo("find")}>find one</a>: the slow and the failed ones stand out there.
					</p>
				</Nothing>
			</main>
		</>
	);
}

function OneTrace({ id }: { id: string }) {
	const answer = useAnswer<TraceDocument>(id, (until) =>
		get("/api/v1/traces/{trace_id}", { in: { trace_id: id }, query: { limit: 10_000 }, until }),
	);
	const copies = {
		cli: command(["trace", id]),
		sql: `SELECT * FROM otel_traces WHERE TraceId = '${id.replaceAll("'", "")}'`,
		url: addressOf("/api/v1/traces/{trace_id}", { trace_id: id }),
		mcp: { tool: "trace_outline", arguments: { trace_id: id } },
	};
	const root = answer.data?.spans[0];
	return (
		<>
			<Head
				title={root === undefined ? "Trace" : `${root.service} · ${root.operation}`}
				copies={copies}
			>
				{answer.data && <Facts trace={answer.data} />}
			</Head>
			<main class="main fills">
				<Shown of={answer}>{(trace) => <Opened trace={trace} />}</Shown>
			</main>
		</>
	);
}

function Facts({ trace }: { trace: TraceDocument }) {
	return (
		<span class="bar small">
			<span class="soft">{sayTime(readTime(trace.start_time) ?? 0, now.value)}</span>
			<b>{sayDuration(trace.duration_ms)}</b>
			<span>{sayCount(trace.span_count)} spans</span>
			{trace.error_count > 0 && <span class="tag bad">{trace.error_count} failed</span>}
			<span class="soft">{trace.services.length} services</span>
		</span>
	);
}

function Opened({ trace }: { trace: TraceDocument }) {
	const rows = useMemo(() => orderSpans(trace.spans), [trace]);
	const selected = param("span");
	const row = rows.find((each) => each.span.span_id === selected);
	useEffect(() => {
		// Without a choice, the first that failed is what one came for.
		if (selected !== null) return;
		const first = rows.find((each) => each.span.status === "error") ?? rows[0];
		if (first) change({ span: first.span.span_id }, { replace: true });
	}, [trace]);
	return (
		<>
			{trace.truncated && (
				<div class="notice" role="note">
					The first {sayCount(trace.count)} of {sayCount(trace.total)} spans are shown.
				</div>
			)}
			{trace.missing_parents.length > 0 && (
				<div class="notice" role="note">
					{trace.missing_parents.length} parents of these spans did not come: what called them is
					not known.
				</div>
			)}
			<div class="split">
				<Waterfall
					rows={rows}
					selected={selected}
					onSelect={(span) => change({ span }, { replace: true })}
				/>
				<aside class="side" aria-label="Details">
					<Details trace={trace} row={row} />
				</aside>
			</div>
		</>
	);
}
