/** Where a saved query opens. Pure. */

import type { QueryHead } from "../../api/schema";
import { linkTo } from "../../state/place";

/** Return the link that asks a saved query; null where the page has no such place. */
export function linkOfQuery(query: QueryHead): string | null {
	if (query.language === "sql") return linkTo("find", [], { show: "sql", sql: query.query });
	if (query.language !== "filter") return null;
	// Find writes what it was a list of into the description.
	const show = ["spans", "logs"].includes(query.description) ? query.description : null;
	return linkTo("find", [], { show, q: query.query });
}
