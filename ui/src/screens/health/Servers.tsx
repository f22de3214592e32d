/** The servers that keep the same as this one, as this one knows them: who leads, how far the others are. */

import type { GroupStatus, PeerStatus, Readiness } from "../../api/schema";
import { Shown } from "../../parts/States";
import { sayCount, sayDuration } from "../../parts/words";
import { sayLease, sayPlace } from "./group";
import type { Answered } from "./Health";

/** Nothing at all where this server is alone. */
export function Servers({ of: answer }: { of: Answered<Readiness> }) {
	if (!answer.data?.group) return null;
	return (
		<section class="panel" aria-label="Its group of servers">
			<h2>Its group of servers</h2>
			<Shown of={answer}>{({ group }) => (group ? <Group group={group} /> : null)}</Shown>
		</section>
	);
}

function Group({ group }: { group: GroupStatus }) {
	const lease = sayLease(group);
	const peers = group.peers ?? [];
	return (
		<div class="stack">
			<p>{sayPlace(group)}.</p>
			{peers.length > 0 && <Peers peers={peers} />}
			{group.heard_seconds != null && (
				<p class="small soft">
					Its leader was heard {sayDuration(group.heard_seconds * 1000)} ago.
				</p>
			)}
			{lease && <p class="small soft">{lease}.</p>}
			{group.detail && <p class="warn">{group.detail}</p>}
			<p class="small soft">
				<code>clew servers</code> asks each of them.
			</p>
		</div>
	);
}

function Peers({ peers }: { peers: PeerStatus[] }) {
	return (
		<div class="scroll">
			<table class="figures">
				<thead>
					<tr>
						<th>standby</th>
						<th>how it is</th>
						<th class="number">behind</th>
					</tr>
				</thead>
				<tbody>
					{peers.map((each) => (
						<tr key={each.url}>
							<td class="mono">{each.url}</td>
							<td class={each.ok ? "good" : "bad"}>
								{each.detail ?? (each.ok ? "following" : "away")}
							</td>
							<td class="number">{each.behind == null ? "" : sayCount(each.behind)}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
