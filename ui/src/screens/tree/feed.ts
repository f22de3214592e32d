/** The feed of the tree: counts what happened, so that whoever shows apps asks anew. */

import { useEffect, useState } from "preact/hooks";
import { listen } from "../../api/events";

/** Many things happen at once when a tree is cancelled: they are one reason to ask. */
const GATHER_MS = 250;

/** Between two attempts to listen; doubles up to the second figure. */
const RETRY_MS = [1_000, 30_000] as const;

/** Return a number that changes whenever something happened in the tree. */
export function useTreeFeed(): number {
	const [heard, setHeard] = useState(0);
	useEffect(() => {
		const gone = new AbortController();
		let timer: number | undefined;
		const tell = () => {
			timer ??= window.setTimeout(() => {
				timer = undefined;
				setHeard((before) => before + 1);
			}, GATHER_MS);
		};
		void follow(gone.signal, tell);
		return () => {
			gone.abort();
			window.clearTimeout(timer);
		};
	}, []);
	return heard;
}

async function follow(until: AbortSignal, tell: () => void): Promise<void> {
	let wait: number = RETRY_MS[0];
	let last: string | undefined;
	while (!until.aborted) {
		try {
			for await (const event of listen("/api/v1/watch", {}, until, last)) {
				last = event.id ?? last;
				wait = RETRY_MS[0];
				tell();
			}
		} catch {
			// The list itself says what is wrong; here one only comes back later.
		}
		await new Promise((resolve) => {
			window.setTimeout(resolve, wait);
			until.addEventListener("abort", resolve, { once: true });
		});
		wait = Math.min(wait * 2, RETRY_MS[1]);
	}
}
