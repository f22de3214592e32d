/** Versions that met: both sides, what was made of them, and the say of whoever looks. */

import { useState } from "preact/hooks";
import { get, post } from "../../api/client";
import type { ConflictHead, ConflictList, TeamStatus } from "../../api/schema";
import { Nothing, Shown } from "../../parts/States";
import { Wrong } from "../../parts/Wrong";
import { sayAgo, sayMany, sayValue } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { change, linkTo, param } from "../../state/place";
import { now, readTime } from "../../state/time";
import { heardOf } from "./rounds";
import { layConflict, type SideRow } from "./sides";

interface ConflictsProps {
	id: string | undefined;
	status: TeamStatus;
	again: () => void;
}

export function Conflicts({ id, status, again }: ConflictsProps) {
	const resolved = param("resolved") === "true";
	const answer = useAnswer<ConflictList>(
		`${resolved} ${status.conflicts} ${heardOf(status)}`,
		(until) => get("/api/v1/team/conflicts", { query: { resolved, limit: 100 }, until }),
		String(resolved),
	);
	const both = () => {
		answer.again();
		again();
	};
	return (
		<div class="stack">
			<label>
				<input
					type="checkbox"
					checked={resolved}
					onChange={(event) => change({ resolved: event.currentTarget.checked ? "true" : null })}
				/>{" "}
				decided ones too
			</label>
			{status.conflicts_dropped !== undefined && status.conflicts_dropped > 0 && (
				<p class="notice" role="note">
					{status.conflicts_dropped} of the oldest were forgotten before anybody looked at them:
					there is room for 10 000.
				</p>
			)}
			<Shown
				of={answer}
				empty={(found) =>
					found.count > 0 ? null : (
						<Nothing title="No versions met">
							<p>
								When two people change the same thing while they are apart, both versions stand here
								beside what was made of them.
							</p>
						</Nothing>
					)
				}
			>
				{(found) => {
					const open = found.conflicts.find((each) => each.id === id) ?? found.conflicts[0];
					return (
						<div class="conflicts">
							<ul class="looked" aria-label="Conflicts">
								{found.conflicts.map((each) => (
									<li key={each.id}>
										<a
											class="grow"
											href={linkTo("team", ["conflicts", each.id], { resolved: param("resolved") })}
											aria-current={each === open ? "true" : undefined}
										>
											<b>{nameOf(each)}</b>{" "}
											<span class="soft small">
												{each.entity_type.replace("_", " ")},{" "}
												{sayAgo(readTime(each.created_at) ?? 0, now.value)}
											</span>
										</a>
										{each.resolved_at !== null && <span class="tag good">decided</span>}
									</li>
								))}
							</ul>
							{open && <Conflict key={open.id} conflict={open} again={both} />}
						</div>
					);
				}}
			</Shown>
		</div>
	);
}

function nameOf(conflict: ConflictHead): string {
	const known = conflict.outcome ?? conflict.local ?? conflict.remote ?? {};
	for (const name of ["title", "name", "body"]) {
		const value = known[name];
		if (typeof value === "string" && value !== "") return value.slice(0, 80);
	}
	return conflict.entity_id;
}

