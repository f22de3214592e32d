/** The slowest traces of a range, of however many there are. Pure but for what it asks by. */

import type { TraceList } from "../../api/schema";

/** Each leaves a quarter: enough for thirty million traces. */
const ROUNDS_MAX = 8;
const LEFT = 0.25;

/**
 * Return the slowest traces. The server gives the newest, so the least duration is raised until all that
 * took as long fit into one answer. `ask` is for traces with a span of at least so many milliseconds.
 */
export async function findSlowest(
	ask: (least: number) => Promise<TraceList>,
	from = 0,
): Promise<TraceList> {
	let least = from;
	let found = await ask(least);
	for (let round = 0; round < ROUNDS_MAX && found.next != null; round += 1) {
		const took = found.traces.map((each) => each.duration_ms).sort((one, other) => other - one);
		const wanted = took[Math.floor(took.length * LEFT)] ?? 0;
		// As many as that took equally long: they are as slow as any.
		if (wanted <= least) break;
		least = wanted;
		found = await ask(least);
	}
	return found;
}
