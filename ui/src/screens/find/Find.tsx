/** Find: what is slow, what failed, and what sets it apart. */

import { useEffect, useRef, useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { LogList, LogRecord, Span, SpanList, TraceList, TraceSummary } from "../../api/schema";
import { colour, Drawing } from "../../canvas/Drawing";
import { Complete } from "../../parts/Complete";
import { type Copies, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Rows } from "../../parts/Rows";
import { Nothing, SendData, Shown } from "../../parts/States";
import { part } from "../../parts/TimeBar";
import { sayCount, sayDuration, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, go, linkTo, place } from "../../state/place";
import { now, rangeKey, rangeQuery, readTime, showSpan, window_ } from "../../state/time";
import { Different } from "./Different";
import { type Filters, isNarrowed, readFilters, readTab, TABS, type Tab } from "./query";
import { Sql } from "./Sql";
import { axisOf, DURATIONS, heightOf, layoutDots } from "./scatter";

/** Traces of one answer: as many dots as can still be told apart. */
const LIMIT = 500;

const SCATTER_HEIGHT = 150;

export default function Find() {
	const tab = readTab(place.value.params);
	const filters = readFilters(place.value.params);
	const first = useRef<HTMLDivElement>(null);
	useEffect(
		() =>
			addKeys([
				{ keys: "/", what: "Filter", act: () => first.current?.querySelector("input")?.focus() },
			]),
		[],
	);
	return (
		<>
			<Head title="Find" copies={copiesOf(tab, filters)}>
				<Tabs tab={tab} />
			</Head>
			<main class="main fills">
				{tab === "sql" ? (
					<Sql />
				) : (
					<>
						<div ref={first}>
							<FilterBar tab={tab} filters={filters} />
						</div>
						<Found tab={tab} filters={filters} />
					</>
				)}
			</main>
		</>
	);
}

function Tabs({ tab }: { tab: Tab }) {
	return (
		<div class="bar" role="tablist">
			{TABS.map((each) => (
				<button
					key={each}
					type="button"
					role="tab"
					aria-selected={each === tab}
					onClick={() => change({ show: each === "traces" ? null : each })}
				>
					{each === "sql" ? "SQL" : each}
				</button>
			))}
		</div>
	);
}

function FilterBar({ tab, filters }: { tab: Tab; filters: Filters }) {
	return (
		<search class="filters">
			<Complete
				label="service"
				value={filters.service ?? ""}
				suggest={async (text, until) => {
					const found = await get("/api/v1/services", { query: rangeQuery(), until });
					return found.services
						.filter((each) => each.name.toLowerCase().includes(text.toLowerCase()))
						.map((each) => ({ text: each.name, note: `${sayCount(each.span_count)} spans` }));
				}}
				onChoose={(service) => change({ service })}
			/>
			{tab !== "logs" && (
				<>
					<Complete
						label="operation"
						value={filters.operation ?? ""}
						suggest={async (text, until) => {
							const query = { ...rangeQuery(), limit: 500 };
							const found = await get("/api/v1/operations", { query, until });
							return found.operations
								.filter((each) => !filters.service || each.service === filters.service)
								.filter((each) => each.operation.toLowerCase().includes(text.toLowerCase()))
								.slice(0, 50)
								.map((each) => ({ text: each.operation, note: each.service }));
						}}
						onChoose={(operation) => change({ operation })}
					/>
					<select
						aria-label="status"
						value={filters.status ?? ""}
						onChange={(event) => change({ status: event.currentTarget.value })}
					>
						<option value="">any status</option>
						<option value="error">failed</option>
						<option value="ok">ok</option>
						<option value="unset">unset</option>
					</select>
					<Field
						label="at least … ms"
						name="min_duration_ms"
						value={filters.min_duration_ms?.toString() ?? ""}
					/>
				</>
			)}
			<Field label='words: "timeout", checkout' name="text" value={filters.text ?? ""} />
			<Field
				label="expression: http.status_code >= 500 AND NOT user.id = 7"
				name="q"
				value={filters.q ?? ""}
				wide
			/>
			{isNarrowed(filters) && (
				<button
					type="button"
					class="plain"
					onClick={() =>
						change({
							service: null,
							operation: null,
							status: null,
							min_duration_ms: null,
							max_duration_ms: null,
							attribute: null,
							q: null,
							text: null,
							root: null,
						})
					}
				>
					Clear
				</button>
			)}
			{filters.attribute?.map((each) => (
				<button
					key={each}
					type="button"
					class="tag"
					title="Take this filter away"
					onClick={() =>
						change({ attribute: filters.attribute?.filter((other) => other !== each) })
					}
				>
					{each} ×
				</button>
			))}
		</search>
	);
}

interface FieldProps {
	label: string;
	name: string;
	value: string;
	wide?: boolean;
}

function Field({ label, name, value, wide }: FieldProps) {
	const [text, setText] = useState(value);
	useEffect(() => setText(value), [value]);
	const send = () => {
		if (text !== value) change({ [name]: text });
	};
	return (
		<input
			type="search"
			class={wide ? "wide" : ""}
			aria-label={label}
			placeholder={label}
			value={text}
			onInput={(event) => setText(event.currentTarget.value)}
			onBlur={send}
			onKeyDown={(event) => {
				if (event.key === "Enter") send();
			}}
		/>
	);
}

type FoundList = TraceList | SpanList | LogList;

function Found({ tab, filters }: { tab: Tab; filters: Filters }) {
	const query = { ...rangeQuery(), ...filters, limit: LIMIT };
	const about = JSON.stringify([tab, filters]);
	const answer = useAnswer<FoundList>(
		about + rangeKey.value,
		(until) => {
			if (tab === "logs") {
				const { service, text, q, attribute } = filters;
				const asked = { ...rangeQuery(), service, text, q, attribute, limit: LIMIT };
				return get("/api/v1/logs", { query: asked, until });
			}
			const view = tab === "traces" ? "traces" : "spans";
			return get("/api/v1/traces", { query: { ...query, view }, until });
		},
		about,
	);
	return (
		<Shown
			of={answer}
			empty={(found) =>
				found.count > 0 ? null : isNarrowed(filters) ? (
					<Nothing title="Nothing matches">
						<p>Take a filter away, or look further back.</p>
						<div class="bar">
							<button type="button" onClick={() => change({ last: "1d", start: null, end: null })}>
								Look through the last day
							</button>
						</div>
					</Nothing>
				) : (
					<Nothing title="Nothing came in this time">
						<SendData />
					</Nothing>
				)
			}
		>
			{(found) =>
				"traces" in found ? (
					<Traces found={found} filters={filters} />
				) : "spans" in found ? (
					<Spans found={found} />
				) : (
					<Logs found={found} />
				)
			}
		</Shown>
	);
}

function Traces({ found, filters }: { found: TraceList; filters: Filters }) {
	const [pointed, setPointed] = useState<TraceSummary | null>(null);
	const [order, setOrder] = useState<"newest" | "slowest">("newest");
	const shown = window_.value;
	const traces =
		order === "newest"
			? found.traces
			: [...found.traces].sort((one, other) => other.duration_ms - one.duration_ms);
	const longest = Math.max(...found.traces.map((each) => each.duration_ms), 0.001);
	return (
		<>
			<div class="scatter">
				<Drawing
					label={`${found.count} traces by time and duration; the list below has them all`}
					height={SCATTER_HEIGHT}
					layout={(size) => layoutDots(found.traces, shown, size.width, size.height)}
					paint={(context, dots, size) => {
						const axis = axisOf(found.traces);
						const [line, ink, well, bad] = ["line", "ink-faint", "hue-0", "bad"].map(colour);
						context.font = "11px sans-serif";
						for (const ms of DURATIONS) {
							const y = heightOf(ms, axis, size.height);
							if (y < 0 || y > size.height) continue;
							context.fillStyle = line ?? "";
							context.fillRect(0, y, size.width, 1);
							context.fillStyle = ink ?? "";
							context.fillText(sayDuration(ms), 2, y - 2);
						}
						for (const dot of dots) {
							context.globalAlpha = dot.trace === pointed ? 1 : 0.7;
							context.fillStyle = (dot.trace.error_count > 0 ? bad : well) ?? "";
							context.beginPath();
							context.arc(
								dot.x + dot.width / 2,
								dot.y + dot.height / 2,
								dot.trace === pointed ? 5 : 3,
								0,
								7,
							);
							context.fill();
						}
						context.globalAlpha = 1;
					}}
					onPoint={(dot) => setPointed(dot?.trace ?? null)}
					onPick={(dot) => dot && go(linkTo("trace", [dot.trace.trace_id]))}
					onBrush={(from, to) => showSpan(part(shown, from, to))}
					of={[found, pointed, shown]}
				/>
				<div class="soft small cut pointed">
					{pointed === null
						? "Each dot is a trace. Click one to read it; drag to look closer."
						: `${pointed.service} · ${pointed.operation} · ${sayDuration(pointed.duration_ms)}`}
				</div>
			</div>
			<div class="bar counted">
				<Count found={found} what="traces" />
				<span class="grow" />
				<select
					aria-label="Order"
					value={order}
					onChange={(event) => setOrder(event.currentTarget.value as "newest" | "slowest")}
				>
					<option value="newest">newest first</option>
					<option value="slowest">slowest of these first</option>
				</select>
				<Different filters={filters} />
			</div>
			<Rows
				items={traces}
				height={34}
				label="Traces"
				render={(trace) => (
					<a class="row" href={linkTo("trace", [trace.trace_id])}>
						<span class="mono soft">{sayTime(readTime(trace.start_time) ?? 0, now.value)}</span>
						<span class="service">{trace.service}</span>
						<span class="grow cut">{trace.operation}</span>
						{trace.error_count > 0 && <span class="tag bad">{trace.error_count} failed</span>}
						<span class="soft small">{sayCount(trace.span_count)} spans</span>
						<span class="length" aria-hidden="true">
							<span style={{ width: `${(trace.duration_ms / longest) * 100}%` }} />
						</span>
						<span class="duration">{sayDuration(trace.duration_ms)}</span>
					</a>
				)}
			/>
		</>
	);
}

function Spans({ found }: { found: SpanList }) {
	return (
		<>
			<div class="bar counted">
				<Count found={found} what="spans" />
			</div>
			<Rows
				items={found.spans}
				height={30}
				label="Spans"
				render={(span: Span) => (
					<a class="row" href={linkTo("trace", [span.trace_id], { span: span.span_id })}>
						<span class="mono soft">{sayTime(readTime(span.start_time) ?? 0, now.value)}</span>
						<span class="service">{span.service}</span>
						<span class="cut">{span.operation}</span>
						<span class="grow cut soft small">{span.status_message}</span>
						{span.status === "error" && <span class="tag bad">failed</span>}
						<span class="duration">{sayDuration(span.duration_ms)}</span>
					</a>
				)}
			/>
		</>
	);
}

const BAD_SEVERITIES = new Set(["error", "fatal"]);

function Logs({ found }: { found: LogList }) {
	return (
		<>
			<div class="bar counted">
				<Count found={found} what="log records" />
			</div>
			<Rows
				items={found.logs}
				height={28}
				label="Log records"
				render={(log: LogRecord) => {
					const content = (
						<>
							<span class="mono soft">{sayTime(readTime(log.timestamp) ?? 0, now.value)}</span>
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
	truncated: boolean;
}

function Count({ found, what }: { found: Counted; what: string }) {
	if (!found.truncated) return <span>{`${sayCount(found.count)} ${what}, all of them`}</span>;
	const whole =
		found.total != null
			? sayCount(found.total)
			: `at least ${sayCount(found.at_least ?? found.count)}`;
	return (
		<span>
			the newest {sayCount(found.count)} of <b>{whole}</b> {what}
		</span>
	);
}

function copiesOf(tab: Tab, filters: Filters): Copies {
	if (tab === "sql") return {};
	const time = rangeQuery();
	const flags = { ...filters, ...time };
	if (tab === "logs") {
		const { service, text, q } = filters;
		const asked = { service, text, q, ...time };
		return {
			cli: command(["logs"], asked),
			url: addressOf("/api/v1/logs", {}, asked),
			mcp: { tool: "find_logs", arguments: asked },
		};
	}
	const view = tab === "traces" ? { view: "traces" } : {};
	return {
		cli: command(["traces"], { ...flags, ...view }),
		url: addressOf("/api/v1/traces", {}, { ...flags, ...view }),
		mcp: { tool: tab === "traces" ? "find_traces" : "find_spans", arguments: flags },
	};
}
