/** A question kept for the team under a name, from wherever it is asked. */

import { useRef, useState } from "preact/hooks";
import { get, post } from "../api/client";
import type { TeamStatus } from "../api/schema";
import { useDeed } from "../state/deed";
import { linkTo } from "../state/place";
import { Wrong } from "./Wrong";

export interface Saved {
	language: "sql" | "filter";
	query: string;
	description?: string;
}

export function SaveQuery({ saved }: { saved: Saved | null }) {
	const { isBusy, problem, run } = useDeed();
	const [name, setName] = useState("");
	const [kept, setKept] = useState<string | null>(null);
	// Asked for when the menu is opened: most who look for something save nothing.
	const [team, setTeam] = useState<TeamStatus | null>(null);
	const menu = useRef<HTMLDetailsElement>(null);
	return (
		<details
			class="menu save"
			ref={menu}
			onToggle={async (event) => {
				setKept(null);
				if (event.currentTarget.open) await run(async () => setTeam(await get("/api/v1/team", {})));
			}}
		>
			<summary class="button">Save for the team</summary>
			<div>
				{saved === null ? (
					<p class="soft">Ask something first: a filter, or a statement that was run.</p>
				) : team !== null && team.team_id === null ? (
					<p class="soft">
						This server belongs to no team:{" "}
						<a href={linkTo("team", ["queries"])}>what to do about it</a>.
					</p>
				) : (
					<form
						class="stack"
						onSubmit={async (event) => {
							event.preventDefault();
							const done = await run(() =>
								post("/api/v1/team/queries", { body: { name: name.trim(), ...saved } }),
							);
							if (done) setKept(name.trim());
						}}
					>
						<label>
							Its name
							<input
								type="text"
								required
								maxLength={100}
								value={name}
								onInput={(event) => setName(event.currentTarget.value)}
							/>
						</label>
						<p class="soft small">
							A query of this name becomes this one. It has no time: whoever opens it looks at
							theirs.
						</p>
						<button type="submit" class="primary" disabled={isBusy || name.trim() === ""}>
							Save
						</button>
						{kept !== null && (
							<p class="good" role="status">
								{kept} is kept: <a href={linkTo("team", ["queries"])}>all queries</a>
							</p>
						)}
					</form>
				)}
				<Wrong problem={problem} />
			</div>
		</details>
	);
}
