/** Why something was not done, beside the button that should have done it. */

import type { Problem } from "../api/client";
import { Hint } from "./Hint";

export function Wrong({ problem }: { problem: Problem | null }) {
	if (problem === null) return null;
	return (
		<p class="bad" role="alert">
			{problem.message}{" "}
			{problem.hint && (
				<span class="soft next-step">
					<Hint text={problem.hint} />
				</span>
			)}
		</p>
	);
}
