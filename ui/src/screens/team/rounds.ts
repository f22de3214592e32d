import type { TeamStatus } from "../../api/schema";

/** What names the last round of a status: what was known before it may be known otherwise now. */
export function roundOf(status: TeamStatus): string {
	return status.last_round?.ended_at ?? "";
}

/**
 * What changes whenever something of a team may have: what is done here is in the queue, what others did
 * comes with a round. A round that changes no count changes what came of the tries.
 */
export function heardOf(status: TeamStatus): string {
	const { queue } = status;
	return [
		status.team_id,
		queue.pending,
		queue.in_flight,
		queue.failed,
		queue.synced,
		queue.oldest_pending_at,
		roundOf(status),
	].join(" ");
}
