import { afterEach, expect, it, vi } from "vitest";
import { lookAtSession, openSession } from "../src/state/session";

afterEach(() => vi.unstubAllGlobals());

it("goes by the newest look at the open session, whatever comes last", async () => {
	const answers: ((sessions: unknown[]) => void)[] = [];
	vi.stubGlobal(
		"fetch",
		() =>
			new Promise((resolve) => answers.push((sessions) => resolve(Response.json({ sessions })))),
	);
	const byTheClock = lookAtSession();
	const afterTheDeed = lookAtSession();
	answers[1]?.([{ id: "begun", kind: "own" }]);
	await afterTheDeed;
	answers[0]?.([]);
	await byTheClock;
	expect(openSession.value?.id).toBe("begun");
});
