/** What a pane shows when it has nothing to show, not yet, not all, or not any more. */

import type { ComponentChildren } from "preact";
import { keepApiKey, type Problem } from "../api/client";
import { lostSince } from "../api/reach";
import type { Answer } from "../state/answer";
import { missingShards, unledShards } from "../state/partial";
import { linkTo, place } from "../state/place";
import { standing, tellStanding } from "../state/standing";
import { Hint } from "./Hint";
import { nameMany, sayTime } from "./words";

interface ShownProps<Document> {
	of: Answer<Document> & { again: () => void };
	children: (document: Document) => ComponentChildren;
	/** Says what nothing means here; null where there is something. */
	empty?: (document: Document) => ComponentChildren | null;
}

/**
 * An answer in whichever state it is. What is from before is grey, and so is all that is shown while
 * nobody could tell whether it still holds; that the server cannot be reached is
 * said once for all panes, above the time bar.
 */
export function Shown<Document>({ of: answer, children, empty }: ShownProps<Document>) {
	if (answer.status === "loading") return <Loading />;
	if (answer.status === "failed") return <Failed problem={answer.problem} again={answer.again} />;
	const nothing = empty?.(answer.data) ?? null;
	const { problem } = answer;
	return (
		<div class={`shown ${problem || lostSince.value !== null ? "is-stale" : ""}`}>
			{answer.status === "stale" && problem === undefined && <LoadingLine />}
			{problem && !problem.isUnreachable && (
				<Stale problem={problem} again={answer.again} at={answer.at} />
			)}
			{nothing ?? children(answer.data)}
		</div>
	);
}

export function Loading() {
	return (
		<div role="status">
			<LoadingLine />
			<p class="asked soft">Asking the server …</p>
		</div>
	);
}

function LoadingLine() {
	return <div class="loading-line" />;
}

interface StaleProps {
	problem: Problem;
	again: () => void;
	/** When the answer came that is still shown. */
	at?: number | undefined;
}

/** Why what is shown is not of now. */
export function Stale({ problem, again, at }: StaleProps) {
	return (
		<div class="notice" role="alert">
			<span>
				What you see is from {at === undefined ? "before" : sayTime(at, at, { fraction: false })}:{" "}
				<b>{problem.message}</b>
				{problem.hint && (
					<span class="soft">
						{" "}
						<Hint text={problem.hint} />
					</span>
				)}
			</span>
			<button type="button" onClick={again}>
				Ask again
			</button>
		</div>
	);
}

/** That nobody answers, on every screen; it goes by itself. */
export function Away() {
	const since = lostSince.value;
	if (since === null) return null;
	return (
		<div class="notice away" role="alert">
			<span>
				<b>The server cannot be reached.</b> What you see is from{" "}
				{sayTime(since, since, { fraction: false })}, and is renewed by itself as soon as{" "}
				<code>clew serve</code> answers again.
			</span>
		</div>
	);
}

/** That what is shown lacks what some servers have, on every screen; it goes when they answer. */
export function Partial() {
	const missing = missingShards.value;
	const unled = unledShards.value.filter((name) => !missing.includes(name));
	return (
		<div class="partial" role="status">
			{missing.length > 0 && (
				<div class="notice">
					<span>
						<b>Not all is shown.</b>{" "}
						{nameMany(missing.length, "This shard does", "These shards do")} not answer:{" "}
						{missing.join(", ")}. What {nameMany(missing.length, "it has", "they have")} is left out
						of what you see. <Why />
					</span>
				</div>
			)}
			{unled.length > 0 && (
				<div class="notice">
					<span>
						<b>The last moments may be missing.</b> A standby answers for{" "}
						{nameMany(unled.length, "this shard", "these shards")}, or a server that has just begun
						to lead: {unled.join(", ")}. What was acknowledged last may not be shown yet. <Why />
					</span>
				</div>
			)}
		</div>
	);
}

/** Where it is told how each shard is, and what to do. */
function Why() {
	return place.value.screen === "health" ? null : <a href={linkTo("health")}>Why?</a>;
}

/** What this server is among those that keep the same, on every screen, where it does not lead. */
export function Place() {
	const { group } = standing.value;
	const told = group === null ? null : tellStanding(group);
	return (
		<div class="partial" role="status">
			{told && (
				<div class="notice">
					<span>
						<b>{told.what}</b> <Hint text={told.more} />
						{told.leader && (
							<>
								{" "}
								Its leader: <a href={`${told.leader}/${window.location.hash}`}>{told.leader}</a>
							</>
						)}
					</span>
				</div>
			)}
		</div>
	);
}

export function Failed({ problem, again }: { problem: Problem; again?: (() => void) | undefined }) {
	if (problem.code === "unauthenticated") return <SignIn problem={problem} again={again} />;
	return (
		<div class="state" role="alert">
			<h2 class="bad">{problem.message}</h2>
			{problem.hint && (
				<p>
					<Hint text={problem.hint} />
				</p>
			)}
			{problem.isUnreachable && (
				<>
					<pre>clew serve</pre>
					<p class="soft">It is asked again by itself until it answers.</p>
				</>
			)}
			{again && (
				<div>
					<button type="button" onClick={again}>
						Ask again
					</button>
				</div>
			)}
		</div>
	);
}

function SignIn({ problem, again }: { problem: Problem; again?: (() => void) | undefined }) {
	return (
		<form
			class="state"
			onSubmit={(event) => {
				event.preventDefault();
				const key = new FormData(event.currentTarget).get("key");
				keepApiKey(String(key ?? "").trim());
				if (again) again();
				else window.location.reload();
			}}
		>
			<h2>{problem.message}</h2>
			<label>
				An API key
				<input type="password" name="key" autocomplete="off" required placeholder="clew_…" />
			</label>
			<p class="soft small">
				{standing.value.shards !== null && problem.hint ? (
					// A tier has no keys: which of its shards asks is in the problem.
					<>
						Another way: <Hint text={problem.hint} />.
					</>
				) : (
					<>
						Make one with <code>clew keys create me --role reader</code>.
					</>
				)}{" "}
				It is kept until this tab is closed.
			</p>
			<div>
				<button type="submit" class="primary">
					Show me
				</button>
			</div>
		</form>
	);
}

/** Nothing here, and what would put something here. */
export function Nothing({ title, children }: { title: string; children?: ComponentChildren }) {
	return (
		<div class="state">
			<h2>{title}</h2>
			{children}
		</div>
	);
}
