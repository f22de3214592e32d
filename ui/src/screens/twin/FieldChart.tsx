/** The values of one field over time: steps where they are numbers, a list otherwise. */

import { get } from "../../api/client";
import type { FieldHistory, FieldValue } from "../../api/schema";
import { colour, Drawing, type Rect } from "../../canvas/Drawing";
import { Shown } from "../../parts/States";
import { sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { linkTo, param } from "../../state/place";
import { cursor, moveCursor, now, readTime } from "../../state/time";

interface FieldChartProps {
	type: string;
	id: string;
	field: string;
	/** Of the object as it is shown; another one asks anew. */
	version: number;
	close: () => void;
}

const HEIGHT = 110;

/** Around the line, so that its ends and levels are seen. */
const PAD = 8;

export function FieldChart({ type, id, field, version, close }: FieldChartProps) {
	const answer = useAnswer<FieldHistory>(`${type}/${id}/${field} ${version}`, (until) =>
		get("/api/v1/objects/{type}/{id}/history/{field}", {
			in: { type, id, field },
			query: { limit: 1000, distinct: true },
			until,
		}),
	);
	return (
		<section class="panel" aria-label={`History of ${field}`}>
			<div class="bar">
				<h2 class="grow">{field}</h2>
				<button type="button" onClick={close}>
					Close
				</button>
			</div>
			<Shown
				of={answer}
				empty={(found) => (found.count > 0 ? null : <p class="soft">It never had a value.</p>)}
			>
				{(found) => (
					<>
						{found.values.every((each) => typeof each.value === "number") &&
							found.values.length > 1 && (
								<Drawing<Step>
									label={`${field} over time; the table below has its values`}
									height={HEIGHT}
									layout={(size) => layoutSteps(found.values, size.width, HEIGHT)}
									paint={(context, steps, size) => {
										context.strokeStyle = colour("hue-0");
										context.lineWidth = 2;
										context.beginPath();
										for (const step of steps) {
											context.lineTo(step.x, step.y);
											context.lineTo(step.x + step.width, step.y);
										}
										context.stroke();
										paintCursors(context, found.values, size.width);
									}}
									onPick={(step) => step && moveCursor(step.at)}
									of={[found, cursor.value, param("from")]}
								/>
							)}
						<table>
							<tbody>
								{found.values.toReversed().map((each) => (
									<tr key={each.event_id}>
										<td class="mono soft">{sayTime(readTime(each.at) ?? 0, now.value)}</td>
										<td class="mono">
											<pre>{sayValue(each.value)}</pre>
										</td>
										<td>
											{each.trace_id && (
												<a href={linkTo("trace", [each.trace_id], { span: each.span_id })}>
													set by
												</a>
											)}
										</td>
									</tr>
								))}
							</tbody>
						</table>
					</>
				)}
			</Shown>
		</section>
	);
}

/** Both cursors, where they stand within the values that are drawn. */
function paintCursors(
	context: CanvasRenderingContext2D,
	values: readonly FieldValue[],
	width: number,
): void {
	const first = readTime(values[0]?.at) ?? 0;
	const length = Math.max((readTime(values.at(-1)?.at) ?? first) - first, 1);
	for (const [at, name] of [
		[readTime(param("from")), "accent"],
		[cursor.value, "focus"],
	] as const) {
		if (at === null) continue;
		const share = Math.max(0, Math.min(1, (at - first) / length));
		context.fillStyle = colour(name);
		context.fillRect(PAD + share * (width - 2 * PAD) - 1, 0, 2, HEIGHT);
	}
}

interface Step extends Rect {
	at: number;
}

/** Return a level for each value, from its moment to the next one's. Pure. */
export function layoutSteps(values: readonly FieldValue[], width: number, height: number): Step[] {
	const times = values.map((each) => readTime(each.at) ?? 0);
	const numbers = values.map((each) => Number(each.value));
	const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
	const first = times[0] ?? 0;
	const length = Math.max((times.at(-1) ?? first) - first, 1);
	const pad = PAD;
	return values.map((_, at) => {
		const x = (((times[at] ?? 0) - first) / length) * (width - 2 * pad) + pad;
		const next = times[at + 1];
		const right = next === undefined ? width : ((next - first) / length) * (width - 2 * pad) + pad;
		const share = high === low ? 0.5 : ((numbers[at] ?? 0) - low) / (high - low);
		return {
			at: times[at] ?? 0,
			x,
			y: pad + (1 - share) * (height - 2 * pad),
			width: Math.max(1, right - x),
			height: 2,
		};
	});
}
