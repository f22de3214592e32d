/** How this server keeps in step with the team's: what waits, what is stuck and why. */

import { get, post } from "../../api/client";
import type {
	ClewTeamTeamsDocumentsOperationList as OperationList,
	QueuedOperation,
	RoundList,
	TeamStatus,
} from "../../api/schema";
import { Confirm } from "../../parts/Confirm";
import { Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayAgo, sayCount, sayDuration, sayMany, sayTime } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { now, readTime } from "../../state/time";
import { heardOf, roundOf } from "./rounds";

interface SyncProps {
	status: TeamStatus;
	again: () => void;
}

export function Sync({ status, again }: SyncProps) {
	const { isBusy, problem, run } = useDeed();
	const { queue } = status;
	// The lists are asked for when what the status says of them changed, not by the clock.
	const heard = heardOf(status);
	const act = async (work: () => Promise<unknown>) => {
		if (await run(work)) again();
	};
	return (
		<div class="stack">
			<section class="panel stack" aria-label="In step">
				<div class="bar">
					<h2 class="grow">{sayLink(status)}</h2>
					<button
						type="button"
						disabled={isBusy}
						onClick={() => act(() => post("/api/v1/team/sync", { body: {} }))}
					>
						{isBusy ? "Under way …" : "Send and fetch now"}
					</button>
				</div>
				<dl>
					<dt>server</dt>
					<dd class="mono">{status.server}</dd>
					<dt>known as</dt>
					<dd>{status.user}</dd>
					<dt>team</dt>
					<dd>{status.team ?? <span class="soft">none is chosen</span>}</dd>
					<dt>to send</dt>
					<dd>
						{sayCount(queue.pending)}
						{queue.in_flight > 0 && `, ${sayCount(queue.in_flight)} on the way`}
						{queue.oldest_pending_at && (
							<span class="soft">
								, the oldest from {sayAgo(readTime(queue.oldest_pending_at) ?? 0, now.value)}
							</span>
						)}
					</dd>
					<dt>sent so far</dt>
					<dd>{sayCount(queue.synced)}</dd>
					{status.pause && (
						<>
							<dt>paused</dt>
							<dd class="warn">{status.pause}</dd>
						</>
					)}
				</dl>
				<Wrong problem={problem} />
			</section>
			{queue.failed > 0 && (
				<Operations state="failed" heard={heard} isBusy={isBusy} act={act} count={queue.failed} />
			)}
			{queue.pending > 0 && (
				<Operations state="pending" heard={heard} isBusy={isBusy} act={act} count={queue.pending} />
			)}
			<Rounds heard={roundOf(status)} />
		</div>
	);
}

function sayLink(status: TeamStatus): string {
	switch (status.link) {
		case "online":
			return status.live ? "In step, and told of changes as they happen" : "In step";
		case "offline":
			return "The team's server cannot be reached; what you do waits here";
		case "paused":
			return "Paused: the team's server asked for patience, or for a new sign-in";
		default:
			return "Not tried yet since the start";
	}
}

interface OperationsProps {
	state: "pending" | "failed";
	heard: string;
	count: number;
	isBusy: boolean;
	act: (work: () => Promise<unknown>) => Promise<void>;
}

