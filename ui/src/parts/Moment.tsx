/** When something of a list was. */

import { now, readTime, window_ } from "../state/time";
import { isOneDay, sayTime } from "./words";

/** The moment, with its day where it is not today's; where there is little room only if days differ. */
export function Moment({ at }: { at: string }) {
	const text = sayTime(readTime(at) ?? 0, now.value);
	const { start, end } = window_.value;
	const [day, clock] = text.includes(" ") ? text.split(" ") : ["", text];
	return (
		<span class="mono soft">
			{day && <span class={isOneDay(start, end) ? "known-day" : ""}>{day} </span>}
			{clock}
		</span>
	);
}
