/** The one way to the server: typed by its OpenAPI document, every failure a `Problem`. */

import { GATEWAY, noteHeard, noteLost, role } from "./reach";
import type { DeleteRoutes, GetRoutes, PatchRoutes, PostRoutes, PutRoutes } from "./schema";

/** Longer than the server lets any question take (30 s), so that its own words arrive. */
const TIMEOUT_MS = 35_000;

const KEY_PLACE = "clew.key";

/** The code of a problem that no server told: nobody answered, or a proxy with nobody behind it. */
const UNREACHABLE = "unreachable";

/** Questions that the page asks by itself, by who may end them: they are no looks of anybody's. */
const OWN = new WeakSet<AbortSignal>();

/** Mark whatever is asked with a signal as asked by the page itself, which no work session keeps. */
export function markOwn(until: AbortSignal): AbortSignal {
	OWN.add(until);
	return until;
}

type Names = WeakMap<AbortSignal, Set<string>>;

const LACKING: Names = new WeakMap();
const UNLED: Names = new WeakMap();

/** The shards that answers lack which were asked for with a signal: a query tier could not ask them. */
export function lackedBy(until: AbortSignal): string[] {
	return [...(LACKING.get(until) ?? [])];
}

/** The shards that standbys answered for, since none of their servers leads. */
export function unledOf(until: AbortSignal): string[] {
	return [...(UNLED.get(until) ?? [])];
}

function noteShards(names: Names, until: AbortSignal | undefined, shards: string | null): void {
	if (until === undefined || shards === null) return;
	const known = names.get(until) ?? new Set();
	for (const name of shards.split(",")) known.add(name.trim());
	names.set(until, known);
}

/** Why an answer did not come: what the server said, or that it said nothing. */
export class Problem extends Error {
	constructor(
		readonly code: string,
		message: string,
		readonly status: number,
		readonly hint: string | undefined = undefined,
		readonly retryAfterMs: number | undefined = undefined,
		/** All that the server said with it. */
		readonly document: unknown = undefined,
	) {
		super(message);
		this.name = "Problem";
	}

	/** Whether nobody answered, as against an answer that says no. */
	get isUnreachable(): boolean {
		return this.code === UNREACHABLE;
	}
}

type Values = Record<string, unknown>;

/** The names in braces of a route's path, which a call must fill in. */
type InPath<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
	? Name | InPath<Rest>
	: never;

type Filled<Path extends string> = [InPath<Path>] extends [never]
	? { in?: undefined }
	: { in: Record<InPath<Path>, string> };

type Asked<Route> = Route extends { query: infer Query } ? { query?: Query } : never;

type Sent<Route> = Route extends { body: infer Body }
	? Body extends undefined
		? { body?: undefined }
		: { body: Body }
	: never;

type Answer<Route> = Route extends { answer: infer Document } ? Document : never;

interface Common {
	/** Ends the request when whoever asked has gone. */
	until?: AbortSignal | undefined;
}

/** Ask for a document. */
export function get<Path extends keyof GetRoutes & string>(
	path: Path,
	ask: Filled<Path> & Asked<GetRoutes[Path]> & Common,
): Promise<Answer<GetRoutes[Path]>> {
	return exchange("GET", path, ask);
}

/** Have something done; never sent twice by itself. */
export function post<Path extends keyof PostRoutes & string>(
	path: Path,
	ask: Filled<Path> & Asked<PostRoutes[Path]> & Sent<PostRoutes[Path]> & Common,
): Promise<Answer<PostRoutes[Path]>> {
	return exchange("POST", path, ask);
}

export function patch<Path extends keyof PatchRoutes & string>(
	path: Path,
	ask: Filled<Path> & Asked<PatchRoutes[Path]> & Sent<PatchRoutes[Path]> & Common,
): Promise<Answer<PatchRoutes[Path]>> {
	return exchange("PATCH", path, ask);
}

export function put<Path extends keyof PutRoutes & string>(
	path: Path,
	ask: Filled<Path> & Asked<PutRoutes[Path]> & Sent<PutRoutes[Path]> & Common,
): Promise<Answer<PutRoutes[Path]>> {
	return exchange("PUT", path, ask);
}

