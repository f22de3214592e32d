/** The values of one field over time: steps where they are numbers, a list otherwise. */

import { addressOf, get } from "../../api/client";
import type { FieldHistory, FieldValue } from "../../api/schema";
import { colour, Drawing, type Rect } from "../../canvas/Drawing";
import { CopyMenu, command } from "../../parts/CopyMenu";
import { Shown } from "../../parts/States";
import { sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { linkTo, param } from "../../state/place";
import { cursor, cursorTime, moveCursor, now, readTime } from "../../state/time";
import { recordedList, recordedTime } from "./state";
import { historySql } from "./statements";

interface FieldChartProps {
	type: string;
	id: string;
	field: string;
	/** Changes when something new is known of the object. */
	heard: string;
	close: () => void;
}

const HEIGHT = 110;

/** Around the line, so that its ends and levels are seen. */
const PAD = 8;

/** How much longer the picture is than from the first value to the last: that one stands as well. */
const TAIL = 1.12;

export function FieldChart({ type, id, field, heard, close }: FieldChartProps) {
	const known = recordedList(param("recorded_at"), cursorTime.value);
	const answer = useAnswer<FieldHistory>(
		`${type}/${id}/${field} ${heard} ${known.recorded_at}`,
		(until) =>
			get("/api/v1/objects/{type}/{id}/history/{field}", {
				in: { type, id, field },
				query: { limit: 1000, distinct: true, ...known },
				until,
			}),
		`${type}/${id}/${field}`,
	);
	return (
		<section class="panel" aria-label={`History of ${field}`}>
			<div class="bar">
				<h2 class="grow">{field}</h2>
				<CopyMenu
					of="this history"
					cli={command(["history", type, id, field], { distinct: true, ...known })}
					url={addressOf(
						"/api/v1/objects/{type}/{id}/history/{field}",
						{ type, id, field },
						{ distinct: true, ...known },
					)}
					sql={historySql(type, id, field, {
						recorded: recordedTime(param("recorded_at"), cursor.value),
					})}
					mcp={{ tool: "field_history", arguments: { type, id, field, distinct: true, ...known } }}
				/>
				<button type="button" onClick={close}>
					Close
				</button>
			</div>
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : (
						<p class="soft">
							{found.warnings?.[0]?.message ??
								(known.recorded_at ? "No value of it was known then." : "It never had a value.")}
						</p>
					)
				}
			>
				{(found) => (
					<>
						{isDrawn(found.values) && (
							<div class="levels">
								<Levels values={found.values} />
								<Drawing<Step>
									label={`${field} over time; the table below has its values`}
									height={HEIGHT}
									layout={(size) => layoutSteps(found.values, size.width, HEIGHT)}
									paint={(context, steps, size) => {
										context.strokeStyle = colour("hue-0");
										context.lineWidth = 2;
										context.beginPath();
										for (const [index, step] of steps.entries()) {
											// Where it had no value the line has a gap.
											if (steps[index - 1]?.index === step.index - 1)
												context.lineTo(step.x, step.y);
											else context.moveTo(step.x, step.y);
											context.lineTo(step.x + step.width, step.y);
										}
										context.stroke();
										paintCursors(context, found.values, size.width);
									}}
									onPick={(step) => step && moveCursor(step.at)}
									of={[found, cursor.value, param("from")]}
								/>
							</div>
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

/** Its highest value and its lowest beside the picture, and the times of its ends below. */
function Levels({ values }: { values: readonly FieldValue[] }) {
	const numbers = values.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
	const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
	const sayEnd = (each: FieldValue | undefined) =>
		sayTime(readTime(each?.at) ?? 0, now.value, { fraction: false });
	return (
		<>
			<p class="level-names mono soft" style={{ height: `${HEIGHT}px` }}>
				{high !== low && <span>{sayFigure(high)}</span>}
				<span>{sayFigure(low)}</span>
			</p>
			<p class="level-times mono soft">
				<span>{sayEnd(values[0])}</span>
				<span>{sayEnd(values.at(-1))}, the last change</span>
			</p>
		</>
	);
}

/** Seven places tell values apart; more leave no room for the line. */
const sayFigure = (value: number) => String(Number(value.toPrecision(7)));

/** Both cursors, where they stand within the values that are drawn. */
function paintCursors(
	context: CanvasRenderingContext2D,
	values: readonly FieldValue[],
	width: number,
): void {
	const first = readTime(values[0]?.at) ?? 0;
	const length = Math.max((readTime(values.at(-1)?.at) ?? first) - first, 1) * TAIL;
	for (const [at, name] of [
		[readTime(param("from")), "accent"],
		[cursor.value, "ink"],
	] as const) {
		if (at === null) continue;
		const share = Math.max(0, Math.min(1, (at - first) / length));
		context.fillStyle = colour(name);
		context.fillRect(PAD + share * (width - 2 * PAD) - 1, 0, 2, HEIGHT);
	}
}

/** Whether its values are figures; where it was taken away it has none. */
function isDrawn(values: readonly FieldValue[]): boolean {
	const told = values.filter((each) => each.value !== null && each.value !== undefined);
	return told.length > 1 && told.every((each) => typeof each.value === "number");
}

interface Step extends Rect {
	/** When it began, as its event told. */
	at: string;
	/** Which value it is. */
	index: number;
}

/** Return a level for each value, from its moment to the next one's. Pure. */
export function layoutSteps(values: readonly FieldValue[], width: number, height: number): Step[] {
	const times = values.map((each) => readTime(each.at) ?? 0);
	const numbers = values.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
	const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
	const first = times[0] ?? 0;
	const length = Math.max((times.at(-1) ?? first) - first, 1) * TAIL;
	const place = (at: number) => ((at - first) / length) * (width - 2 * PAD) + PAD;
	return values.flatMap(({ at, value }, index) => {
		if (typeof value !== "number") return [];
		const next = times[index + 1];
		const x = place(times[index] ?? first);
		const share = high === low ? 0.5 : (value - low) / (high - low);
		return {
			at,
			index,
			x,
			y: PAD + (1 - share) * (height - 2 * PAD),
			width: Math.max(1, (next === undefined ? width - PAD : place(next)) - x),
			height: 2,
		};
	});
}