function Conflict({ conflict, again }: { conflict: ConflictHead; again: () => void }) {
	const { isBusy, problem, run } = useDeed();
	const [merged, setMerged] = useState<string | null>(null);
	const [wrong, setWrong] = useState<string | null>(null);
	const decide = async (
		take: "outcome" | "local" | "remote" | "merged",
		document?: Record<string, unknown>,
	) => {
		const done = await run(() =>
			post("/api/v1/team/conflicts/{conflict_id}/resolve", {
				in: { conflict_id: conflict.id },
				body: document === undefined ? { take } : { take, document },
			}),
		);
		if (done) {
			setMerged(null);
			again();
		}
	};
	const rows = layConflict(conflict);
	const changed = rows.filter((row) => row.isLost || row.changed !== "nobody");
	const [showsAll, setShowsAll] = useState(false);
	return (
		<section class="panel stack" aria-label={`Conflict of ${nameOf(conflict)}`}>
			<h2>{nameOf(conflict)}</h2>
			<p class="soft">
				{conflict.strategy.replaceAll("_", " ")} decided for{" "}
				<b>{SIDES[conflict.winner] ?? conflict.winner}</b>
				{conflict.fields.length > 0 && `; a change of ${conflict.fields.join(", ")} was lost by it`}
				.
				{conflict.resolution !== null &&
					` Somebody looked at it and took ${SIDES[conflict.resolution] ?? conflict.resolution}.`}
			</p>
			<div class="scroll">
				<table class="sides" aria-label="The sides">
					<thead>
						<tr>
							<th>field</th>
							<th>before</th>
							<th>ours, {sayAgo(readTime(conflict.local_at) ?? 0, now.value)}</th>
							<th>theirs, {sayAgo(readTime(conflict.remote_at) ?? 0, now.value)}</th>
							<th>what was made of it</th>
						</tr>
					</thead>
					<tbody>
						<Deleted conflict={conflict} />
						{(showsAll ? rows : changed).map((row) => (
							<Side key={row.field} row={row} />
						))}
					</tbody>
				</table>
			</div>
			{changed.length < rows.length && (
				<label>
					<input
						type="checkbox"
						checked={showsAll}
						onChange={(event) => setShowsAll(event.currentTarget.checked)}
					/>{" "}
					with {sayMany(rows.length - changed.length, "field")} that nobody changed
				</label>
			)}
			<div class="bar">
				<button type="button" class="primary" disabled={isBusy} onClick={() => decide("outcome")}>
					Leave what was made of it
				</button>
				<button type="button" disabled={isBusy} onClick={() => decide("local")}>
					Take ours
				</button>
				<button type="button" disabled={isBusy} onClick={() => decide("remote")}>
					Take theirs
				</button>
				<button
					type="button"
					disabled={isBusy}
					aria-expanded={merged !== null}
					onClick={() =>
						setMerged(merged === null ? JSON.stringify(conflict.outcome ?? {}, null, 2) : null)
					}
				>
					Merge by hand …
				</button>
				<span class="soft small">It may be decided again later.</span>
			</div>
			{merged !== null && (
				<form
					class="stack"
					onSubmit={(event) => {
						event.preventDefault();
						const document = readDocument(merged);
						if (document === null) setWrong("that is no JSON object");
						else void decide("merged", document);
					}}
				>
					<label>
						The merged version, JSON
						<textarea
							class="mono"
							rows={10}
							value={merged}
							onInput={(event) => {
								setMerged(event.currentTarget.value);
								setWrong(null);
							}}
						/>
					</label>
					{wrong && (
						<p class="bad" role="alert">
							{wrong}
						</p>
					)}
					<div>
						<button type="submit" class="primary" disabled={isBusy}>
							Take this
						</button>
					</div>
				</form>
			)}
			<Wrong problem={problem} />
		</section>
	);
}

const SIDES: Record<string, string> = {
	local: "ours",
	remote: "theirs",
	merged: "a merged version",
	outcome: "what was made of it",
};

function Deleted({ conflict }: { conflict: ConflictHead }) {
	const { base, local, remote, outcome } = conflict;
	if (local !== null && remote !== null && outcome !== null) return null;
	return (
		<tr>
			<td />
			{[base, local, remote, outcome].map((side, at) => (
				<td key={at} class="soft">
					{side === null && (at === 0 ? "not there yet" : <b class="warn">deleted</b>)}
				</td>
			))}
		</tr>
	);
}

function Side({ row }: { row: SideRow }) {
	const here = row.changed === "both" || row.changed === "here";
	const there = row.changed === "both" || row.changed === "there";
	return (
		<tr class={row.isLost ? "diff-removed" : ""}>
			<td class="mono">
				{row.field}
				{row.isLost && <span class="small bad"> lost a change</span>}
			</td>
			<Cell value={row.base} isChanged={false} />
			<Cell value={row.local} isChanged={here} />
			<Cell value={row.remote} isChanged={there} />
			<Cell value={row.outcome} isChanged={false} />
		</tr>
	);
}

function Cell({ value, isChanged }: { value: unknown; isChanged: boolean }) {
	return (
		<td class={isChanged ? "is-changed" : ""}>
			<pre>{value === undefined ? "–" : sayValue(value)}</pre>
		</td>
	);
}

function readDocument(text: string): Record<string, unknown> | null {
	try {
		const said: unknown = JSON.parse(text);
		return typeof said === "object" && said !== null && !Array.isArray(said)
			? (said as Record<string, unknown>)
			: null;
	} catch {
		return null;
	}
}
