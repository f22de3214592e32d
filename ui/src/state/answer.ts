/** An answer on its way: never a blank where something was known, never an old one as if it were new. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";

/** `stale` holds the answer to the question before, or one that could not be renewed. */
export type Answer<Document> =
	| { status: "loading"; data?: undefined; problem?: undefined }
	| { status: "ready"; data: Document; problem?: undefined }
	| { status: "stale"; data: Document; problem?: Problem | undefined }
	| { status: "failed"; data?: undefined; problem: Problem };

type Ask<Document> = (until: AbortSignal) => Promise<Document>;

/**
 * Ask when `key` changes, and end what is not wanted any more. `about` names what is asked for: when
 * it changes, the old answer is no stand-in. A null key asks nothing.
 */
export function useAnswer<Document>(
	key: string | null,
	ask: Ask<Document>,
	about = "",
): Answer<Document> & { again: () => void } {
	const [answer, setAnswer] = useState<Answer<Document>>({ status: "loading" });
	const [round, setRound] = useState(0);
	const shown = useRef(about);
	useEffect(() => {
		if (key === null) return;
		const gone = new AbortController();
		const isOther = shown.current !== about;
		shown.current = about;
		setAnswer((before) =>
			isOther || before.data === undefined
				? { status: "loading" }
				: { status: "stale", data: before.data },
		);
		ask(gone.signal).then(
			(data) => {
				if (!gone.signal.aborted) setAnswer({ status: "ready", data });
			},
			(error: unknown) => {
				if (gone.signal.aborted) return;
				const problem = asProblem(error);
				setAnswer((before) =>
					before.data === undefined
						? { status: "failed", problem }
						: { status: "stale", data: before.data, problem },
				);
			},
		);
		return () => gone.abort();
	}, [key, about, round]);
	return { ...answer, again: () => setRound((before) => before + 1) };
}

export function asProblem(error: unknown): Problem {
	if (error instanceof Problem) return error;
	return new Problem("internal", error instanceof Error ? error.message : String(error), 0);
}
