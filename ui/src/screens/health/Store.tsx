/** What is kept, and how many bytes that takes: by signal, by table, and beside the store. */

import { ShardLinks } from "../../parts/ShardLinks";
import { Shown } from "../../parts/States";
import { sayAgo, sayBytes, sayCount } from "../../parts/words";
import { now, readTime } from "../../state/time";
import type { Asked } from "./Health";
import { saySignal } from "./nearness";

/** Rows by table, as a statement of one's own would count them. */
const TABLES = [
	["otel_traces", "Timestamp"],
	["otel_logs", "Timestamp"],
	["otel_metrics_sum", "TimeUnix"],
	["otel_metrics_gauge", "TimeUnix"],
	["otel_metrics_histogram", "TimeUnix"],
	["trilog_events", "Timestamp"],
	["trace_links", "Timestamp"],
	["clew_metrics_gauge", "TimeUnix"],
] as const;

export const STORE_SQL = TABLES.map(
	([table, when]) =>
		`SELECT '${table}' AS table, count() AS rows, min(${when}) AS first, max(${when}) AS last FROM ${table}`,
).join(" UNION ALL ");

export function Store({ of: answer, isTier }: { of: Asked; isTier: boolean }) {
	if (isTier)
		return (
			<section class="panel" aria-label="What is kept">
				<h2>What is kept</h2>
				<p>
					Nothing here: this is a query tier, and its shards have it all. What each of them keeps is
					on its own page: <ShardLinks />
				</p>
			</section>
		);
	return (
		<section class="panel" aria-label="What is kept">
			<h2>What is kept</h2>
			<Shown of={answer}>
				{({ storage }) => (
					<div class="stack">
						<div class="scroll">
							<table class="figures">
								<thead>
									<tr>
										<th>what</th>
										<th class="number">rows</th>
										<th class="number">on disk</th>
										<th class="number minor">indexes</th>
										<th class="number minor">as it came</th>
									</tr>
								</thead>
								<tbody>
									{storage.signals.map((each) => (
										<tr key={each.signal}>
											<td>{saySignal(each.signal)}</td>
											<td class="number">{sayCount(each.rows)}</td>
											<td class="number">{sayBytes(each.bytes)}</td>
											<td class="number soft minor">{sayBytes(each.index_bytes)}</td>
											<td class="number soft minor">{sayBytes(each.uncompressed_bytes)}</td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
						<p class="small soft">
							{sayBytes(storage.bytes)} in all, {sayBytes(storage.log_bytes)} of log
							{storage.registry_bytes !== null &&
								`, ${sayBytes(storage.registry_bytes)} of registry`}
							{storage.disk_free_bytes !== null &&
								`; ${sayBytes(storage.disk_free_bytes)} of disk are left`}
							. Measured {sayAgo(readTime(storage.measured_at) ?? 0, now.value)}.
						</p>
						<details class="small">
							<summary>by table</summary>
							{/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard. */}
							<div class="scroll" tabIndex={0} role="region" aria-label="What is kept, by table">
								<table class="figures">
									<thead>
										<tr>
											<th>table</th>
											<th class="number">rows</th>
											<th class="number">parts</th>
											<th class="number">on disk</th>
											<th class="number">indexes</th>
											<th class="number">as it came</th>
										</tr>
									</thead>
									<tbody>
										{storage.tables.map((each) => (
											<tr key={each.table}>
												<td class="mono">{each.table}</td>
												<td class="number">{sayCount(each.rows)}</td>
												<td class="number">{sayCount(each.parts)}</td>
												<td class="number">{sayBytes(each.bytes)}</td>
												<td class="number soft">{sayBytes(each.index_bytes)}</td>
												<td class="number soft">{sayBytes(each.uncompressed_bytes)}</td>
											</tr>
										))}
									</tbody>
								</table>
							</div>
						</details>
					</div>
				)}
			</Shown>
		</section>
	);
}
