/** "Why different?": which values set the spans that are looked at apart from all others. */

import { useEffect, useRef } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { DifferenceReport, TraceSummary } from "../../api/schema";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { Nothing, Shown } from "../../parts/States";
import { sayDuration, sayMany, saySharePercent, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, param, params } from "../../state/place";
import { now, rangeQuery, writeTime } from "../../state/time";
import { asExpression, type Filters } from "./query";
import { askAbout, type Box } from "./scatter";

/** Below so many spans hardly anything differs by more than chance. */
const FEW = 10;

interface DifferentProps {
	filters: Filters;
	traces: readonly TraceSummary[];
	/** What was drawn around in the picture; else all that was found is meant. */
	box: Box | null;
}

export function Different({ filters, traces, box }: DifferentProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const isOpen = param("why") === "true";
	useEffect(() => {
		if (isOpen && !dialog.current?.open) dialog.current?.showModal();
		if (!isOpen && dialog.current?.open) dialog.current.close();
	}, [isOpen]);
	return (
		<>
			<button
				type="button"
				class={box === null ? "" : "primary"}
				title="Which attributes set these apart from all others"
				onClick={() => change({ why: "true" })}
			>
				Why different?
			</button>
			<dialog
				ref={dialog}
				aria-label="Why different?"
				class="why"
				onClose={() => change({ why: null }, { replace: true })}
			>
				{isOpen && <Report filters={filters} traces={traces} box={box} />}
			</dialog>
		</>
	);
}

function Report({ filters, traces, box }: DifferentProps) {
	const asked = box === null ? null : askAbout(box, traces, filters);
	const bad = (asked === null ? asExpression(filters) : asked.bad) || undefined;
	const time = asked?.time
		? { start: writeTime(asked.time.start), end: writeTime(asked.time.end) }
		: rangeQuery();
	const query = { ...time, service: filters.service, bad };
	// Asked once for what was chosen: a range that moves on would move the answer under the eye.
	const answer = useAnswer<DifferenceReport>(
		JSON.stringify([filters, box]),
		(until) => get("/api/v1/diff", { query, until }),
		"why",
	);
	return (
		<>
			<form method="dialog" class="bar">
				<h2 class="grow">Why different?</h2>
				<CopyMenu
					cli={command(["diff"], query)}
					url={addressOf("/api/v1/diff", {}, query)}
					mcp={{ tool: "diff", arguments: query }}
				/>
				<button type="submit">Close</button>
			</form>
			<Shown
				of={answer}
				empty={(report) =>
					report.values.length > 0 ? null : (
						<Nothing title="Nothing sets them apart">
							<p>
								{report.good.spans === 0
									? (report.note ?? "There are no others to compare with.")
									: `${sayMany(report.bad.spans, "span")} and ${sayMany(report.good.spans, "other")} were compared: no value of an attribute is in one of them so much more often that it could not be chance.`}
							</p>
							{report.bad.spans < FEW && <p>Among so few little can be told: choose more.</p>}
						</Nothing>
					)
				}
			>
				{(report) => (
					<>
						<p>
							<b>{sayMany(report.bad.spans, "span")}</b>:{" "}
							{box ? sayBox(box) : report.bad.description}
							<br />
							<span class="soft">
								compared with {sayMany(report.good.spans, "span")}:{" "}
								{box ? "all others in this time" : report.good.description}
							</span>
						</p>
						<table class="apart cards">
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
										<td class="mono words">{each.value ?? "(not there)"}</td>
										<td data-label="in these">
											<Share share={each.bad_share} kind="bad" />
										</td>
										<td data-label="in the others">
											<Share share={each.good_share} kind="good" />
										</td>
										<td>
											<button
												type="button"
												title="Narrow the list to these"
												onClick={() => {
													const q = [...params("q").map((one) => `(${one})`), each.filter].join(
														" AND ",
													);
													change({ q, why: null, box: null });
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
		</>
	);
}

function sayBox({ start, end, low, high }: Box): string {
	const [from, to] = [start, end].map((at) => sayTime(at, now.value, { fraction: false }));
	return `of the traces that took ${sayDuration(low)} to ${sayDuration(high)}, from ${from} to ${to}`;
}

function Share({ share, kind }: { share: number; kind: "bad" | "good" }) {
	return (
		<span class={`share ${kind}`}>
			<span>
				<span style={{ width: `${share * 100}%` }} />
			</span>
			<em>{saySharePercent(share)}</em>
		</span>
	);
}
