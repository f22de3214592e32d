import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, it, vi } from "vitest";
import { get, lackedBy, unledOf } from "../src/api/client";
import { Hint } from "../src/parts/Hint";
import { Partial } from "../src/parts/States";
import { missingShards, noteLacking, noteUnled } from "../src/state/partial";

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
