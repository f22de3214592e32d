/** What a query tier says of what it does not keep: where it is done instead. */

import { ShardLinks } from "../../parts/ShardLinks";
import { Nothing } from "../../parts/States";

/** `what` begins the title, such as "Teams". */
export function AtShards({ what }: { what: string }) {
	return (
		<Nothing title={`${what} are at the shards`}>
			<p>
				This is a query tier: it reads what its shards have, and keeps nothing itself. Choose the
				shard that is to keep it, on its own page: <ShardLinks />
			</p>
		</Nothing>
	);
}
