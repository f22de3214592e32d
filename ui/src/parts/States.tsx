/** What a pane shows when it has nothing to show, not yet, not all, or not any more. */

import type { ComponentChildren } from "preact";
import { keepApiKey, type Problem } from "../api/client";
import type { Answer } from "../state/answer";

interface ShownProps<Document> {
	of: Answer<Document> & { again: () => void };
	children: (document: Document) => ComponentChildren;
	/** Says what nothing means here; null where there is something. */
	empty?: (document: Document) => ComponentChildren | null;
}

/** An answer in whichever state it is. */
export function Shown<Document>({ of: answer, children, empty }: ShownProps<Document>) {
	if (answer.status === "loading") return <Loading />;
	if (answer.status === "failed") return <Failed problem={answer.problem} again={answer.again} />;
	const nothing = empty?.(answer.data) ?? null;
	return (
		<>
			{answer.status === "stale" && answer.problem === undefined && <LoadingLine />}
			{answer.problem && <Stale problem={answer.problem} again={answer.again} />}
			{nothing ?? children(answer.data)}
		</>
	);
}

export function Loading() {
	return (
		<div role="status">
			<LoadingLine />
			<span class="hidden">loading</span>
		</div>
	);
}

function LoadingLine() {
	return <div class="loading-line" />;
}

function Stale({ problem, again }: { problem: Problem; again: () => void }) {
	return (
		<div class="notice" role="alert">
			<span>
				What you see is from before: <b>{problem.message}</b>
			</span>
			<button type="button" onClick={again}>
				Ask again
			</button>
		</div>
	);
}

export function Failed({ problem, again }: { problem: Problem; again?: (() => void) | undefined }) {
	if (problem.code === "unauthenticated") return <SignIn problem={problem} again={again} />;
	return (
		<div class="state" role="alert">
			<h2 class="bad">{problem.message}</h2>
			{problem.hint && <p>{problem.hint}</p>}
			{problem.isUnreachable && <pre>clew serve</pre>}
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
				Make one with <code>clew keys create me --role reader</code>. It is kept until this tab is
				closed.
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

/** The three lines that send data, for whoever has none yet. */
export function SendData() {
	return (
		<>
			<p>Send some, and it appears here at once:</p>
			<pre>{`import clew
clew.init("my-service")      # OpenTelemetry to this server
# … or point any OTLP exporter at http://127.0.0.1:4318`}</pre>
			<p>
				Or let a small system run: <code>clew demo</code>
			</p>
		</>
	);
}
