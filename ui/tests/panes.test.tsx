import { type ComponentType, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { App } from "../src/api/schema";
import Team from "../src/screens/team/Team";
import Trace from "../src/screens/trace/Trace";
import { Steer } from "../src/screens/tree/Steer";
import Twin from "../src/screens/twin/Twin";
import { go } from "../src/state/place";
import { now } from "../src/state/time";

type Documents = Record<string, unknown>;

const root = document.createElement("div");

/** What the server answers, by path; what is not named is not found. */
let documents: Documents;
let asked: string[];
/** Of these, what is a look of whoever sits before the page. */
let looks: string[];

beforeEach(() => {
	[documents, asked, looks] = [{}, [], []];
	vi.stubGlobal("fetch", async (url: URL, init?: RequestInit) => {
		asked.push(init?.method === "GET" ? url.pathname : `${init?.method} ${url.pathname}`);
		const headers = init?.headers as Record<string, string> | undefined;
		if (headers?.["x-clew-session"] !== "off") looks.push(url.pathname);
		const found = documents[url.pathname];
		return found === undefined
			? Response.json({ code: "not_found", detail: "none" }, { status: 404 })
			: Response.json(found);
	});
});

afterEach(async () => {
	await act(() => render(null, root));
	vi.unstubAllGlobals();
});

/** Let everything be answered, and what is asked for after that, as often as answers bring questions. */
async function settle(): Promise<void> {
	for (let round = 0; round < 4; round += 1)
		await act(async () => {
			for (let turn = 0; turn < 4; turn += 1) await new Promise((heard) => setTimeout(heard));
		});
}

async function open(Screen: ComponentType, hash: string): Promise<void> {
	now.value = Date.now();
	go(hash);
	await act(() => render(<Screen />, root));
	await settle();
	[asked, looks] = [[], []];
}

/** Let the clock go on, and return what was asked for by it. */
async function tick(ms = 5_000): Promise<string[]> {
	asked = [];
	await act(() => {
		now.value += ms;
	});
	await settle();
	return asked;
}

const ago = (ms: number) => new Date(Date.now() - ms).toISOString();

describe("a trace that is looked at", () => {
	const trace = (ended: string, count = 1) => ({
		trace_id: "t",
		spans: [],
		services: [],
		missing_parents: [],
		start_time: ended,
		end_time: ended,
		count,
		total: count,
	});

	beforeEach(() => {
		documents["/api/v1/logs"] = { logs: [], count: 0 };
		documents["/api/v1/traces/t/comments"] = { comments: [], count: 0 };
	});

	/** Comments have a slower clock of their own. */
	const tickOfTrace = async (ms?: number) =>
		(await tick(ms)).filter((each) => !each.endsWith("/comments"));

	it("is asked for anew with its log records while more of it may come", async () => {
		documents["/api/v1/traces/t"] = trace(ago(1_000));
		await open(Trace, "#/trace/t");
		expect(await tickOfTrace()).toEqual(["/api/v1/traces/t", "/api/v1/logs"]);
		// Nobody looks at the trace again by choosing one of its spans.
		await act(() => go("#/trace/t?span=s"));
		expect(await tickOfTrace()).toEqual(["/api/v1/traces/t", "/api/v1/logs"]);
		expect(looks).toEqual([]);
		// Over: one last look, and no more of them.
		await tick(120_000);
		expect(await tickOfTrace()).toEqual([]);
	});

	it("is asked for until it is there, and not at all when the time is fixed", async () => {
		await open(Trace, "#/trace/t");
		expect(await tick()).toContain("/api/v1/traces/t");
		expect(root.textContent).toContain("none");
		documents["/api/v1/traces/t"] = trace(ago(3_600_000));
		await tick();
		expect(root.textContent).not.toContain("none");
		await tick();
		expect(await tickOfTrace()).toEqual([]);
		documents["/api/v1/traces/t"] = trace(ago(0));
		await open(Trace, "#/trace/t?start=2026-11-21T10:00:00Z&end=2026-11-21T11:00:00Z");
		expect(await tickOfTrace()).toEqual([]);
	});
});

describe("an object of the twin", () => {
	const state = (version: number) => ({
		...{ type: "Cart", id: "c", at: ago(0), exists: true, state: {}, version, warnings: [] },
		...{ updated_at: ago(0), last_event: null },
	});

	it("in its past is asked for anew when something more is known of it", async () => {
		documents["/api/v1/objects/Cart/c"] = state(1);
		documents["/api/v1/objects/Cart/c/timeline"] = { events: [], count: 0 };
		await open(Twin, "#/twin/Cart/c?at=2026-11-21T10:00:00Z");
		// How it is now, and nothing else.
		expect(await tick()).toEqual(["/api/v1/objects/Cart/c"]);
		documents["/api/v1/objects/Cart/c"] = state(2);
		expect((await tick()).toSorted()).toEqual([
			"/api/v1/objects/Cart/c",
			"/api/v1/objects/Cart/c",
			"/api/v1/objects/Cart/c/timeline",
		]);
	});

	it("that runs through phases is followed where its phases are told", async () => {
		const process = { trace_id: "p", type: "order", id: "o", status: "started", phases: [] };
		documents["/api/v1/processes"] = { processes: [process], count: 1 };
		documents["/api/v1/processes/p"] = { processes: [], count: 0 };
		await open(Twin, "#/twin?show=processes&process=p");
		expect(await tick()).toContain("/api/v1/processes/p");
	});
});

describe("a command", () => {
	it("that goes on is told of until it is over", async () => {
		const app = { app_id: "1", app_name: "one", path: ["1"], status: "running", detached: false };
		const target = { app_id: "1", app_name: "one", status: "sent", app_status: "running" };
		const command = (over: boolean) => ({
			...{ correlation_id: "c", action: "pause", over },
			targets: [{ ...target, ack: over || null, error: null }],
		});
		documents["/api/v1/apps/1/control"] = command(false);
		documents["/api/v1/control/c"] = command(false);
		const show = (heard: number) =>
			act(() =>
				render(
					<Steer
						app={app as unknown as App}
						apps={[app as unknown as App]}
						heardOf={() => heard}
						again={() => undefined}
					/>,
					root,
				),
			);
		await show(1);
		await act(() => root.querySelector<HTMLElement>("button")?.click());
		await settle();
		expect(root.textContent).toContain("It goes on.");
		documents["/api/v1/control/c"] = command(true);
		await show(2);
		await settle();
		expect(root.textContent).toContain("1 of 1 confirmed");
		expect(root.textContent).not.toContain("It goes on.");
		asked = [];
		await show(3);
		await settle();
		expect(asked).toEqual([]);
	});
});

describe("a team", () => {
	const status = (round: string, team_id = "1") => ({
		...{ connected: true, team_id, team: "Night watch", link: "online", conflicts: 0 },
		...{ queue: { pending: 0, in_flight: 0, failed: 0, synced: 0, oldest_pending_at: null } },
		...{ accounts: [], last_round: { ended_at: round } },
	});

	it("tells who came in by an invite once that is known here", async () => {
		documents["/api/v1/team"] = status("10:00");
		documents["/api/v1/team/invites"] = { invites: [], count: 0 };
		await open(Team, "#/team/invites");
		expect(await tick()).toEqual(["/api/v1/team"]);
		documents["/api/v1/team"] = status("10:01");
		expect(await tick()).toEqual(["/api/v1/team", "/api/v1/team/invites"]);
	});

	it("that is chosen is the one that is shown, at once", async () => {
		const team = { id: "2", name: "Day watch", role: "owner", members: 1, consents: [] };
		documents["/api/v1/team"] = status("10:00");
		documents["/api/v1/team/teams"] = { teams: [{ ...team, chosen: false }], count: 1 };
		documents["/api/v1/team/members"] = { members: [], count: 0 };
		documents["/api/v1/team/choose"] = {};
		await open(Team, "#/team/members");
		documents["/api/v1/team"] = status("10:00", "2");
		await act(() => root.querySelector<HTMLElement>("li button")?.click());
		await settle();
		expect(asked[0]).toBe("POST /api/v1/team/choose");
		for (const path of ["/api/v1/team", "/api/v1/team/teams", "/api/v1/team/members"])
			expect(asked).toContain(path);
	});
});
