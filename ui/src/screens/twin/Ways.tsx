/** The ways into the twin: its objects, processes, the steps of a trace, what was rejected. */

import { linkTo, param } from "../../state/place";

const PLACES = [
	["objects", null],
	["processes", "processes"],
	["steps of a trace", "steps"],
	["rejected events", "rejected"],
] as const;

/** The ways into the twin. */
export function Ways() {
	const shown = param("show");
	return (
		<nav class="bar" aria-label="Twin">
			{PLACES.map(([words, show]) => (
				<a
					key={words}
					class="button"
					href={linkTo("twin", [], { show })}
					aria-current={show === shown ? "page" : undefined}
				>
					{words}
				</a>
			))}
		</nav>
	);
}
