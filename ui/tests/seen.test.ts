import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { listen } from "../src/api/events";
import { UNSEEN_MS } from "../src/api/seen";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
	show(true);
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

function show(isSeen: boolean): void {
	Object.defineProperty(document, "hidden", { configurable: true, value: !isSeen });
	document.dispatchEvent(new Event("visibilitychange"));
}

/** A feed that says one thing each time that it is opened, and then nothing; what was asked, and its end. */
function openFeed() {
	const asked: { id: string | null; until: AbortSignal }[] = [];
	vi.stubGlobal("fetch", async (_: URL, { headers, signal }: RequestInit) => {
		const id = new Headers(headers).get("last-event-id");
		asked.push({ id, until: signal as AbortSignal });
		const body = new ReadableStream({
			start(controller) {
				controller.enqueue(new TextEncoder().encode(`id: ${asked.length}\ndata: x\n\n`));
				signal?.addEventListener("abort", () => controller.error(signal.reason));
			},
		});
		return new Response(body);
	});
	return asked;
}

it("lets go of a feed that nobody sees for a while, and goes on from there", async () => {
	const asked = openFeed();
	const place = { id: undefined };
	const gone = new AbortController();
	const first = listen("/api/v1/watch", {}, gone.signal, place);
	expect((await first.next()).value?.id).toBe("1");
	const rest = first.next();
	show(false);
	vi.advanceTimersByTime(UNSEEN_MS - 1);
	show(true);
	vi.advanceTimersByTime(UNSEEN_MS);
	expect(asked[0]?.until.aborted).toBe(false);
	show(false);
	vi.advanceTimersByTime(UNSEEN_MS);
	expect(asked[0]?.until.aborted).toBe(true);
	expect((await rest).done).toBe(true);
	const next = listen("/api/v1/watch", {}, gone.signal, place).next();
	await vi.advanceTimersByTimeAsync(UNSEEN_MS);
	expect(asked).toHaveLength(1);
	show(true);
	expect((await next).value?.id).toBe("2");
	expect(asked[1]?.id).toBe("1");
	gone.abort();
});

it("waits no more for a page that is left unseen", async () => {
	const asked = openFeed();
	show(false);
	const gone = new AbortController();
	const next = listen("/api/v1/watch", {}, gone.signal, { id: undefined }).next();
	gone.abort();
	expect((await next).done).toBe(true);
	expect(asked).toHaveLength(0);
});
