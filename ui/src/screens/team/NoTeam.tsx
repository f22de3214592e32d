/** What a pane about a team shows while none is chosen. */

import { Nothing } from "../../parts/States";
import { linkTo } from "../../state/place";

export function NoTeam() {
	return (
		<Nothing title="No team is chosen">
			<p>
				Choose one among <a href={linkTo("team", ["members"])}>your teams</a>, found one, or come
				into one:
			</p>
			<pre>{`clew team create 'Night watch'
clew team join CODE-OF-AN-INVITE`}</pre>
		</Nothing>
	);
}
