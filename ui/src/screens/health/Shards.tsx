/** The shards of a query tier: each server of them, how it is, and what to do where one is not well. */

import { get } from "../../api/client";
import type { ShardList, ShardMember, ShardStatus } from "../../api/schema";
import { Hint } from "../../parts/Hint";
import { Shown } from "../../parts/States";
import { nameMany, sayDuration } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { sayMember, sayShard } from "./group";

export function Shards({ at }: { at: string }) {
	const answer = useAnswer<ShardList>(at, (until) => get("/api/v1/shards", { until }));
	return (
		<section class="panel" aria-label="Its shards">
			<h2>Its shards</h2>
			<Shown of={answer}>{({ shards }) => <List shards={shards} />}</Shown>
		</section>
	);
}

function List({ shards }: { shards: ShardStatus[] }) {
	const silent = shards.filter((each) => each.error !== null).length;
	return (
		<div class="stack">
			<p>
				This is a query tier over {shards.length} {nameMany(shards.length, "shard", "shards")};{" "}
				{silent === 0 ? "all of them answer." : `${shards.length - silent} answer.`}
			</p>
			<div class="scroll">
				<table class="figures">
					<thead>
						<tr>
							<th>shard</th>
							<th>server</th>
							<th>how it is</th>
							<th class="number">answered in</th>
						</tr>
					</thead>
					<tbody>{shards.map((each) => rowsOf(each))}</tbody>
				</table>
			</div>
			{shards.map((each) => (
				<Trouble key={each.name} shard={each} />
			))}
		</div>
	);
}

function rowsOf(shard: ShardStatus) {
	const members = shard.members ?? [];
	if (members.length === 0)
		return <Row key={shard.name} name={shard.name} of={shard} {...sayShard(shard)} />;
	return members.map((each, at) => (
		<Row key={each.url} name={at === 0 ? shard.name : ""} of={each} {...sayMember(each)} />
	));
}

interface RowProps {
	name: string;
	of: ShardStatus | ShardMember;
	words: string;
	isWell: boolean;
}

function Row({ name, of, words, isWell }: RowProps) {
	return (
		<tr>
			<td>{name}</td>
			<td class="mono">
				<a href={`${of.url}/#/health`}>{of.url}</a>
			</td>
			<td class={isWell ? "good" : "bad"}>{words}</td>
			<td class="number soft">{of.latency_ms == null ? "" : sayDuration(of.latency_ms)}</td>
		</tr>
	);
}

/** Why a shard is not well, and the next step. */
function Trouble({ shard }: { shard: ShardStatus }) {
	const why = shard.error ?? shard.warning;
	if (!why) return null;
	return (
		<p class={shard.error === null ? "warn" : "bad"}>
			{shard.name}: {why}.
			{shard.advice && (
				<span class="soft next-step">
					<Hint text={shard.advice} />
				</span>
			)}
		</p>
	);
}
