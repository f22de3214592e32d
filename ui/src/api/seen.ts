/** Whether anybody sees the page. A feed that nobody sees is let go of, and gone on with when somebody
 * does again: a tab in the background would keep the server at work for hours. */

/** Longer than somebody looks into another tab for a moment. */
export const UNSEEN_MS = 15_000;

/** Wait until the page is seen, or `until` ends. */
export function untilSeen(until: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const look = () => {
			if (document.hidden && !until.aborted) return;
			document.removeEventListener("visibilitychange", look);
			until.removeEventListener("abort", look);
			resolve();
		};
		document.addEventListener("visibilitychange", look);
		until.addEventListener("abort", look);
		look();
	});
}

/** Something that ends with `until`, or when nobody has seen the page for a while. */
export function whileSeen(until: AbortSignal): { signal: AbortSignal; forget: () => void } {
	const unseen = new AbortController();
	let timer: number | undefined;
	const look = () => {
		window.clearTimeout(timer);
		timer = document.hidden ? window.setTimeout(() => unseen.abort(), UNSEEN_MS) : undefined;
	};
	document.addEventListener("visibilitychange", look);
	look();
	const forget = () => {
		window.clearTimeout(timer);
		document.removeEventListener("visibilitychange", look);
	};
	return { signal: AbortSignal.any([until, unseen.signal]), forget };
}
