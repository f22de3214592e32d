/** Where a server stands among those that keep the same, in words. */

import type { GroupStatus } from "../../api/schema";
import { sayDuration, sayMany } from "../../parts/words";

/** Whether it leads, or whom it follows. */
export function sayPlace(group: GroupStatus): string {
	const epoch = `epoch ${group.epoch ?? 0}`;
	if (group.is_leader) {
		const waits = group.required_acks ? sayMany(group.required_acks, "standby") : "nobody";
		return `This server leads under ${epoch}; what is written waits for ${waits}`;
	}
	const leader = group.leader_url;
	if (!leader || leader === group.url)
		return `This server is a standby, and nobody leads (${epoch})`;
	const behind = group.behind ? `, ${sayMany(group.behind, "frame")} behind` : "";
	return `This server is a standby and follows ${leader} under ${epoch}${behind}`;
}

/** Who holds the lease and for how long yet; nothing where none decides. */
export function sayLease(group: GroupStatus): string | null {
	if (!group.lease) return null;
	if (!group.lease_holder) return `The lease at ${group.lease} was not seen yet`;
	if (group.lease_error) return `The lease at ${group.lease}: ${group.lease_error}`;
	if (!group.lease_seconds_left)
		return `The lease at ${group.lease} is free; ${group.lease_holder} had it last`;
	const left = sayDuration(group.lease_seconds_left * 1000);
	return `The lease at ${group.lease} is held by ${group.lease_holder} for ${left} more`;
}
