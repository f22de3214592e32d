/** "Why different?": which values set the spans that are looked at apart from all others. */

import { useRef, useState } from "preact/hooks";
import { get } from "../../api/client";
import type { DifferenceReport } from "../../api/schema";
import { Nothing, Shown } from "../../parts/States";
import { sayCount, saySharePercent } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, params } from "../../state/place";
import { rangeQuery } from "../../state/time";
import { asExpression, type Filters } from "./query";

export function Different({ filters }: { filters: Filters }) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [round, setRound] = useState(0);
	return (
		<>
			<button
				type="button"
				title="Which attributes set these apart from all others"
				onClick={() => {
					setRound(round + 1);
					dialog.current?.showModal();
				}}
			>
				Why different?
			</button>
			<dialog ref={dialog} aria-label="Why different?" style={{ maxWidth: "min(900px, 94vw)" }}>
				<form method="dialog" class="bar">
					<h2 class="grow">Why different?</h2>
					<button type="submit">Close</button>
				</form>
				{round > 0 && (
					<Report filters={filters} round={round} close={() => dialog.current?.close()} />
				)}
			</dialog>
		</>
	);
}

interface ReportProps {
	filters: Filters;
	round: number;
	close: () => void;
}

function Report({ filters, round, close }: ReportProps) {
	const bad = asExpression(filters) || undefined;
	const answer = useAnswer<DifferenceReport>(String(round), (until) =>
		get("/api/v1/diff", { query: { ...rangeQuery(), service: filters.service, bad }, until }),
	);
	return (
		<Shown
			of={answer}
			empty={(report) =>
				report.values.length > 0 ? null : (
					<Nothing title="Nothing sets them apart">
						<p>{report.note ?? "No attribute is more frequent in one than in the other."}</p>
					</Nothing>
				)
			}
		>
			{(report) => (
				<>
					<p>
						<b>{sayCount(report.bad.spans)}</b> spans: {report.bad.description}
						<br />
						<span class="soft">
							against {sayCount(report.good.spans)}: {report.good.description}
						</span>
					</p>
					<table class="apart">
						<thead>
							<tr>
								<th>attribute</th>
								<th>value</th>
								<th>in these</th>
								<th>in the others</th>
								<th>
									<span class="hidden">deeds</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{report.values.map((each) => (
								<tr key={each.filter}>
									<td class="mono">{each.key}</td>
									<td class="mono">{each.value ?? "(not there)"}</td>
									<td>
										<Share share={each.bad_share} kind="bad" />
									</td>
									<td>
										<Share share={each.good_share} kind="good" />
									</td>
									<td>
										<button
											type="button"
											onClick={() => {
												const q = [...params("q").map((one) => `(${one})`), each.filter].join(
													" AND ",
												);
												change({ q });
												close();
											}}
										>
											Show
										</button>
									</td>
								</tr>
							))}
						</tbody>
					</table>
					{report.truncated && (
						<p class="soft small">
							The first {report.count} of {report.total}.
						</p>
					)}
				</>
			)}
		</Shown>
	);
}

function Share({ share, kind }: { share: number; kind: "bad" | "good" }) {
	return (
		<span class={`share ${kind}`}>
			<span style={{ width: `${share * 100}%` }} />
			<em>{saySharePercent(share)}</em>
		</span>
	);
}
