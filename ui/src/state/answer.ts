/** An answer on its way: never a blank where something was known, never an old one as if it were new. */

import { useEffect, useRef, useState } from "preact/hooks";
import { lackedBy, markOwn, Problem, unledOf } from "../api/client";
import { lostSince, returns } from "../api/reach";
import { noteLacking, noteUnled } from "./partial";
import { type Place, place, writePlace } from "./place";
import { isPlaying } from "./time";

/** `stale` holds the answer to the question before, or one that could not be renewed, and since when. */
export type Answer<Document> =
	| { status: "loading"; data?: undefined; problem?: undefined }
	| { status: "ready"; data: Document; problem?: undefined; at: number }
	| { status: "stale"; data: Document; problem?: Problem | undefined; at: number }
	| { status: "failed"; data?: undefined; problem: Problem };

type Ask<Document> = (until: AbortSignal) => Promise<Document>;

interface Question {
	key: string | null;
	moment: string;
}

/** What was asked last; `until` ends it while its answer is on its way. */
interface Asked extends Question {
	about: string;
	look: string;
	round: number;
	until: AbortController | null;
}

/**
 * Ask when `key` changes, and end what is not wanted any more. `key` must change whenever the answer may:
 * what was asked once is shown until then. `about` names what is asked for: when it changes, the old answer
 * is no stand-in. A null key asks nothing. All ask anew when the server is back.
 *
 * What is asked anew while the address stands, or because `moment` alone changed, is no look of anybody's.
 * It waits for the answer that is on its way, as what is asked while the cursor plays does: a question that
 * the clock ends each time before it is answered is never answered.
 */
export function useAnswer<Document>(
	key: string | null,
	ask: Ask<Document>,
	about = "",
	moment = "",
): Answer<Document> & { again: () => void } {
	const [answer, setAnswer] = useState<Answer<Document>>({ status: "loading" });
	const [round, setRound] = useState(0);
	const [turn, setTurn] = useState(0);
	const asked = useRef<Asked>({ key: null, moment, about, look: "", round, until: null });
	const pane = useRef(null);
	const wanted = useRef({ key, moment });
	wanted.current = { key, moment };
	useEffect(
		() => () => {
			asked.current.until?.abort();
			noteLacking(pane, []);
			noteUnled(pane, []);
		},
		[],
	);
	useEffect(() => {
		if (key === null) return;
		const last = asked.current;
		const look = lookOf(place.peek(), about);
		const isSame = last.key !== null && last.about === about;
		const isOwn = last.look === look || (isSame && last.key === key);
		const isRenewal = isSame && last.round === round && (isOwn || isPlaying.peek());
		if (last.until !== null) {
			if (isRenewal) return;
			last.until.abort();
		}
		const gone = new AbortController();
		if (isOwn) markOwn(gone.signal);
		asked.current = { key, moment, about, look, round, until: gone };
		setAnswer((before) => beginWith(before, isSame, isRenewal));
		/** Tell what came of it, unless nobody wants it; `isOld` where something else is wanted by now. */
		const end = (tell: (isOld: boolean) => void) => {
			if (gone.signal.aborted) return;
			asked.current.until = null;
			const isOld = isOther({ key, moment }, wanted.current);
			tell(isOld);
			if (isOld) setTurn((before) => before + 1);
		};
		ask(gone.signal).then(
			(data) =>
				end((isOld) => {
					noteLacking(pane, lackedBy(gone.signal));
					noteUnled(pane, unledOf(gone.signal));
					setAnswer({ status: isOld ? "stale" : "ready", data, at: Date.now() });
				}),
			(error: unknown) =>
				end(() => {
					const problem = asProblem(error);
					setAnswer((before) =>
						"at" in before
							? { status: "stale", data: before.data, problem, at: before.at }
							: { status: "failed", problem },
					);
				}),
		);
	}, [key, moment, about, round, turn]);
	const again = () => setRound((before) => before + 1);
	const back = returns.value;
	const backBefore = useRef(back);
	useEffect(() => {
		const isBack = back !== backBefore.current;
		backBefore.current = back;
		// It may have come back before it was known here that it was away.
		if (isBack || (answer.problem?.isUnreachable && lostSince.peek() === null)) again();
	}, [back, answer.problem]);
	return { ...asShown(answer, asked.current, { key, moment, about }), again };
}

/** Whether something else is to be asked than was. */
function isOther(asked: Question, { key, moment }: Question): boolean {
	return key !== null && (asked.key !== key || asked.moment !== moment);
}

/** Return what is shown while an answer is on its way. */
function beginWith<Document>(
	before: Answer<Document>,
	isSame: boolean,
	isRenewal: boolean,
): Answer<Document> {
	if (!isSame) return { status: "loading" };
	// Why it could not be answered holds until it is: the page asks by itself, and nobody would read it.
	if (isRenewal && before.problem !== undefined) return before;
	return "at" in before
		? { status: "stale", data: before.data, at: before.at }
		: { status: "loading" };
}

/** Return an answer as it is to be shown, in the moment before a new question is asked as well. */
function asShown<Document>(
	answer: Answer<Document>,
	asked: Asked,
	wanted: Question & { about: string },
): Answer<Document> {
	if (asked.about !== wanted.about) return { status: "loading" };
	if (answer.status === "ready" && isOther(asked, wanted))
		return { status: "stale", data: answer.data, at: answer.at };
	return answer;
}

/** What somebody looks at: the same for as long as the address and what is asked for are. */
function lookOf(at: Place, about: string): string {
	return `${writePlace(at)} ${about}`;
}

export function asProblem(error: unknown): Problem {
	if (error instanceof Problem) return error;
	return new Problem("internal", error instanceof Error ? error.message : String(error), 0);
}
