/** What came and was not kept, or was kept and not told: of what, why, and when last. */

import { Shown } from "../../parts/States";
import { sayAgo, sayCount } from "../../parts/words";
import { linkTo } from "../../state/place";
import { now, readTime } from "../../state/time";
import type { Asked } from "./Health";
import { isShownInTwin, saySignal, sinceStart } from "./nearness";

export function Losses({ of: answer }: { of: Asked }) {
	return (
		<section class="panel" aria-label="Rejected and dropped">
			<h2>Rejected and dropped since the start</h2>
			<Shown of={answer}>
				{({ losses, process }) =>
					losses.length === 0 ? (
						<p class="good">Nothing was rejected or dropped.</p>
					) : (
						<div class="scroll">
							<table class="figures">
								<thead>
									<tr>
										<th>of</th>
										<th class="number">count</th>
										<th>what and why</th>
										<th>last</th>
									</tr>
								</thead>
								<tbody>
									{losses.map((each) => (
										<tr key={`${each.signal} ${each.outcome} ${each.reason}`}>
											<td>{saySignal(each.signal)}</td>
											<td class="number warn">{sayCount(each.count)}</td>
											<td class="words">
												{isShownInTwin(each) ? (
													// Counted since the start, so that is the time to look at.
													<a
														href={linkTo("twin", [], {
															show: "rejected",
															last: sinceStart(process.uptime_seconds),
															start: null,
															end: null,
														})}
													>
														{each.outcome}: {each.reason}
													</a>
												) : (
													`${each.outcome}: ${each.reason}`
												)}
											</td>
											<td class="soft">
												{each.last_at && sayAgo(readTime(each.last_at) ?? 0, now.value)}
											</td>
										</tr>
									))}
								</tbody>
							</table>
						</div>
					)
				}
			</Shown>
		</section>
	);
}
