import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../src/api/client";
import { noteHeard, noteLost } from "../src/api/reach";
import { type Answer, useAnswer } from "../src/state/answer";
import { go } from "../src/state/place";

interface Asking {
	key: string;
	until: AbortSignal;
	answer: (data: string) => Promise<void>;
	refuse: (problem: Problem) => Promise<void>;
}

let asked: Asking[] = [];
let seen: string[] = [];
let root: HTMLElement;
let current: Answer<string> & { again: () => void };

beforeEach(() => {
	[asked, seen, root] = [[], [], document.createElement("div")];
});

afterEach(() => act(() => render(null, root)));

function Pane({ of, about }: { of: string | null; about: string }) {
	const answer = useAnswer<string>(
		of,
		(until) =>
			new Promise((resolve, reject) => {
				const settle = (done: () => void) =>
					act(async () => {
						done();
						// Until whoever waits for it has heard.
						await new Promise((heard) => setTimeout(heard));
					});
				asked.push({
					key: of ?? "",
					until,
					answer: (data) => settle(() => resolve(data)),
					refuse: (problem) => settle(() => reject(problem)),
				});
			}),
		about,
	);
	current = answer;
	seen.push(`${about} ${of}: ${answer.status} ${answer.data ?? answer.problem?.code ?? ""}`.trim());
	return null;
}

const show = (of: string | null, about = "") =>
	act(() => render(<Pane of={of} about={about} />, root));
const keys = () => asked.map((each) => each.key);
const refused = (code: string) => new Problem(code, "no", 0);

describe("an answer", () => {
	it("is never shown as that to another question, not for a moment", async () => {
		await show("1", "one");
		await asked[0]?.answer("of one");
		seen = [];
		await show("2", "two");
		await asked.at(-1)?.answer("of two");
		expect(seen.filter((each) => each.startsWith("two") && each.includes("of one"))).toEqual([]);
		expect(seen.at(-1)).toBe("two 2: ready of two");
		seen = [];
		await show("3", "two");
		expect(seen.filter((each) => each.includes("ready"))).toEqual([]);
	});

	it("is not ended by the clock, which would end it each time", async () => {
		await show("1");
		for (const tick of ["2", "3", "4"]) await show(tick);
		expect(keys()).toEqual(["1"]);
		expect(asked[0]?.until.aborted).toBe(false);
		await asked[0]?.answer("of 1");
		// It is from before, and what is to be known now is asked at once.
		expect([current.status, current.data]).toEqual(["stale", "of 1"]);
		expect(keys()).toEqual(["1", "4"]);
		await asked[1]?.answer("of 4");
		expect([current.status, current.data]).toEqual(["ready", "of 4"]);
	});

	it("is ended by whoever wants something else, and by a deed", async () => {
		await show("1");
		go("#/find?status=error");
		await show("2");
		expect(asked[0]?.until.aborted).toBe(true);
		await act(() => current.again());
		expect(keys()).toEqual(["1", "2", "2"]);
		expect(asked[1]?.until.aborted).toBe(true);
		// The one that was ended comes after all, and later than the other.
		await asked[2]?.answer("after the deed");
		await asked[1]?.answer("before the deed");
		expect([current.status, current.data]).toEqual(["ready", "after the deed"]);
	});

	it("that failed says so until there is one, however often the page asks by itself", async () => {
		await show("1");
		await asked[0]?.refuse(refused("timeout"));
		await show("2");
		expect([current.status, current.problem?.code]).toEqual(["failed", "timeout"]);
		await asked[1]?.answer("of 2");
		await show("3");
		await asked[2]?.refuse(refused("timeout"));
		await show("4");
		expect([current.status, current.data, current.problem?.code]).toEqual([
			"stale",
			"of 2",
			"timeout",
		]);
		await act(() => current.again());
		expect(current.problem).toBeUndefined();
	});

	it("stays while nothing is asked, and the one on its way still comes", async () => {
		await show("1");
		await show(null);
		await asked[0]?.answer("of 1");
		expect([current.status, current.data]).toEqual(["ready", "of 1"]);
		await show("2");
		expect(keys()).toEqual(["1", "2"]);
	});

	it("is renewed when the server is back, known or not, in whatever order that is heard", async () => {
		await show("1");
		await asked[0]?.answer("before");
		await act(() => {
			noteLost(new URL("http://127.0.0.1:9/healthz"));
			noteHeard();
		});
		expect(keys()).toEqual(["1", "1"]);
		// It is back before this one hears that it was away.
		await asked[1]?.refuse(refused("unreachable"));
		expect(keys()).toHaveLength(3);
		await asked.at(-1)?.answer("after");
		expect([current.status, current.data]).toEqual(["ready", "after"]);
	});
});
