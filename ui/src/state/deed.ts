/** Something that is done to the server: under way, done, or why it was not. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../api/client";
import { asProblem } from "./answer";

export interface Deed {
	isBusy: boolean;
	problem: Problem | null;
	/** Do it, and say whether it was done. Never twice at once. */
	run: (work: () => Promise<unknown>) => Promise<boolean>;
}

export function useDeed(): Deed {
	const [isBusy, setBusy] = useState(false);
	const [problem, setProblem] = useState<Problem | null>(null);
	const isHere = useRef(true);
	useEffect(
		() => () => {
			isHere.current = false;
		},
		[],
	);
	const run = async (work: () => Promise<unknown>) => {
		if (isBusy) return false;
		setBusy(true);
		setProblem(null);
		try {
			await work();
			return true;
		} catch (error) {
			if (isHere.current) setProblem(asProblem(error));
			return false;
		} finally {
			if (isHere.current) setBusy(false);
		}
	};
	return { isBusy, problem, run };
}