function Operations({ state, heard, count, isBusy, act }: OperationsProps) {
	const answer = useAnswer<OperationList>(`${state} ${heard}`, (until) =>
		get("/api/v1/team/queue", { query: { state }, until }),
	);
	const title = state === "failed" ? "Set aside" : "Waits to be sent";
	return (
		<section class="panel stack" aria-label={title}>
			<div class="bar">
				<h2 class="grow">
					{title}: {sayCount(count)}
				</h2>
				{state === "failed" && (
					<>
						<button
							type="button"
							disabled={isBusy}
							onClick={() => act(() => post("/api/v1/team/queue/retry", { body: {} }))}
						>
							Try all again
						</button>
						<Confirm
							ask="Give all up …"
							title={`Give up ${sayMany(count, "operation")}?`}
							sure={`Give up ${count}`}
							disabled={isBusy}
							onSure={() => act(() => post("/api/v1/team/queue/clear", { body: {} }))}
						>
							<p>
								The team will not see these changes, and here everything becomes again what the
								team's server has; what it never heard of is shared no more:
							</p>
							<ul class="hit">
								{answer.data?.operations.slice(0, 20).map((each) => (
									<li key={each.op_id}>
										{each.operation} {each.entity_type}{" "}
										<span class="soft mono">{each.entity_id}</span>
									</li>
								))}
							</ul>
						</Confirm>
					</>
				)}
			</div>
			<Shown of={answer}>
				{(found) => (
					<div class="scroll">
						<table class="cards" aria-label={title}>
							<thead>
								<tr>
									<th>what</th>
									<th>from</th>
									<th class="number">tries</th>
									<th>why it is not there yet</th>
									<th>
										<span class="hidden">deeds</span>
									</th>
								</tr>
							</thead>
							<tbody>
								{found.operations.map((each) => (
									<tr key={each.op_id}>
										<td>
											{each.operation} {each.entity_type.replace("_", " ")}
											<br />
											<span class="soft mono">{each.entity_id}</span>
										</td>
										<td class="soft">{sayAgo(readTime(each.created_at) ?? 0, now.value)}</td>
										<td class="number" data-label="tries">
											{each.tries}
										</td>
										<td class="words">{sayWhy(each, state)}</td>
										<td>
											{state === "failed" && (
												<button
													type="button"
													disabled={isBusy}
													onClick={() =>
														act(() =>
															post("/api/v1/team/queue/retry", { body: { op_id: each.op_id } }),
														)
													}
												>
													Try again
												</button>
											)}
										</td>
									</tr>
								))}
							</tbody>
						</table>
						{found.truncated && (
							<p class="soft small">
								The first {found.count} of {sayCount(found.total)}.
							</p>
						)}
					</div>
				)}
			</Shown>
		</section>
	);
}

function sayWhy(each: QueuedOperation, state: "pending" | "failed") {
	const next = readTime(each.next_attempt_at);
	const waits = !each.in_flight && next !== null && next > now.value;
	if (each.error === null) {
		const isNext = each.in_flight ? "it is on its way" : "it is its turn next";
		return <span class="soft">{state === "pending" ? isNext : "not told"}</span>;
	}
	return (
		<>
			<span class="warn">{each.error}</span>
			{each.in_flight && <span class="soft"> on its way again</span>}
			{waits && <span class="soft"> again in {sayDuration(next - now.value)}</span>}
		</>
	);
}

function Rounds({ heard }: { heard: string }) {
	const answer = useAnswer<RoundList>(heard, (until) =>
		get("/api/v1/team/rounds", { query: { limit: 20 }, until }),
	);
	return (
		<section class="panel stack" aria-label="Rounds">
			<h2>The last rounds</h2>
			<Shown
				of={answer}
				empty={(found) => (found.count > 0 ? null : <p class="soft">There was none yet.</p>)}
			>
				{(found) => (
					<div class="scroll">
						<table class="cards" aria-label="Rounds">
							<thead>
								<tr>
									<th>at</th>
									<th>came to</th>
									<th class="number">sent</th>
									<th class="number">fetched</th>
									<th class="number">failed</th>
									<th class="number">conflicts</th>
								</tr>
							</thead>
							<tbody>
								{found.rounds.map((each) => (
									<tr key={each.began_at}>
										<td class="mono soft">{sayTime(readTime(each.began_at) ?? 0, now.value)}</td>
										<td>
											<span class={`tag ${each.outcome === "done" ? "good" : "warn"}`}>
												{each.outcome}
											</span>{" "}
											{each.error && <span class="warn">{each.error}</span>}
										</td>
										<td class="number" data-label="sent">
											{each.sent}
										</td>
										<td class="number" data-label="fetched">
											{each.pulled}
										</td>
										<td class="number" data-label="failed">
											{each.failed}
										</td>
										<td class="number" data-label="conflicts">
											{each.conflicts}
										</td>
									</tr>
								))}
							</tbody>
						</table>
					</div>
				)}
			</Shown>
		</section>
	);
}
