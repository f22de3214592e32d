/** The key map: one table, shown by `?`, from which every key works. */

import { signal } from "@preact/signals";

export interface Key {
	/** As `KeyboardEvent.key` names it; `mod+k` with Control or Command, `g f` one after the other. */
	keys: string;
	what: string;
	act: () => void;
}

/** Those of the screen come before those of the page. */
const layers = signal<readonly (readonly Key[])[]>([]);

export function allKeys(): Key[] {
	return layers.value.flat();
}

/** Let keys work until the answer is called. */
export function addKeys(keys: readonly Key[]): () => void {
	layers.value = [keys, ...layers.value];
	return () => {
		layers.value = layers.value.filter((each) => each !== keys);
	};
}

/** How long the second key of two may take. */
const SEQUENCE_MS = 1_000;

/** Listen to the keyboard; the answer ends it. */
export function hearKeys(): () => void {
	let before = "";
	let since = 0;
	const hear = (event: KeyboardEvent) => {
		// Before a question everything else waits; Escape is the way out of it.
		if (document.querySelector("dialog[open]") !== null) return;
		const name = nameOf(event);
		if (isTyping(event.target) && !name.startsWith("mod+") && name !== "Escape") return;
		const wanted = [event.timeStamp - since < SEQUENCE_MS ? `${before} ${name}` : "", name];
		const found = wanted
			.map((keys) => allKeys().find((each) => each.keys === keys))
			.find((key) => key !== undefined);
		before = found === undefined ? name : "";
		since = event.timeStamp;
		if (found !== undefined) {
			event.preventDefault();
			found.act();
		}
	};
	window.addEventListener("keydown", hear);
	return () => window.removeEventListener("keydown", hear);
}

function nameOf(event: KeyboardEvent): string {
	if (event.ctrlKey || event.metaKey) return `mod+${event.key.toLowerCase()}`;
	return event.altKey ? `alt+${event.key}` : event.key;
}

function isTyping(target: EventTarget | null): boolean {
	return (
		target instanceof HTMLElement &&
		(target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
	);
}
