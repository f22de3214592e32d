/** What was known at the moment that is looked at: the switch, and what it leaves out. */

import { useEffect } from "preact/hooks";
import type { TimelineEvent } from "../../api/schema";
import { sayMany, sayTime } from "../../parts/words";
import { addKeys } from "../../state/keys";
import { change, param } from "../../state/place";
import { now } from "../../state/time";
import { isLate, recordedTime, THEN, unheardOf } from "./state";

/** Turns it on and off; where no event came late both are the same, and it is not seen. */
export function KnownSwitch({ events }: { events: readonly TimelineEvent[] }) {
	const isOn = param("recorded_at") !== null;
	const isShown = isOn || events.some(isLate);
	useEffect(() => {
		if (!isShown) return;
		return addKeys([{ keys: "t", what: "What was known then, or all that is", act: turn }]);
	}, [isShown]);
	// Its place is kept: events come after the head, and nothing in it is to move then.
	return (
		<label
			style={{ visibility: isShown ? "visible" : "hidden" }}
			title="Only what the server had taken in by that moment counts (t)"
		>
			<input type="checkbox" checked={isOn} onChange={turn} /> What was known then
		</label>
	);
}

function turn(): void {
	change({ recorded_at: param("recorded_at") === null ? THEN : null }, { replace: true });
}

/** Says what is left out of the state at the cursor. */
export function KnownNote({ events, at }: { events: readonly TimelineEvent[]; at: number | null }) {
	const text = param("recorded_at");
	if (text === null) return null;
	const recorded = recordedTime(text, at);
	if (recorded === null)
		return (
			<p class="soft known">
				Now is as it is known now: move the cursor to see what was known then.
			</p>
		);
	const unheard = unheardOf(events, at ?? now.value, recorded).length;
	return (
		<p class="soft known">
			As known {text === THEN ? "then" : `at ${sayTime(recorded, now.value)}`}:{" "}
			{unheard === 0
				? "of what had happened, all had come."
				: `without ${sayMany(unheard, "event")} that had happened and came later.`}
		</p>
	);
}
