/** Paging: what comes after the first answer, kept for as long as that answer stands. */

import { useEffect, useState } from "preact/hooks";
import { asProblem } from "../../state/answer";
import { isPaused, mode } from "../../state/time";

export interface Page<Item> {
	items: readonly Item[];
	next: string | null;
}

export interface More<Item> {
	/** The first page and all that were loaded after it. */
	items: readonly Item[];
	hasMore: boolean;
	isLoading: boolean;
	problem: string;
	load: () => void;
}

/**
 * Return the items of an answer and of the pages after it. What is followed is paused first: a cursor
 * goes on from an answer that stands still.
 */
export function useMore<Item>(
	first: Page<Item>,
	about: string,
	ask: (next: string, until: AbortSignal) => Promise<Page<Item>>,
): More<Item> {
	const { items } = first;
	const [wanted, setWanted] = useState({ about, pages: 0 });
	const [rest, setRest] = useState({ of: items, pages: 0, ...first, items: [] as readonly Item[] });
	const [problem, setProblem] = useState("");
	const pages = wanted.about === about && mode.value !== "following" ? wanted.pages : 0;
	const known = rest.of === items ? rest : { of: items, pages: 0, next: first.next, items: [] };
	const isLoading = pages > known.pages && known.next !== null && problem === "";
	useEffect(() => {
		if (!isLoading || known.next === null) return;
		const gone = new AbortController();
		ask(known.next, gone.signal).then(
			(page) => {
				if (gone.signal.aborted) return;
				const all = [...known.items, ...page.items];
				setRest({ of: items, pages: known.pages + 1, next: page.next, items: all });
			},
			(error: unknown) => {
				if (!gone.signal.aborted) setProblem(asProblem(error).message);
			},
		);
		return () => gone.abort();
	}, [items, known.pages, isLoading]);
	const load = () => {
		if (isLoading) return;
		setProblem("");
		if (mode.value === "following") isPaused.value = true;
		setWanted({ about, pages: known.pages + 1 });
	};
	return {
		items: known.items.length === 0 ? items : [...items, ...known.items],
		hasMore: known.next !== null,
		isLoading,
		problem,
		load,
	};
}
