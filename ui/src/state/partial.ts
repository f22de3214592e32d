/** Which shards the answers lack that are shown, and which have nobody who leads: told once for all. */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";

type ByPane = Signal<ReadonlyMap<object, readonly string[]>>;

const lacked: ByPane = signal(new Map());
const unled: ByPane = signal(new Map());

/** Shards that some answer on the page lacks, by name. */
export const missingShards = everyName(lacked);

/** Shards that a standby answered for in some answer on the page, by name. */
export const unledShards = everyName(unled);

/** Note which shards the answer lacks that a pane shows; none takes the note away. */
export function noteLacking(pane: object, shards: readonly string[]): void {
	note(lacked, pane, shards);
}

/** Note for which shards a standby gave the answer that a pane shows; none takes the note away. */
export function noteUnled(pane: object, shards: readonly string[]): void {
	note(unled, pane, shards);
}

function everyName(of: ByPane): ReadonlySignal<readonly string[]> {
	return computed(() => [...new Set([...of.value.values()].flat())].sort());
}

function note(of: ByPane, pane: object, shards: readonly string[]): void {
	const before = of.peek();
	if (shards.length === 0 && !before.has(pane)) return;
	const after = new Map(before);
	if (shards.length === 0) after.delete(pane);
	else after.set(pane, shards);
	of.value = after;
}
