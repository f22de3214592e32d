import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, it, vi } from "vitest";
import { get, lackedBy, unledOf } from "../src/api/client";
import type { GroupStatus } from "../src/api/schema";
import { Hint } from "../src/parts/Hint";
import { SendData } from "../src/parts/SendData";
import { Partial, Place } from "../src/parts/States";
import { missingShards, noteLacking, noteUnled } from "../src/state/partial";
import { standing, tellStanding } from "../src/state/standing";

afterEach(() => vi.unstubAllGlobals());

it("tells the shards that what is shown lacks, until it lacks none", async () => {
	const root = document.createElement("div");
	const [one, other] = [{}, {}];
	await act(() => render(<Partial />, root));
	const status = root.querySelector("[role=status]");
	expect(status?.textContent).toBe("");
	await act(() => {
		noteLacking(one, ["b"]);
		noteLacking(other, ["b", "a"]);
	});
	expect(missingShards.value).toEqual(["a", "b"]);
	expect(status?.textContent).toContain("These shards do not answer: a, b.");
	await act(() => noteLacking(other, []));
	expect(status?.textContent).toContain("This shard does not answer: b.");
	await act(() => noteUnled(other, ["b", "a"]));
	expect(status?.textContent).toContain(
		"for this shard, or a server that has just begun to lead: a.",
	);
	await act(() => noteLacking(one, []));
	expect(status?.textContent).toContain(
		"for these shards, or a server that has just begun to lead: a, b.",
	);
	await act(() => noteUnled(other, []));
	expect(status?.textContent).toBe("");
});

it("knows them by the head of an answer, whoever asked for it", async () => {
	const answers = [{ "x-clew-partial": "b, c", "x-clew-standby": "a" }, {}];
	vi.stubGlobal("fetch", async () => Response.json({}, { headers: answers.shift() ?? {} }));
	const [partial, whole] = [new AbortController().signal, new AbortController().signal];
	await get("/api/v1/services", { until: partial });
	await get("/api/v1/services", { until: whole });
	expect([lackedBy(partial), lackedBy(whole)]).toEqual([["b", "c"], []]);
	expect([unledOf(partial), unledOf(whole)]).toEqual([["a"], []]);
});

it("shows what can be typed of a hint as such, and a single backtick as one", async () => {
	const root = document.createElement("div");
	await act(() => render(<Hint text="`clew objects` lists them, `clew rejected` others" />, root));
	expect([...root.querySelectorAll("code")].map((each) => each.textContent)).toEqual([
		"clew objects",
		"clew rejected",
	]);
	expect(root.textContent).toBe("clew objects lists them, clew rejected others");
	await act(() => render(<Hint text="an ` alone" />, root));
	expect(root.innerHTML).toBe("an ` alone");
});

const STANDBY: GroupStatus = {
	enabled: true,
	role: "standby",
	is_leader: false,
	url: "http://b:7701",
	leader_url: "http://a:7701",
	heard_seconds: 0.4,
};

it("says on a standby where what is written goes, with a link to the same place there", async () => {
	const root = document.createElement("div");
	window.location.hash = "#/tree";
	standing.value = { group: STANDBY, shards: null };
	await act(() => render(<Place />, root));
	expect(root.textContent).toContain("takes nothing that is written. Its leader: http://a:7701");
	expect(root.querySelector("a")?.href).toBe("http://a:7701/#/tree");
	await act(() => render(<SendData />, root));
	expect(root.textContent).toContain("where the leader is: export CLEW_SERVER=http://a:7701");
	standing.value = { group: { ...STANDBY, is_leader: true, settled: true }, shards: null };
	await act(() => render(<Place />, root));
	expect(root.textContent).toBe("");
	standing.value = { group: null, shards: null };
});

it("says on a standby that its leader is not heard, since when, and whom to promote", () => {
	const silent = tellStanding({ ...STANDBY, heard_seconds: 240, detail: "a snapshot is needed" });
	expect(silent?.what).toContain("its leader is not heard");
	expect(silent?.more).toContain("was last heard 4 min 0 s ago");
	expect(silent?.more).toContain("A snapshot is needed.");
	expect(silent?.more).toContain("`clew servers --server http://b:7701` says whom to promote");
	const leased = tellStanding({ ...STANDBY, heard_seconds: null, lease: "postgresql://x" });
	expect(leased?.more).toContain("has not been heard yet");
	expect(leased?.more).not.toContain("promote");
	const nobody = tellStanding({ ...STANDBY, leader_url: null });
	expect([nobody?.leader, nobody?.what]).toEqual([
		null,
		"This server is a standby, and nobody leads.",
	]);
	expect(nobody?.more).toContain("taken. `clew servers --server");
	const begun = tellStanding({ ...STANDBY, is_leader: true, settled: false });
	expect(begun?.what).toBe("This server has just begun to lead.");
});

it("sends whoever has data from a query tier to its shards", async () => {
	const shards = [
		{ name: "a", url: "http://a:7701" },
		{ name: "g", url: "http://g2:7701", leader: "http://g1:7701" },
	];
	vi.stubGlobal("fetch", async () => Response.json({ shards }));
	standing.value = { group: null, shards: ["a", "g"] };
	const root = document.createElement("div");
	await act(() => render(<SendData />, root));
	await vi.waitFor(() => expect(root.querySelectorAll("a")).toHaveLength(2));
	expect(root.textContent).toContain("takes nothing in. Send it to a shard");
	expect([...root.querySelectorAll("a")].map((each) => new URL(each.href).host)).toEqual([
		"a:7701",
		"g1:7701",
	]);
	standing.value = { group: null, shards: null };
});
