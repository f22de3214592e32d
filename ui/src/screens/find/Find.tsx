/** Find: what is slow, what failed, and what sets it apart. */

import { useEffect, useRef } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { LogList, SpanList, TraceList } from "../../api/schema";
import { type Copies, command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { Hint } from "../../parts/Hint";
import { SaveQuery } from "../../parts/SaveQuery";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, param, place } from "../../state/place";
import { rangeKey, rangeQuery, slowRangeKey } from "../../state/time";
import { faultOf } from "./expression";
import { FilterBar } from "./FilterBar";
import "./find.css";
import {
	asArguments,
	asSaved,
	asStatement,
	asTraceStatement,
	type Filters,
	isNarrowed,
	LIMIT,
	logFilters,
	readFilters,
	readTab,
	TABS,
	type Tab,
} from "./query";
import { Logs, Spans } from "./Results";
import { Sql } from "./Sql";
import { findSlowest } from "./slowest";
import { Traces } from "./Traces";

export default function Find() {
	const tab = readTab(place.value.params);
	const filters = readFilters(place.value.params);
	const first = useRef<HTMLDivElement>(null);
	useEffect(
		() =>
			addKeys([
				{ keys: "/", what: "Filter", act: () => first.current?.querySelector("input")?.focus() },
				{
					keys: "q",
					what: "Write an expression",
					act: () => first.current?.querySelector<HTMLElement>(".completing input")?.focus(),
				},
			]),
		[],
	);
	return (
		<>
			<Head title="Find" copies={copiesOf(tab, filters)}>
				<Tabs tab={tab} />
				<SaveQuery saved={asSaved(tab, filters, param("sql"))} />
			</Head>
			<main class="main fills" ref={first}>
				{tab === "sql" ? <Sql /> : <Found tab={tab} filters={filters} />}
			</main>
		</>
	);
}

function Tabs({ tab }: { tab: Tab }) {
	return (
		<div class="bar" role="tablist" aria-label="What to find">
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

type FoundList = TraceList | SpanList | LogList;

function Found({ tab, filters }: { tab: Tab; filters: Filters }) {
	const about = JSON.stringify([tab, filters]);
	const isSlowest = tab === "traces" && param("order") === "slowest";
	const answer = useAnswer<FoundList>(
		// Several questions, each after the one before: while it is followed they must have time to end.
		`${about} ${isSlowest} ${isSlowest ? slowRangeKey.value : rangeKey.value}`,
		(until) => {
			if (tab === "logs") {
				const asked = { ...rangeQuery(), ...logFilters(filters), limit: LIMIT };
				return get("/api/v1/logs", { query: asked, until });
			}
			const view = tab === "traces" ? "traces" : "spans";
			const query = { ...rangeQuery(), ...filters, limit: LIMIT, view } as const;
			if (!isSlowest) return get("/api/v1/traces", { query, until });
			return findSlowest(async (least) => {
				const slow = { ...query, min_duration_ms: least || undefined };
				return (await get("/api/v1/traces", { query: slow, until })) as TraceList;
			}, filters.min_duration_ms);
		},
		about,
	);
	const fault = faultOf(answer.problem?.message ?? "", filters.q ?? "");
	return (
		<>
			<FilterBar tab={tab} filters={filters} fault={fault} />
			{fault !== null ? (
				<Nothing title="The expression cannot be read">
					<p>Where it goes wrong is marked above.</p>
					{answer.problem?.hint && (
						<p class="soft">
							<Hint text={answer.problem.hint} />
						</p>
					)}
				</Nothing>
			) : (
				<Shown
					of={answer}
					empty={(found) => (found.count > 0 ? null : <Empty tab={tab} filters={filters} />)}
				>
					{(found) =>
						"traces" in found ? (
							<Traces found={found} filters={filters} about={about} />
						) : "spans" in found ? (
							<Spans found={found} filters={filters} about={about} />
						) : (
							<Logs found={found} filters={filters} about={about} />
						)
					}
				</Shown>
			)}
		</>
	);
}

function Empty({ tab, filters }: { tab: Tab; filters: Filters }) {
	const further = (
		<div class="bar">
			<button type="button" onClick={() => change({ last: "1d", start: null, end: null })}>
				Look through the last day
			</button>
			<button type="button" onClick={() => change({ last: "30d", start: null, end: null })}>
				The last 30 days
			</button>
		</div>
	);
	if (isNarrowed(filters))
		return (
			<Nothing title="Nothing matches">
				<p>Take a filter away, or look further back.</p>
				{further}
			</Nothing>
		);
	return (
		<Nothing title="Nothing came in this time">
			{further}
			<SendData what={tab === "logs" ? "logs" : "spans"} />
		</Nothing>
	);
}

function copiesOf(tab: Tab, filters: Filters): Copies {
	if (tab === "sql") {
		const q = param("sql");
		if (q === null) return {};
		return {
			cli: command(["sql", q]),
			sql: q,
			url: addressOf("/api/v1/sql", {}, { q }),
			mcp: { tool: "sql", arguments: { query: q } },
		};
	}
	const time = rangeQuery();
	if (tab === "logs") {
		const asked = { ...logFilters(filters), ...time };
		return {
			cli: command(["logs"], asked),
			sql: asStatement("otel_logs", filters, time),
			url: addressOf("/api/v1/logs", {}, asked),
			mcp: { tool: "find_logs", arguments: asked },
		};
	}
	const asked = { ...filters, ...time };
	const view = tab === "traces" ? { view: "traces" } : {};
	return {
		cli: command(["traces"], { ...asked, ...view }),
		sql:
			tab === "traces"
				? asTraceStatement(filters, time)
				: asStatement("otel_traces", filters, time),
		url: addressOf("/api/v1/traces", {}, { ...asked, ...view }),
		mcp: {
			tool: tab === "traces" ? "find_traces" : "find_spans",
			arguments: { ...asArguments(filters), ...time },
		},
	};
}
