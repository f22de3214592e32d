/** The objects that a trace touched, as they were after each step of it. */

import { useState } from "preact/hooks";
import { get } from "../../api/client";
import type { TouchedObjects, Trace } from "../../api/schema";
import { Shown } from "../../parts/States";
import { sayCount, sayDuration, sayMany, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { change, linkTo, param } from "../../state/place";
import { readTime } from "../../state/time";

export function ObjectsPane({ trace, heard }: { trace: Trace; heard: number }) {
	const wanted = param("step");
	const step = wanted === null ? undefined : Number(wanted);
	const answer = useAnswer<TouchedObjects>(
		`${trace.trace_id} ${wanted}`,
		(until) =>
			get("/api/v1/traces/{trace_id}/objects", {
				in: { trace_id: trace.trace_id },
				query: { step },
				until,
			}),
		trace.trace_id,
		String(heard),
	);
	const none = (
		<p class="soft">
			No event of this trace is about an object. A program says so with{" "}
			<code>with anchor("cart_1", Cart):</code>.
		</p>
	);
	// To touch nothing is no mistake.
	if (answer.problem?.code === "not_found") return none;
	return (
		<Shown of={answer} empty={(found) => (found.steps > 0 ? null : none)}>
			{(found) => <Stepped trace={trace} found={found} />}
		</Shown>
	);
}

function Stepped({ trace, found }: { trace: Trace; found: TouchedObjects }) {
	const [dragged, setDragged] = useState<number | null>(null);
	const to = (step: number) => {
		setDragged(null);
		const within = Math.max(0, Math.min(found.steps, step));
		change({ step: within === found.steps ? null : String(within) }, { replace: true });
	};
	const { event } = found;
	const changed = new Set(event === null ? [] : Object.keys(event.changes));
	return (
		<>
			<div class="bar">
				<button
					type="button"
					aria-label="The step before"
					disabled={found.step <= 0}
					onClick={() => to(found.step - 1)}
				>
					←
				</button>
				<input
					type="range"
					class="grow"
					aria-label="Step of the trace"
					min={0}
					max={found.steps}
					value={dragged ?? found.step}
					onInput={(at) => setDragged(Number(at.currentTarget.value))}
					onChange={(at) => to(Number(at.currentTarget.value))}
				/>
				<button
					type="button"
					aria-label="The next step"
					disabled={found.step >= found.steps}
					onClick={() => to(found.step + 1)}
				>
					→
				</button>
				<span class="small">
					{dragged ?? found.step} of {found.steps}
				</span>
			</div>
			{event === null ? (
				<p class="soft">Before the trace touched anything.</p>
			) : (
				<p>
					<span class="tag">{event.type.replaceAll("_", " ")}</span>{" "}
					{event.name ?? event.phase ?? ""} of {event.obj_type} {event.obj_id}{" "}
					<span class="soft small">
						+{sayDuration((readTime(event.at) ?? 0) - (readTime(trace.start_time) ?? 0))}
					</span>{" "}
					{event.span_id && (
						<button
							type="button"
							class="plain"
							onClick={() => change({ span: event.span_id }, { replace: true })}
						>
							select its span
						</button>
					)}
				</p>
			)}
			{found.objects.map(({ twin, events, changes }) => {
				const isThis = event !== null && event.obj_type === twin.type && event.obj_id === twin.id;
				const fields = Object.entries(twin.state);
				return (
					<section class="panel" key={`${twin.type}/${twin.id}`}>
						<h2>
							<a href={linkTo("twin", [twin.type, twin.id], { at: found.at })}>
								{twin.type} {twin.id}
							</a>{" "}
							<span class="soft small">
								{sayCount(changes)} of {sayMany(events, "event")} changed it
							</span>
						</h2>
						{!twin.exists && <p class="soft">It is not there at this step.</p>}
						<dl class="attributes">
							{fields.map(([name, value]) => (
								<>
									<dt class="mono">{name}</dt>
									<dd class="mono">
										{isThis && changed.has(name) ? <mark>{sayValue(value)}</mark> : sayValue(value)}
									</dd>
								</>
							))}
						</dl>
					</section>
				);
			})}
			{found.truncated && (
				<p class="soft small">
					{sayMany(found.count, "object")} of this trace {found.count === 1 ? "is" : "are"} shown;
					it touched more.
				</p>
			)}
		</>
	);
}
