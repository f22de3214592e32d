import type { TeamStatus } from "../../api/schema";

/** What names the last round of a status: what was known before it may be known otherwise now. */
export function roundOf(status: TeamStatus): string {
	return status.last_round?.ended_at ?? "";
}
