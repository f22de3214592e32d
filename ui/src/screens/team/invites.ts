/** How an invite stands, and what may be done to a member. Pure. */

import type { InviteHead, MemberHead } from "../../api/schema";
import { readTime } from "../../state/time";

export type InviteState = "open" | "used up" | "ended" | "taken back";

export function stateOf(invite: InviteHead, now: number): InviteState {
	if (invite.revoked) return "taken back";
	if (invite.uses >= invite.uses_max) return "used up";
	return (readTime(invite.expires_at) ?? 0) <= now ? "ended" : "open";
}

/** The roles that one may give a member; none where it is not ours to say. The server decides. */
export function rolesFor(mine: string | null, member: MemberHead, isMe: boolean): string[] {
	if (mine === "owner") return isMe ? [] : ["owner", "admin", "member"];
	if (mine === "admin" && member.role !== "owner" && !isMe) return ["admin", "member"];
	return [];
}
