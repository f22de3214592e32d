/** What became of a command, node by node. */

import type { Cancelled, Command, CommandTarget } from "../../api/schema";

/** Nodes that are named one by one; those that need a look come first. */
const SHOWN_MAX = 200;

/** What a program answers that has nothing for an action. */
const UNKNOWN_ACTION = "unknown_action";

export interface Fate {
	app_id: string;
	app_name: string;
	what: string;
	/** Null while it is under way. */
	isWell: boolean | null;
}

export interface Outcome {
	id: string;
	/** What was asked for. */
	action: string;
	/** Whether nothing more will come of it. */
	isOver: boolean;
	fates: Fate[];
	notes: string[];
}

export function cancelled(done: Cancelled): Outcome {
	const notes: string[] = [];
	if (done.ended_before) notes.push(`${done.ended_before} had ended before`);
	if (done.left_out) notes.push(`${done.left_out} are left out of this list`);
	return {
		id: done.correlation_id,
		action: "cancel",
		isOver: done.over,
		notes,
		fates: sort(
			done.outcomes.map((each) => ({
				app_id: each.app_id,
				app_name: each.app_name,
				what: `${each.status.replace("_", " ")}, ${each.phase.replace("_", " ")}`,
				isWell: each.confirmed ? true : done.over ? false : null,
			})),
		),
	};
}

export function commanded(done: Command): Outcome {
	return {
		id: done.correlation_id,
		action: done.action,
		isOver: done.over,
		notes: [],
		fates: sort(done.targets.map((each) => fateOf(each, done.over))),
	};
}

function fateOf(target: CommandTarget, isOver: boolean): Fate {
	const { app_id, app_name, ack, error, status, app_status, phase, confirmed } = target;
	if (confirmed !== undefined && confirmed !== null)
		return {
			app_id,
			app_name,
			what: `${app_status}${phase ? `, ${phase.replace("_", " ")}` : ""}`,
			isWell: confirmed ? true : isOver ? false : null,
		};
	const said = ack === null ? status.replace("_", " ") : ack ? "acknowledged" : "refused";
	const what = error === UNKNOWN_ACTION ? "does not know this action" : (error ?? said);
	return { app_id, app_name, what, isWell: ack ?? (isOver ? false : null) };
}

function sort(fates: Fate[]): Fate[] {
	return fates.sort((one, other) => weight(one) - weight(other));
}

function weight({ isWell }: Fate): number {
	return isWell === false ? 0 : isWell === null ? 1 : 2;
}

export function Told({ outcome, again }: { outcome: Outcome; again?: (() => void) | undefined }) {
	const { action, fates, notes, isOver } = outcome;
	const well = fates.filter((each) => each.isWell === true).length;
	return (
		<div class="stack" role="status">
			<p class="bar">
				<span>{action}</span>
				<b class={well === fates.length ? "good" : "warn"}>
					{well} of {fates.length} confirmed
				</b>
				{notes.map((note) => (
					<span class="soft" key={note}>
						{note}
					</span>
				))}
				{!isOver && <span class="soft">It goes on.</span>}
				{again && (
					<button type="button" onClick={again}>
						Ask again
					</button>
				)}
			</p>
			<div class="outcome">
				<table aria-label="What became of each">
					<tbody>
						{fates.slice(0, SHOWN_MAX).map((each) => (
							<tr key={each.app_id}>
								<td>{each.app_name}</td>
								<td class={each.isWell ? "good" : "warn"}>{each.what}</td>
								<td class="soft">
									{each.isWell === null ? "under way" : each.isWell ? "confirmed" : "not confirmed"}
								</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
			{fates.length > SHOWN_MAX && (
				<p class="soft small">and {fates.length - SHOWN_MAX} more, confirmed or not over</p>
			)}
		</div>
	);
}
