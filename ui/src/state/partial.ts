/** Which shards the answers lack that are shown: told once for all panes. */

import { computed, signal } from "@preact/signals";

const lacked = signal<ReadonlyMap<object, readonly string[]>>(new Map());

/** Shards that some answer on the page lacks, by name. */
export const missingShards = computed<readonly string[]>(() =>
	[...new Set([...lacked.value.values()].flat())].sort(),
);

/** Note which shards the answer lacks that a pane shows; none takes the note away. */
export function noteLacking(pane: object, shards: readonly string[]): void {
	const before = lacked.peek();
	if (shards.length === 0 && !before.has(pane)) return;
	const after = new Map(before);
	if (shards.length === 0) after.delete(pane);
	else after.set(pane, shards);
	lacked.value = after;
}
