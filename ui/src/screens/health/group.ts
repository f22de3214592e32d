/** Where a server stands among those that keep the same, in words. */

import type { GroupStatus, ShardMember, ShardStatus } from "../../api/schema";
import { sayDuration, sayMany } from "../../parts/words";
import { isSilent } from "../../state/standing";

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
	if (isSilent(group))
		return `This server is a standby; ${leader} led last, under ${epoch}, and is not heard`;
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

interface Said {
	words: string;
	isWell: boolean;
}

/** How a shard of one server is. */
export function sayShard(shard: ShardStatus): Said {
	if (shard.refuses) return { words: "refuses", isWell: false };
	if (!shard.reachable) return { words: "does not answer", isWell: false };
	return {
		words: shard.error === null ? "answers" : "cannot be used",
		isWell: shard.error === null,
	};
}

/** How one server of a shard is that is a group. */
export function sayMember(member: ShardMember): Said {
	if (!member.reachable) return { words: "does not answer", isWell: false };
	if (member.leads) return { words: "leads", isWell: true };
	return { words: member.role ?? "has followed nobody yet", isWell: member.role != null };
}
