/** An answer on its way: never a blank where something was known, never an old one as if it were new. */

import { useEffect, useRef, useState } from "preact/hooks";
import { lackedBy, markOwn, Problem, unledOf } from "../api/client";
import { returns } from "../api/reach";
import { noteLacking, noteUnled } from "./partial";
import { type Place, place, writePlace } from "./place";

/** `stale` holds the answer to the question before, or one that could not be renewed, and since when. */
export type Answer<Document> =
	| { status: "loading"; data?: undefined; problem?: undefined }
	| { status: "ready"; data: Document; problem?: undefined; at: number }
	| { status: "stale"; data: Document; problem?: Problem | undefined; at: number }
	| { status: "failed"; data?: undefined; problem: Problem };

type Ask<Document> = (until: AbortSignal) => Promise<Document>;

/**
 * Ask when `key` changes, and end what is not wanted any more. `about` names what is asked for: when
 * it changes, the old answer is no stand-in. A null key asks nothing. Whoever got no answer asks anew
 * when the server is back. What is asked anew while the address stands is no look of anybody's.
 */
export function useAnswer<Document>(
	key: string | null,
	ask: Ask<Document>,
	about = "",
): Answer<Document> & { again: () => void } {
	const [answer, setAnswer] = useState<Answer<Document>>({ status: "loading" });
	const [round, setRound] = useState(0);
	const shown = useRef(about);
	const looked = useRef<string | null>(null);
	useEffect(
		() => () => {
			noteLacking(looked, []);
			noteUnled(looked, []);
		},
		[],
	);
	useEffect(() => {
		if (key === null) return;
		const gone = new AbortController();
		const isOther = shown.current !== about;
		shown.current = about;
		const look = lookOf(place.peek(), about);
		if (looked.current === look) markOwn(gone.signal);
		looked.current = look;
		setAnswer((before) =>
			isOther || !("at" in before)
				? { status: "loading" }
				: { status: "stale", data: before.data, at: before.at },
		);
		ask(gone.signal).then(
			(data) => {
				if (gone.signal.aborted) return;
				noteLacking(looked, lackedBy(gone.signal));
				noteUnled(looked, unledOf(gone.signal));
				setAnswer({ status: "ready", data, at: Date.now() });
			},
			(error: unknown) => {
				if (gone.signal.aborted) return;
				const problem = asProblem(error);
				setAnswer((before) =>
					!("at" in before)
						? { status: "failed", problem }
						: { status: "stale", data: before.data, problem, at: before.at },
				);
			},
		);
		return () => gone.abort();
	}, [key, about, round]);
	const again = () => setRound((before) => before + 1);
	const back = returns.value;
	useEffect(() => {
		if (answer.problem?.isUnreachable) again();
	}, [back]);
	return { ...answer, again };
}

/** What somebody looks at: the same for as long as the address and what is asked for are. */
function lookOf(at: Place, about: string): string {
	return `${writePlace(at)} ${about}`;
}

export function asProblem(error: unknown): Problem {
	if (error instanceof Problem) return error;
	return new Problem("internal", error instanceof Error ? error.message : String(error), 0);
}
