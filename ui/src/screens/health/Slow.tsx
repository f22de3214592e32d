/** Questions that were slow or failed: the slowest of all, or the newest of them. */

import { useState } from "preact/hooks";
import type { SlowQuestion } from "../../api/schema";
import { Shown } from "../../parts/States";
import { sayDuration, sayMany, sayTime } from "../../parts/words";
import { change, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import type { Asked } from "./Health";

const ORDERS = ["slowest", "newest"] as const;

export function Slow({ of: answer }: { of: Asked }) {
	const order = param("slow") === "newest" ? "newest" : "slowest";
	return (
		<section class="panel" aria-label="Slow questions">
			<h2>Slow and failed questions</h2>
			<Shown of={answer}>
				{({ questions }) => (
					<div class="stack">
						<p class="bar">
							<span class="soft">
								{sayMany(questions.seen, "question")} since the start took{" "}
								{sayDuration(questions.threshold_ms)} or longer, or failed
							</span>
							{questions.seen > 0 &&
								ORDERS.map((each) => (
									<button
										type="button"
										key={each}
										aria-pressed={each === order}
										onClick={() => change({ slow: each === "newest" ? each : null })}
									>
										{each}
									</button>
								))}
						</p>
						{questions.seen > 0 && <Listed questions={questions[order]} />}
					</div>
				)}
			</Shown>
		</section>
	);
}

/** So many are shown before somebody asks for the others. */
const FIRST = 10;

function Listed({ questions }: { questions: SlowQuestion[] }) {
	const [isWhole, setWhole] = useState(false);
	const shown = isWhole ? questions : questions.slice(0, FIRST);
	return (
		<>
			<Table questions={shown} />
			{questions.length > FIRST && (
				<div>
					<button type="button" onClick={() => setWhole(!isWhole)}>
						{isWhole ? `The first ${FIRST}` : `All ${questions.length}`}
					</button>
				</div>
			)}
		</>
	);
}

/** Whether it failed for a reason of the server. */
const isFault = (status: number) => status >= 500 || status === 429;

function Table({ questions }: { questions: SlowQuestion[] }) {
	return (
		// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard.
		<div class="scroll" tabIndex={0} role="region" aria-label="Slow questions, one by one">
			<table class="figures">
				<thead>
					<tr>
						<th class="number">took</th>
						<th class="number">status</th>
						<th>when</th>
						<th>route</th>
						<th>by</th>
						<th>what was asked</th>
					</tr>
				</thead>
				<tbody>
					{questions.map((each, at) => (
						<tr key={`${each.at} ${at}`}>
							<td class="number">{sayDuration(each.duration_ms)}</td>
							<td class={`number ${isFault(each.status) ? "bad" : "soft"}`}>{each.status}</td>
							<td class="soft">
								{sayTime(readTime(each.at) ?? 0, now.value, { fraction: false })}
							</td>
							<td class="mono">
								{each.method} {each.route}
							</td>
							<td class="soft">{each.caller ?? "somebody else"}</td>
							<td class="mono asked" title={each.asked ?? undefined}>
								{each.asked ?? ""}
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
