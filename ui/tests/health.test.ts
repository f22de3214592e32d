import { describe, expect, it } from "vitest";
import type { GroupStatus, Limit, Loss } from "../src/api/schema";
import { sayLease, sayMember, sayPlace, sayShard } from "../src/screens/health/group";
import {
	foldLimits,
	isShownInTwin,
	SHOWN,
	sayLimits,
	sayUsed,
	sinceStart,
} from "../src/screens/health/nearness";

function limit(title: string, share: number | null): Limit {
	const state = share === null || share < 0.8 ? "ok" : share < 1 ? "near" : "full";
	return {
		name: title,
		title,
		unit: "count",
		used: (share ?? 0.3) * 10,
		max: share === null ? null : 10,
		share,
		state,
		setting: null,
		advice: "",
	};
}

describe("limits", () => {
	it("are told in one sentence, what is full before what is near", () => {
		expect(sayLimits([limit("log", 1.2), limit("memory", 0.9)])).toBe("Full: log");
		expect(sayLimits([limit("log", 0.9), limit("memory", 0.85)])).toBe(
			"Near the limit: log, memory",
		);
		expect(sayLimits([limit("disk", 0.355), limit("log", 0)])).toBe(
			"No limit is near; the nearest is disk at 36 %",
		);
		expect(sayLimits([limit("rate", null)])).toBe("No limit is set");
	});

	it("are folded, but never one that is near", () => {
		const many = Array.from({ length: SHOWN + 3 }, (_, at) => limit(`${at}`, 0.85));
		expect(foldLimits(many)).toEqual([many, []]);
		const far = many.map((each) => ({ ...each, state: "ok" as const }));
		expect(foldLimits(far).map((each) => each.length)).toEqual([SHOWN, 3]);
	});

	it("say what is used of how much", () => {
		expect(sayUsed(limit("log", 0.5))).toBe("5 of 10");
		expect(sayUsed({ ...limit("log", 0.5), unit: "bytes", used: 2048, max: 4096 })).toBe(
			"2 KiB of 4 KiB",
		);
		expect(sayUsed(limit("rate", null))).toBe("3, no limit is set");
	});
});

describe("losses", () => {
	const loss: Loss = {
		signal: "events",
		outcome: "rejected",
		reason: "they break their registry",
		count: 1,
		last_at: null,
	};

	it("of events are shown by the twin one by one", () => {
		expect(isShownInTwin(loss)).toBe(true);
		expect(isShownInTwin({ ...loss, signal: "logs" })).toBe(false);
	});

	it("are looked for since the start, and a little before", () => {
		expect(sinceStart(30)).toBe("2m");
		expect(sinceStart(3601)).toBe("62m");
	});
});

describe("a group of servers", () => {
	const standby: GroupStatus = {
		enabled: true,
		role: "standby",
		is_leader: false,
		url: "http://b",
		epoch: 3,
		leader_url: "http://a",
		behind: 2,
	};

	it("is told as this server's place in it", () => {
		expect(sayPlace(standby)).toBe(
			"This server is a standby and follows http://a under epoch 3, 2 frames behind",
		);
		expect(sayPlace({ ...standby, heard_seconds: 34 })).toBe(
			"This server is a standby; http://a led last, under epoch 3, and is not heard",
		);
		expect(sayPlace({ ...standby, leader_url: "http://b" })).toBe(
			"This server is a standby, and nobody leads (epoch 3)",
		);
		expect(sayPlace({ ...standby, is_leader: true, required_acks: 1 })).toBe(
			"This server leads under epoch 3; what is written waits for 1 standby",
		);
	});

	it("has a lease that is held, or free, or decided by nobody", () => {
		expect(sayLease(standby)).toBeNull();
		const leased = { ...standby, lease: "etcd://c", lease_holder: "http://a" };
		expect(sayLease({ ...leased, lease_seconds_left: 7.5 })).toBe(
			"The lease at etcd://c is held by http://a for 7.5 s more",
		);
		expect(sayLease({ ...leased, lease_seconds_left: 0 })).toBe(
			"The lease at etcd://c is free; http://a had it last",
		);
	});
});

describe("shards", () => {
	const shard = {
		name: "a",
		url: "http://a",
		reachable: true,
		latency_ms: 1,
		newest_frame: 7,
		error: null,
	};

	it("say in a word how they are", () => {
		expect(sayShard(shard)).toEqual({ words: "answers", isWell: true });
		const gone = { ...shard, reachable: false, error: "it is gone" };
		expect(sayShard(gone)).toEqual({ words: "does not answer", isWell: false });
		expect(sayShard({ ...gone, refuses: true }).words).toBe("refuses");
		expect(sayShard({ ...shard, error: "twice" })).toEqual({
			words: "cannot be used",
			isWell: false,
		});
		const member = { url: "http://a", reachable: true };
		expect(sayMember({ ...member, role: "leader", leads: true }).words).toBe("leads");
		expect(sayMember({ ...member, role: "standby" })).toEqual({ words: "standby", isWell: true });
		expect(sayMember({ ...member, reachable: false }).isWell).toBe(false);
	});
});
