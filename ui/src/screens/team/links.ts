/** What was looked at in a session, as links of this page. Pure. */

import { linkTo } from "../../state/place";

export interface Looked {
	kind: string;
	id: string;
	/** The address over REST; of a query it is all there is. */
	path?: string | null;
	last_at?: string | null;
}

/** Screens that show what a route answers, and what of its parameters they read. */
const SCREEN_OF: Record<string, [string, Record<string, string>]> = {
	"/traces": ["find", { show: "spans" }],
	"/logs": ["find", { show: "logs" }],
	"/logs/patterns": ["find", { show: "logs" }],
	"/sql": ["find", { show: "sql" }],
	"/services": ["services", {}],
	"/summary": ["services", {}],
	"/topology": ["services", {}],
	"/metrics": ["services", { show: "metrics" }],
	"/agents": ["services", { show: "agents" }],
	"/anomalies": ["services", { show: "changes" }],
	"/apps": ["tree", { all: "true" }],
	"/crashes": ["tree", { all: "true" }],
	"/objects": ["twin", {}],
	"/processes": ["twin", { show: "processes" }],
	"/rejected": ["twin", { show: "rejected" }],
};

/** Of a page of an answer, not of the question. */
const LEFT_OUT = new Set(["limit", "next", "last", "start", "end", "q"]);

/** Return where the page shows it, or null where no screen does. */
export function linkOf({ kind, id, path, last_at }: Looked): string | null {
	const slash = id.indexOf("/");
	const [first, rest] = slash < 0 ? [id, ""] : [id.slice(0, slash), id.slice(slash + 1)];
	switch (kind) {
		case "trace":
			return linkTo("trace", [id]);
		case "span":
			return linkTo("trace", [first], { span: rest });
		case "app":
			return linkTo("tree", [id], { all: "true" });
		case "object":
			return rest === "" ? null : linkTo("twin", [first, rest]);
		case "lineage":
			return linkTo("lineage", id.split("..").slice(0, 2));
		case "metric":
			return linkTo("services", [], { show: "metrics", metric: id });
		case "service":
			return linkTo("find", [], { service: id });
		default:
			return path ? linkOfQuestion(path, last_at ?? null) : null;
	}
}

function linkOfQuestion(path: string, askedAt: string | null): string | null {
	const address = new URL(path, "http://clew.invalid");
	const route = address.pathname.replace(/^\/api\/v1/, "");
	const found = SCREEN_OF[route];
	if (found === undefined) return null;
	const [screen, fixed] = found;
	const params: Record<string, string | string[] | null> = { ...fixed };
	for (const name of new Set(address.searchParams.keys()))
		if (!LEFT_OUT.has(name)) params[name] = address.searchParams.getAll(name);
	const question = address.searchParams.get("q");
	if (question !== null) params[route === "/sql" ? "sql" : "q"] = question;
	const start = address.searchParams.get("start");
	// What was open to the future when it was asked saw no more than what was there.
	const end = address.searchParams.get("end") ?? askedAt;
	if (start !== null && end !== null) Object.assign(params, { start, end, last: null, at: null });
	return linkTo(screen, [], params);
}
