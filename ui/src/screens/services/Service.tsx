/** One service: its operations, each with how much, how fast and how well. */

import { addressOf, get } from "../../api/client";
import type { ClewTelemetryDocumentsOperationList as OperationList } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, sayDuration, saySharePercent } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { linkTo } from "../../state/place";
import { rangeQuery, slowRangeKey } from "../../state/time";

const LIMIT = 500;

export function Service({ service }: { service: string }) {
	const query = { ...rangeQuery(), limit: LIMIT };
	const answer = useAnswer<OperationList>(slowRangeKey.value, (until) =>
		get("/api/v1/services/{service}/operations", { in: { service }, query, until }),
	);
	return (
		<>
			<Head
				title={service}
				copies={{
					cli: command(["services", service], rangeQuery()),
					url: addressOf("/api/v1/services/{service}/operations", { service }, query),
					mcp: { tool: "services", arguments: { service, ...rangeQuery() } },
				}}
			>
				<a class="button" href={linkTo("services")}>
					All services
				</a>
				<a class="button" href={linkTo("find", [], { service })}>
					Its traces
				</a>
				<a class="button" href={linkTo("find", [], { service, show: "logs" })}>
					Its logs
				</a>
			</Head>
			<main class="main">
				<Shown
					of={answer}
					empty={(found) =>
						found.count > 0 ? null : (
							<Nothing title={`${service} sent no span in this time`}>
								<SendData />
							</Nothing>
						)
					}
				>
					{(found) => (
						<div class="scroll">
							<table class="figures cards" aria-label={`Operations of ${service}`}>
								<thead>
									<tr>
										<th>operation</th>
										<th>kind</th>
										<th class="number">spans</th>
										<th class="number">failed</th>
										<th class="number">on average</th>
										<th class="number">p50</th>
										<th class="number">p95</th>
										<th class="number">p99</th>
									</tr>
								</thead>
								<tbody>
									{found.operations.map((each) => {
										const narrowed = { service, operation: each.operation };
										return (
											<tr key={`${each.kind} ${each.operation}`}>
												<td class="words">
													<a href={linkTo("find", [], { ...narrowed, show: "spans" })}>
														{each.operation}
													</a>
												</td>
												<td class="soft" data-label="kind">
													{each.kind}
												</td>
												<td class="number" data-label="spans">
													{sayCount(each.span_count)}
												</td>
												<td class="number" data-label="failed">
													{each.error_count === 0 ? (
														<span class="soft">none</span>
													) : (
														<a
															class="bad"
															href={linkTo("find", [], {
																...narrowed,
																show: "spans",
																status: "error",
															})}
														>
															{saySharePercent(each.error_rate)}
														</a>
													)}
												</td>
												<td class="number" data-label="on average">
													{sayDuration(each.avg_duration_ms)}
												</td>
												<td class="number" data-label="p50">
													{sayDuration(each.p50_ms)}
												</td>
												<td class="number" data-label="p95">
													{sayDuration(each.p95_ms)}
												</td>
												<td class="number" data-label="p99">
													{sayDuration(each.p99_ms)}
												</td>
											</tr>
										);
									})}
								</tbody>
							</table>
							{found.truncated && (
								<p class="soft small">
									The first {found.count} of {found.total}.
								</p>
							)}
						</div>
					)}
				</Shown>
			</main>
		</>
	);
}
