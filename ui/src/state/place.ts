/** Where the page is: screen, names and parameters, all of it in the address, so a link is a finding.
 *
 * `#/trace/4bf9…?span=00f0…&last=1h` is the screen `trace`, one name, and two parameters.
 */

import { computed, signal } from "@preact/signals";

export interface Place {
	screen: string;
	names: string[];
	params: URLSearchParams;
}

/** Parameters that mean the same on every screen, and so go along from one to the next. */
export const SHARED = ["last", "start", "end", "at"] as const;

export const HOME = "find";

const hash = signal(typeof window === "undefined" ? "" : window.location.hash);

/** The place that the address names. */
export const place = computed<Place>(() => readPlace(hash.value));

/** Keep up with the address: back, forward, and links that somebody typed. */
export function followAddress(): () => void {
	const hear = () => {
		hash.value = window.location.hash;
	};
	window.addEventListener("hashchange", hear);
	hear();
	return () => window.removeEventListener("hashchange", hear);
}

export function readPlace(text: string): Place {
	const [path = "", query = ""] = text.replace(/^#?\/?/, "").split(/\?(.*)/s);
	const [screen = "", ...names] = path.split("/").map(decode);
	return { screen: screen || HOME, names, params: new URLSearchParams(query) };
}

export function writePlace(at: Place): string {
	const path = [at.screen, ...at.names].map(encodeURIComponent).join("/");
	const query = at.params.toString();
	return `#/${path}${query && `?${query}`}`;
}

type Params = Record<string, string | readonly string[] | null | undefined>;

/** Return the link to a screen, with the time that is looked at now. */
export function linkTo(screen: string, names: readonly string[] = [], params: Params = {}): string {
	const kept = new URLSearchParams();
	for (const name of SHARED) {
		const value = place.value.params.get(name);
		if (value !== null) kept.set(name, value);
	}
	return writePlace({ screen, names: [...names], params: changed(kept, params) });
}

/** Go to a link that `linkTo` made. */
export function go(link: string): void {
	window.location.hash = link;
	// The event comes later, and whoever asks until then would be told of the place before.
	hash.value = window.location.hash;
}

/** Change parameters and stay where we are. `replace` leaves no step to go back to. */
export function change(params: Params, { replace = false } = {}): void {
	// A link may have been followed already, and its event be on its way: what changes by itself, such
	// as the cursor while it plays, would lead back from there.
	if (window.location.hash !== hash.value) hash.value = window.location.hash;
	const now = place.value;
	const link = writePlace({ ...now, params: changed(now.params, params) });
	if (link === window.location.hash) return;
	if (replace) {
		window.history.replaceState(null, "", link);
		hash.value = link;
	} else {
		go(link);
	}
}

/** Return one parameter of the place we are at. */
export function param(name: string): string | null {
	return place.value.params.get(name);
}

export function params(name: string): string[] {
	return place.value.params.getAll(name);
}

function changed(from: URLSearchParams, by: Params): URLSearchParams {
	const to = new URLSearchParams(from);
	for (const [name, value] of Object.entries(by)) {
		to.delete(name);
		const values = value === null || value === undefined ? [] : [value].flat();
		for (const each of values) if (each !== "") to.append(name, each as string);
	}
	return to;
}

function decode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		// A percent sign that somebody typed.
		return text;
	}
}
