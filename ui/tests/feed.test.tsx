import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FeedPlace } from "../src/api/events";
import { listen } from "../src/api/events";
import Live from "../src/screens/live/Live";
import { Keeper, type Tree } from "../src/screens/tree/feed";
import { go } from "../src/state/place";

type Answer = () => Response | Promise<Response>;

/** Answers by path, and what was asked for, in order. */
let answers: Record<string, Answer>;
let asked: string[];

beforeEach(() => {
	[answers, asked] = [{}, []];
	vi.stubGlobal("fetch", async (url: URL, init?: RequestInit) => {
		asked.push(url.pathname);
		const response = (await answers[url.pathname]?.()) ?? Response.json({});
		if (init?.signal?.aborted) throw new DOMException("aborted", "AbortError");
		return response;
	});
});

afterEach(() => {
	vi.unstubAllGlobals();
	vi.useRealTimers();
});

/** A live feed that tells what it is given. */
function openFeed(): { response: Response; tell: (text: string) => void } {
	let tell: (text: string) => void = () => undefined;
	const body = new ReadableStream({
		start(stream) {
			tell = (text) => stream.enqueue(new TextEncoder().encode(text));
		},
	});
	return { response: new Response(body), tell: (text) => tell(text) };
}

const count = (path: string) => asked.filter((each) => each === path).length;

describe("the apps of the tree", () => {
	const app = { app_id: "1", path: ["1"], status: "running", ended_at: null, result: null };
	const said = (kind: string, document: object) =>
		`data: ${JSON.stringify([{ id: 1, at: "", kind, app_id: "1", path: [], document }])}\nid: 1\n\n`;
	let told: Omit<Tree, "again"> | undefined;
	let keeper: Keeper;
	let feed: ReturnType<typeof openFeed>;

	beforeEach(async () => {
		vi.useFakeTimers();
		feed = openFeed();
		answers["/api/v1/watch"] = () => feed.response;
		answers["/api/v1/apps"] = () => Response.json({ apps: [app], total: 1 });
		keeper = new Keeper(true, (tree) => {
			told = tree;
		});
		keeper.start();
		feed.tell("event: ready\ndata: {}\nid: 0\n\n");
		await vi.advanceTimersByTimeAsync(1_000);
	});

	afterEach(() => keeper.end());

	it("that could not be read are read anew, though what happens is heard", async () => {
		let status = 503;
		answers["/api/v1/apps/1"] = () =>
			Response.json({ code: "overloaded", detail: "too much" }, { status: 503 });
		answers["/api/v1/apps"] = () =>
			status === 503
				? Response.json({ code: "overloaded" }, { status })
				: Response.json({ apps: [{ ...app, status: "reconnecting" }], total: 1 });
		feed.tell(said("transition", { from: "running", to: "reconnecting" }));
		await vi.advanceTimersByTimeAsync(10_000);
		expect(told?.problem?.code).toBe("overloaded");
		// What happens besides does not make the reading that failed good.
		feed.tell(said("message", { msg_type: "Log" }));
		await vi.advanceTimersByTimeAsync(1_000);
		expect(told?.problem?.code).toBe("overloaded");
		status = 200;
		await vi.advanceTimersByTimeAsync(10_000);
		expect([told?.problem, told?.apps?.[0]?.status]).toEqual([null, "reconnecting"]);
		const before = count("/api/v1/apps");
		await vi.advanceTimersByTimeAsync(60_000);
		expect(count("/api/v1/apps")).toBe(before);
	});

	it("tell of all that happened to one, also what is not in its document", async () => {
		const [before, apps] = [told?.heardOf("1"), told?.apps];
		for (const document of [{ msg_type: "Log" }, { msg_type: "Log" }]) {
			feed.tell(said("message", document));
			await vi.advanceTimersByTimeAsync(1_000);
		}
		const after = told?.heardOf("1");
		expect(after).not.toBe(before);
		expect(told?.heardOf("2")).toBe(before);
		expect(told?.apps).toBe(apps);
		feed.tell(said("command", { action: "pause" }));
		await vi.advanceTimersByTimeAsync(1_000);
		expect(told?.heardOf("1")).not.toBe(after);
		// Between two readings anything may have happened.
		keeper.reload();
		await vi.advanceTimersByTimeAsync(3_000);
		expect(told?.heardOf("2")).not.toBe(before);
	});
});

describe("the live list", () => {
	it("asks for what was before once its feed has begun, so that nothing is between the two", async () => {
		const root = document.createElement("div");
		let open: (response: Response) => void = () => undefined;
		answers["/api/v1/traces/live"] = () =>
			new Promise<Response>((resolve) => {
				open = resolve;
			});
		go("#/live?without=app,log");
		await act(() => render(<Live />, root));
		expect(asked).toEqual(["/api/v1/traces/live"]);
		await act(async () => {
			open(openFeed().response);
			await vi.waitFor(() => expect(asked).toContain("/api/v1/traces"));
		});
		await act(() => render(null, root));
	});

	it("forgets a place that the server does not know, and begins anew", async () => {
		const place: FeedPlace = { id: "41" };
		const listening = (until: AbortSignal) =>
			listen("/api/v1/watch", {}, until, place)[Symbol.asyncIterator]().next();
		answers["/api/v1/watch"] = () => Response.json({ code: "overloaded" }, { status: 429 });
		await expect(listening(new AbortController().signal)).rejects.toThrow();
		expect(place.id).toBe("41");
		answers["/api/v1/watch"] = () => Response.json({ code: "invalid_argument" }, { status: 400 });
		await expect(listening(new AbortController().signal)).rejects.toThrow();
		expect(place.id).toBeUndefined();
	});
});
