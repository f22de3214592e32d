/** Spans and log records that were found, and how many of them there are. */

import { get } from "../../api/client";
import type { LogList, LogRecord, Span, SpanList } from "../../api/schema";
import { Moment } from "../../parts/Moment";
import { Rows } from "../../parts/Rows";
import { nameMany, sayCount, sayDuration, sayMany, sayValue } from "../../parts/words";
import { linkTo } from "../../state/place";
import { rangeQuery } from "../../state/time";
import { type More, useMore } from "./more";
import { type Filters, LIMIT, logFilters } from "./query";

interface FoundProps<List> {
	found: List;
	filters: Filters;
	about: string;
}

export function Spans({ found, filters, about }: FoundProps<SpanList>) {
	const more = useMore<Span>(
		{ items: found.spans, next: found.next ?? null },
		about,
		async (next, until) => {
			const query = { ...rangeQuery(), ...filters, view: "spans" as const, limit: LIMIT, next };
			const page = (await get("/api/v1/traces", { query, until })) as SpanList;
			return { items: page.spans, next: page.next ?? null };
		},
	);
	return (
		<>
			<div class="bar counted">
				<Count found={found} more={more} what="span" />
			</div>
			<Rows
				items={more.items}
				height={30}
				label="Spans"
				render={(span: Span) => (
					<a class="row" href={linkTo("trace", [span.trace_id], { span: span.span_id })}>
						<Moment at={span.start_time} />
						<span class="service">{span.service}</span>
						<span class="grow cut">
							{span.operation} <span class="soft small">{span.status_message}</span>
						</span>
						{span.status === "error" && <span class="tag bad">failed</span>}
						<span class="duration">{sayDuration(span.duration_ms)}</span>
					</a>
				)}
			/>
		</>
	);
}

const BAD_SEVERITIES = new Set(["error", "fatal"]);

export function Logs({ found, filters, about }: FoundProps<LogList>) {
	const more = useMore<LogRecord>(
		{ items: found.logs, next: found.next ?? null },
		about,
		async (next, until) => {
			const query = { ...rangeQuery(), ...logFilters(filters), limit: LIMIT, next };
			const page = await get("/api/v1/logs", { query, until });
			return { items: page.logs, next: page.next ?? null };
		},
	);
	return (
		<>
			<div class="bar counted">
				<Count found={found} more={more} what="log record" />
			</div>
			<Rows
				items={more.items}
				height={28}
				label="Log records"
				render={(log: LogRecord) => {
					const content = (
						<>
							<Moment at={log.timestamp} />
							<span class={`severity ${BAD_SEVERITIES.has(log.severity) ? "bad" : "soft"}`}>
								{log.severity}
							</span>
							<span class="service">{log.service}</span>
							<span class="grow cut mono">{sayValue(log.body)}</span>
						</>
					);
					return log.trace_id ? (
						<a class="row" href={linkTo("trace", [log.trace_id], { span: log.span_id })}>
							{content}
						</a>
					) : (
						<div class="row">{content}</div>
					);
				}}
			/>
		</>
	);
}

interface Counted {
	count: number;
	total?: number | null;
	at_least?: number | null;
}

interface CountProps {
	found: Counted;
	more: More<unknown>;
	what: string;
}

/** How many are shown of how many, and the way to the next. */
export function Count({ found, more, what }: CountProps) {
	const shown = more.items.length;
	if (!more.hasMore)
		return <span>{`${sayMany(shown, what)}${shown === 1 ? "" : ", all of them"}`}</span>;
	const least = Math.max(found.at_least ?? found.count, shown + 1);
	const whole = found.total != null ? sayCount(found.total) : `at least ${sayCount(least)}`;
	return (
		<>
			<span>
				the newest {sayCount(shown)} of <b>{whole}</b> {nameMany(least, what)}
			</span>
			<button
				type="button"
				disabled={more.isLoading}
				title="Stops following, so that what is shown stands still"
				onClick={more.load}
			>
				{more.isLoading ? "loading …" : `${sayCount(LIMIT)} more`}
			</button>
			{more.problem && (
				<span class="bad" role="alert">
					{more.problem}
				</span>
			)}
		</>
	);
}
