/** What the server tells of itself, over the time bar. */

import { addressOf, get } from "../../api/client";
import type { MetricList, SeriesList } from "../../api/schema";
import { Chart, SERIES } from "../../parts/Chart";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { Shown } from "../../parts/States";
import { sayBytes, sayDuration, saySharePercent } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { rangeQuery, slowRangeKey } from "../../state/time";
import type { Asked } from "./Health";

interface Told {
	title: string;
	name: string;
	aggregate: "max" | "rate" | "last";
	by?: string;
	say: (value: number) => string;
}

const sayRate = (value: number) => `${Number(value.toPrecision(3))}/s`;

const TOLD: readonly Told[] = [
	{
		title: "Limits, how much of each is used",
		name: "clew_limit_used_ratio",
		aggregate: "max",
		by: "limit",
		say: saySharePercent,
	},
	{
		title: "Records taken in",
		name: "clew_ingest_rows_total",
		aggregate: "rate",
		by: "signal",
		say: sayRate,
	},
	{
		title: "Questions answered",
		name: "clew_http_answers_total",
		aggregate: "rate",
		by: "status",
		say: sayRate,
	},
	{
		title: "Memory",
		name: "clew_process_resident_bytes",
		aggregate: "max",
		say: sayBytes,
	},
	{
		title: "Processor, of one core",
		name: "clew_process_cpu_seconds_total",
		aggregate: "rate",
		say: saySharePercent,
	},
	{
		title: "On disk",
		name: "clew_store_bytes",
		aggregate: "last",
		by: "signal",
		say: sayBytes,
	},
];

export function Charts({ of: answer }: { of: Asked }) {
	// Asked for once before all of them: what was never told is no failure of six questions.
	const any = useAnswer<MetricList>(slowRangeKey.value, (until) =>
		get("/api/v1/metrics", {
			query: { ...rangeQuery(), own: true, name: TOLD[0]?.name, limit: 1 },
			until,
		}),
	);
	const every = answer.data?.own.interval_seconds;
	return (
		<section class="stack" aria-label="What clew tells of itself">
			<h2>What clew tells of itself</h2>
			<Shown of={any} empty={(found) => (found.count > 0 ? null : <Untold every={every} />)}>
				{() => (
					<div class="panels">
						{TOLD.map((each) => (
							<Panel key={each.name} told={each} />
						))}
					</div>
				)}
			</Shown>
		</section>
	);
}

function Untold({ every }: { every: number | null | undefined }) {
	return every === null ? (
		<p>
			Nothing in this time, and nothing now: start it with{" "}
			<code>clew serve --own-telemetry 15</code>, and its counters are drawn here.
		</p>
	) : (
		<p>
			Nothing in this time{every && `; the next record comes within ${sayDuration(every * 1000)}`}.
		</p>
	);
}

function Panel({ told }: { told: Told }) {
	const query = {
		name: told.name,
		aggregate: told.aggregate,
		by: told.by ? [told.by] : [],
		own: true,
	};
	const answer = useAnswer<SeriesList>(`${told.name} ${slowRangeKey.value}`, (until) =>
		get("/api/v1/metrics/query", { query: { ...rangeQuery(), ...query, limit: SERIES }, until }),
	);
	return (
		<section class="panel charted" aria-label={told.title}>
			<div class="bar">
				<h2 class="cut grow" title={told.name}>
					{told.title}
				</h2>
				<CopyMenu
					of={told.title}
					cli={command(["metric", told.name], {
						own: true,
						aggregate: told.aggregate,
						by: told.by,
						...rangeQuery(),
					})}
					url={addressOf("/api/v1/metrics/query", {}, { ...rangeQuery(), ...query })}
				/>
			</div>
			<Shown
				of={answer}
				empty={(found) =>
					found.series.length > 0 ? null : (
						<p class="soft">Nothing in this time: widen it, or wait for the next record.</p>
					)
				}
			>
				{(found) => <Chart found={found} name={told.title} say={told.say} />}
			</Shown>
		</section>
	);
}