export function remove<Path extends keyof DeleteRoutes & string>(
	path: Path,
	ask: Filled<Path> & Asked<DeleteRoutes[Path]> & Common,
): Promise<Answer<DeleteRoutes[Path]>> {
	return exchange("DELETE", path, ask);
}

/** Return the address of a route, relative to the page: it may stand below a prefix. */
export function addressOf(path: string, filled: Values = {}, query: Values = {}): URL {
	const relative = path.replace(/\{(\w+)\}/g, (_, name: string) =>
		encodeURIComponent(String(filled[name] ?? "")),
	);
	const address = new URL(`.${relative}`, pageBase());
	for (const [name, value] of Object.entries(query)) {
		const values = Array.isArray(value) ? value : [value];
		for (const each of values) {
			if (each !== undefined && each !== null) address.searchParams.append(name, String(each));
		}
	}
	return address;
}

/** The API key that was given on this page, kept until its tab is closed. */
export function apiKey(): string | null {
	return sessionStorage.getItem(KEY_PLACE);
}

export function keepApiKey(key: string): void {
	sessionStorage.setItem(KEY_PLACE, key);
}

/** Headers that show who asks. */
export function ownHeaders(): Record<string, string> {
	const key = apiKey();
	return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** Belongs to no work session: what the page asks by itself is no look of whoever sits before it. */
export const NO_SESSION = { "x-clew-session": "off" } as const;

/** Return what is thrown where nobody answered; from then on the server is asked for. */
export function unreachable(detail = "the server cannot be reached"): Problem {
	noteLost(addressOf("/healthz"));
	return new Problem(UNREACHABLE, detail, 0, "is clew serve running?");
}

function pageBase(): string {
	const { origin, pathname } = window.location;
	return origin + pathname.slice(0, pathname.lastIndexOf("/") + 1);
}

async function exchange<Document>(
	method: string,
	path: string,
	ask: { in?: Values | undefined; query?: unknown; body?: unknown } & Common,
): Promise<Document> {
	const timeout = AbortSignal.timeout(TIMEOUT_MS);
	const headers: Record<string, string> = { accept: "application/json", ...ownHeaders() };
	if (ask.until && OWN.has(ask.until)) Object.assign(headers, NO_SESSION);
	const init: RequestInit = {
		method,
		headers,
		signal: ask.until ? AbortSignal.any([ask.until, timeout]) : timeout,
	};
	if (ask.body !== undefined) {
		headers["content-type"] = "application/json";
		init.body = JSON.stringify(ask.body);
	}
	let response: Response;
	try {
		response = await fetch(addressOf(path, ask.in ?? {}, (ask.query ?? {}) as Values), init);
	} catch (error) {
		throw explainSilence(error, ask.until);
	}
	role.value = response.headers.get("x-clew-role");
	noteShards(LACKING, ask.until, response.headers.get("x-clew-partial"));
	noteShards(UNLED, ask.until, response.headers.get("x-clew-standby"));
	if (!response.ok) throw await readProblem(response);
	noteHeard();
	try {
		return (await response.json()) as Document;
	} catch (error) {
		// It broke off in the middle.
		throw explainSilence(error, ask.until);
	}
}

function explainSilence(error: unknown, until: AbortSignal | undefined): unknown {
	// Whoever asked has gone: nobody is to be told.
	if (until?.aborted) return error;
	if (error instanceof DOMException && error.name === "TimeoutError") {
		return new Problem("timeout", "the server did not answer in time", 0, "ask for less at once");
	}
	return unreachable();
}

/** Return what the server said is wrong. */
export async function readProblem(response: Response): Promise<Problem> {
	const retryAfter = Number(response.headers.get("retry-after"));
	const waits = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter * 1000 : undefined;
	const isOurs = response.headers.get("content-type")?.includes("json") === true;
	if (GATEWAY.has(response.status) && !isOurs)
		return unreachable(`a proxy answers ${response.status}, and no server behind it`);
	noteHeard();
	try {
		const said = (await response.json()) as { code?: string; detail?: string; hint?: string };
		return new Problem(
			said.code ?? "internal",
			said.detail ?? response.statusText,
			response.status,
			said.hint,
			waits,
			said,
		);
	} catch {
		const words = `the server answered ${response.status}`;
		return new Problem("internal", words, response.status, undefined, waits);
	}
}
