/** The objects that a trace touched, as they were after each of its steps. */

import { useEffect, useRef } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { Touched, TouchedObjects } from "../../api/schema";
import { command } from "../../parts/CopyMenu";
import { Head } from "../../parts/Head";
import { SendData } from "../../parts/SendData";
import { Nothing, Shown } from "../../parts/States";
import { sayMany, sayTime, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { addKeys } from "../../state/keys";
import { change, linkTo, param } from "../../state/place";
import { mode, now, readTime } from "../../state/time";
import { sayState } from "./state";
import { stepsSql } from "./statements";
import { Ways } from "./Ways";

/** How often more of a trace is asked for. */
const SLOW_MS = 30_000;

export function Steps() {
	const trace = param("trace");
	const asked = param("step");
	const query = asked === null ? {} : { step: Number(asked) };
	const answer = useAnswer<TouchedObjects>(
		trace === null ? null : `${trace} ${asked}`,
		(until) =>
			get("/api/v1/traces/{trace_id}/objects", { in: { trace_id: trace ?? "" }, query, until }),
		trace ?? "",
		// A trace that goes on takes more steps.
		mode.value === "following" ? String(Math.floor(now.value / SLOW_MS)) : "",
	);
	const found = answer.data;
	const to = (step: number) => {
		if (found !== undefined && step >= 0 && step <= found.steps)
			change({ step: String(step) }, { replace: true });
	};
	const seen = useRef({ found, to });
	seen.current = { found, to };
	// Asked of the address: the second of two quick keys comes before the first is answered.
	const stepNow = () => Number(param("step") ?? seen.current.found?.step ?? 0);
	useEffect(
		() =>
			addKeys([
				{
					keys: "]",
					what: "Next step of the trace",
					act: () => seen.current.to(stepNow() + 1),
				},
				{
					keys: "[",
					what: "Step before",
					act: () => seen.current.to(stepNow() - 1),
				},
			]),
		[],
	);
	return (
		<>
			<Head
				title="Step by step"
				copies={
					trace === null
						? undefined
						: {
								cli: command(["touched", trace], query),
								sql: stepsSql(trace),
								url: addressOf("/api/v1/traces/{trace_id}/objects", { trace_id: trace }, query),
								mcp: { tool: "touched_objects", arguments: { trace_id: trace, ...query } },
							}
				}
			>
				<form
					class="bar"
					onSubmit={(event) => {
						event.preventDefault();
						const id = String(new FormData(event.currentTarget).get("trace") ?? "").trim();
						if (id !== "") change({ trace: id, step: null });
					}}
				>
					<input
						type="search"
						name="trace"
						aria-label="Trace"
						placeholder="id of a trace"
						style={{ width: "260px" }}
						defaultValue={trace ?? ""}
					/>
				</form>
				<Ways />
			</Head>
			<main class="main">
				{trace === null ? (
					<Nothing title="Of which trace?">
						<p>
							Enter its id above, or come here from <a href={linkTo("twin")}>an object</a> or{" "}
							<a href={linkTo("find")}>a trace</a>. A trace touches an object by saying something of
							it.
						</p>
						<SendData what="objects" />
					</Nothing>
				) : (
					<Shown
						of={answer}
						empty={(document) =>
							document.steps > 0 ? null : (
								<Nothing title="This trace touched no object">
									<p>
										<a href={linkTo("trace", [trace])}>Look at its spans</a>
									</p>
								</Nothing>
							)
						}
					>
						{(document) => <At found={document} to={to} />}
					</Shown>
				)}
			</main>
		</>
	);
}

function At({ found, to }: { found: TouchedObjects; to: (step: number) => void }) {
	const { event, step, steps } = found;
	return (
		<div class="stack">
			<div class="bar">
				<button type="button" disabled={step === 0} onClick={() => to(step - 1)} title="[">
					◀
				</button>
				<input
					type="range"
					class="grow"
					aria-label="Step"
					min={0}
					max={steps}
					value={step}
					onInput={(each) => to(Number(each.currentTarget.value))}
				/>
				<button type="button" disabled={step === steps} onClick={() => to(step + 1)} title="]">
					▶
				</button>
				<span>
					step <b>{step}</b> of {steps}
				</span>
				<a class="button" href={linkTo("trace", [found.trace_id])}>
					The trace
				</a>
			</div>
			{event === null ? (
				<p class="soft">Before its first event.</p>
			) : (
				<p class="bar">
					<span class="mono soft">{sayTime(readTime(event.at) ?? 0, now.value)}</span>
					<b>{event.name ?? event.type.replace("_", " ")}</b>
					<span>
						{event.obj_type} {event.obj_id}
					</span>
					<span class="mono">{sayState(event.changes)}</span>
					{event.trace_id && (
						<a href={linkTo("trace", [event.trace_id], { span: event.span_id })}>its span</a>
					)}
				</p>
			)}
			<div class="grid">
				{found.objects.map((each) => (
					<One
						key={`${each.twin.type}/${each.twin.id}`}
						touched={each}
						isHit={each.twin.type === event?.obj_type && each.twin.id === event.obj_id}
						changed={event?.changes ?? {}}
					/>
				))}
			</div>
			{found.truncated && (
				<p class="soft small">Shown of them: {sayMany(found.count, "object")}.</p>
			)}
		</div>
	);
}

interface OneProps {
	touched: Touched;
	isHit: boolean;
	changed: Record<string, unknown>;
}

function One({ touched, isHit, changed }: OneProps) {
	const { twin } = touched;
	return (
		<section class={`panel ${isHit ? "is-hit" : ""}`} aria-label={`${twin.type} ${twin.id}`}>
			<h2>
				<a href={linkTo("twin", [twin.type, twin.id], { at: twin.at })}>
					{twin.type} {twin.id}
				</a>{" "}
				{!twin.exists && <span class="tag">not there</span>}
			</h2>
			<dl>
				{Object.entries(twin.state).map(([name, value]) => (
					<>
						<dt class="mono">{name}</dt>
						<dd class={`mono ${isHit && name in changed ? "warn" : ""}`}>{sayValue(value)}</dd>
					</>
				))}
			</dl>
		</section>
	);
}
