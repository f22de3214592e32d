/** The shards of a query tier, each with the page of the server that is asked of it. */

import { get } from "../api/client";
import type { ShardList } from "../api/schema";
import { useAnswer } from "../state/answer";
import { place } from "../state/place";
import { standing } from "../state/standing";

/** Links to the same screen there; nothing on a server that is no tier. */
export function ShardLinks() {
	const names = standing.value.shards?.join(" ") ?? null;
	const answer = useAnswer<ShardList>(names, (until) => get("/api/v1/shards", { until }));
	const to = `#/${place.value.screen}`;
	return (
		<>
			{answer.data?.shards.map((each, at) => (
				<span key={each.name}>
					{at > 0 && ", "}
					<a href={`${each.leader ?? each.url}/${to}`}>{each.name}</a>
				</span>
			))}
		</>
	);
}
