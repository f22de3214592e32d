/** What this server is among others: alone, one that leads, a standby of a group, a tier over shards. */

import { effect, signal } from "@preact/signals";
import { get, Problem } from "../api/client";
import { role } from "../api/reach";
import type { GroupStatus, Readiness } from "../api/schema";
import { sayDuration } from "../parts/words";

/** Who leads may be another one soon, and how long ago it was heard grows. */
const LOOK_EVERY_MS = 5_000;

/** From when on a leader may be gone: it says something every second or so. */
const SILENT_SECONDS = 10;

/** Names of shards where it is a query tier, its place where it is one of a group; neither while unknown. */
export interface Standing {
	group: GroupStatus | null;
	shards: readonly string[] | null;
}

export const standing = signal<Standing>({ group: null, shards: null });

/** Ask whether the server is ready: 503 with the reasons is an answer, nothing at all is none. */
export async function askReadiness(until: AbortSignal): Promise<Readiness> {
	try {
		return await get("/readyz", { until });
	} catch (error) {
		const said = error instanceof Problem && error.status === 503 ? error.document : undefined;
		if (said === null || typeof said !== "object" || !("checks" in said)) throw error;
		return said as Readiness;
	}
}

/** Keep it known while the page is seen; the answer ends it. */
export function watchStanding(): () => void {
	const gone = new AbortController();
	const look = async () => {
		try {
			const { group, shards } = await askReadiness(gone.signal);
			standing.value = { group: group ?? null, shards: shards ?? null };
		} catch {
			// What it was holds until it says another thing; that nobody answers is told elsewhere.
		}
	};
	// A server of a group says with every answer what it is.
	const forget = effect(() => {
		role.value;
		void look();
	});
	const timer = window.setInterval(() => {
		if (standing.peek().group !== null && !document.hidden) void look();
	}, LOOK_EVERY_MS);
	return () => {
		forget();
		gone.abort();
		window.clearInterval(timer);
	};
}

/** Whether the leader of a standby said nothing for so long that it may be gone. */
export function isSilent({ heard_seconds: heard }: GroupStatus): boolean {
	return heard != null && heard > SILENT_SECONDS;
}

export interface Told {
	what: string;
	more: string;
	/** Where what is written goes, as far as that is known. */
	leader: string | null;
}

/** Say what a server of a group does not do now; null where it leads and all is well. */
export function tellStanding(group: GroupStatus): Told | null {
	if (group.is_leader) {
		if (group.settled !== false) return null;
		return {
			what: "This server has just begun to lead.",
			more: "What was acknowledged last is shown as soon as enough of the others are there.",
			leader: null,
		};
	}
	const leader = group.leader_url && group.leader_url !== group.url ? group.leader_url : null;
	const heard = group.heard_seconds ?? null;
	const why = group.detail ? ` ${sentence(group.detail)}` : "";
	if (leader !== null && heard !== null && !isSilent(group))
		return {
			what: "This server is a standby.",
			more: `It answers questions, and takes nothing that is written.${why}`,
			leader,
		};
	const then = group.lease
		? "Another one takes over by itself once its lease has ended."
		: `If it is gone, \`clew servers --server ${group.url}\` says whom to promote.`;
	if (leader === null)
		return {
			what: "This server is a standby, and nobody leads.",
			more: `Nothing that is written is taken.${why} ${then.replace("If it is gone, ", "")}`,
			leader,
		};
	const since =
		heard === null
			? "has not been heard yet"
			: `was last heard ${sayDuration(Math.round(heard) * 1000)} ago`;
	return {
		what: "This server is a standby, and its leader is not heard.",
		more: `It ${since}: what was written since is not shown, and nothing is taken here.${why} ${then}`,
		leader,
	};
}

function sentence(text: string): string {
	return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
