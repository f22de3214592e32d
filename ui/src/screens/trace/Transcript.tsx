/** A run of an agent as the conversation that it was: what was said, which tools were called, what it took. */

import { useState } from "preact/hooks";
import { addressOf, get } from "../../api/client";
import type { Step, Transcript } from "../../api/schema";
import { type Copies, command } from "../../parts/CopyMenu";
import { Nothing, Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayCount, sayDuration, sayMany, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { change, param } from "../../state/place";

/** Steps of one page: as the command line shows them. */
const LIMIT = 200;

type Message = NonNullable<Step["messages"]>[number];

export function copiesOfTranscript(name: string): Copies {
	return {
		cli: command(["transcript", name]),
		url: addressOf("/api/v1/transcript/{name}", { name }),
		mcp: { tool: "transcript", arguments: { name } },
	};
}

export function TranscriptView({ name, heard }: { name: string; heard: number }) {
	const answer = useAnswer<Transcript>(
		name,
		(until) => get("/api/v1/transcript/{name}", { in: { name }, query: { limit: LIMIT }, until }),
		name,
		String(heard),
	);
	return (
		<div class="column scroll padded">
			<Shown
				of={answer}
				empty={(found) =>
					found.steps.length > 0 ? null : (
						<Nothing title="No step of an agent">
							<p>The spans of this trace are not of the kind that tells of models and tools.</p>
						</Nothing>
					)
				}
			>
				{(found) => <Conversation first={found} name={name} />}
			</Shown>
		</div>
	);
}

function Conversation({ first, name }: { first: Transcript; name: string }) {
	// What comes after the first page; a run that goes on has a longer one, and then another rest.
	const beginning = { after: first.steps.length, steps: [] as Step[], next: first.next ?? null };
	const [rest, setRest] = useState(beginning);
	const known = rest.after === first.steps.length ? rest : beginning;
	const steps = [...first.steps, ...known.steps];
	const { next } = known;
	const { isBusy, problem, run } = useDeed();
	const goOn = () =>
		run(async () => {
			if (next === null) return;
			const query = { limit: LIMIT, next };
			const found = await get("/api/v1/transcript/{name}", { in: { name }, query });
			setRest({ ...known, steps: [...known.steps, ...found.steps], next: found.next ?? null });
		});
	return (
		<div class="stack">
			<Figures found={first} />
			{first.findings.map((each) => (
				<p class="finding" key={each.message}>
					<span class="tag warn">{each.kind.replaceAll("_", " ")}</span> {each.message}
				</p>
			))}
			{!first.content && (
				<p class="soft">
					What was said was not recorded: the program sends calls, counts and times alone.
				</p>
			)}
			{first.notes?.map((note) => (
				<p class="soft small" key={note}>
					{note}
				</p>
			))}
			<ol class="steps">
				{steps.map((step) => (
					<StepOf key={step.number} step={step} />
				))}
			</ol>
			{next !== null && (
				<div>
					<button type="button" disabled={isBusy} onClick={() => void goOn()}>
						Show {sayMany(Math.min(LIMIT, first.total - steps.length), "further step")}
					</button>
				</div>
			)}
			<Wrong problem={problem} />
		</div>
	);
}

function Figures({ found }: { found: Transcript }) {
	const { tokens, cost } = found;
	const usd = cost.usd ?? cost.reported_usd;
	return (
		<p class="bar small">
			<b>{found.agents.join(", ") || "a run"}</b>
			<span class="soft">{found.models.join(", ")}</span>
			<span>{sayMany(found.turns, "turn")}</span>
			<span>{sayMany(found.tool_calls, "tool call")}</span>
			<span>
				{sayMany(tokens.input, "token")} in, {sayCount(tokens.output)} out
			</span>
			<span title={cost.prices}>
				{usd === null
					? "cost not known: no price for these models"
					: `$${usd.toPrecision(3)}${cost.unpriced_tokens > 0 ? " or more" : ""}`}
			</span>
			{found.error_count > 0 && <span class="tag bad">{found.error_count} failed</span>}
		</p>
	);
}

function StepOf({ step }: { step: Step }) {
	const isSelected = param("span") === step.span_id;
	const select = () => change({ span: step.span_id }, { replace: true });
	const took = [
		sayDuration(step.duration_ms),
		step.input_tokens ? `${sayCount(step.input_tokens)} in` : "",
		step.output_tokens ? `${sayCount(step.output_tokens)} out` : "",
		step.computed_usd == null ? "" : `$${step.computed_usd.toPrecision(2)}`,
	].filter((each) => each !== "");
	return (
		<li
			class={`step ${step.kind}`}
			style={{ marginLeft: `${Math.min(step.depth, 6) * 14}px` }}
			aria-current={isSelected ? "true" : undefined}
		>
			<button type="button" class="plain" onClick={select}>
				<span class="soft small">{step.number}</span>
				<span class={`tag ${step.status === "error" ? "bad" : ""}`}>{step.kind}</span>
				<b class="cut">{step.name}</b>
				<span class="soft small">
					+{sayDuration(step.offset_ms)} · {took.join(" · ")}
				</span>
			</button>
			{(step.repeated_messages ?? 0) > 0 && (
				<p class="soft small">
					{sayMany(step.repeated_messages ?? 0, "message")} from before, told above
				</p>
			)}
			{step.messages?.map((message, at) => (
				<Said key={at} message={message} />
			))}
			{step.arguments != null && <Content title="with" value={step.arguments} />}
			{step.result != null && <Content title="gave" value={step.result} />}
			{step.error && <p class="bad">{step.error}</p>}
			{(step.left_out ?? 0) > 0 && (
				<p class="soft small">left out: {sayMany(step.left_out ?? 0, "character")}</p>
			)}
		</li>
	);
}

function Said({ message }: { message: Message }) {
	return (
		<div class={`said ${message.role}`}>
			<span class="soft small">{message.name ?? message.role}</span>
			{message.parts.map((part, at) => {
				if (part.type === "tool_call")
					return (
						<Content
							key={at}
							title={`calls ${part.name ?? "a tool"} with`}
							value={part.arguments}
						/>
					);
				if (part.type === "tool_result")
					return <Content key={at} title="is told" value={part.result ?? part.text} />;
				if (part.type === "reasoning")
					return (
						<details key={at}>
							<summary class="soft">thinks</summary>
							<pre>{part.text}</pre>
						</details>
					);
				return <pre key={at}>{part.text}</pre>;
			})}
		</div>
	);
}

/** A longer text than this is folded. */
const FOLDED_FROM = 600;

function Content({ title, value }: { title: string; value: unknown }) {
	const text = typeof value === "object" ? JSON.stringify(value, null, 2) : sayValue(value);
	return (
		<details open={text.length < FOLDED_FROM}>
			<summary class="soft small">{title}</summary>
			<pre>{text}</pre>
		</details>
	);
}
