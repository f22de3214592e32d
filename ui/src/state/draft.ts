/** A text that somebody writes, which begins as what the address says. */

import { useLayoutEffect, useState } from "preact/hooks";

/**
 * Return what is written so far, and how to write it. Where `value` changes it is that; null changes
 * nothing. What was typed before the page had drawn itself stays.
 */
export function useDraft(
	value: string | null,
	first = "",
): [text: string, write: (text: string) => void] {
	const [text, setText] = useState(value ?? first);
	// Not after the next frame: by then somebody may have typed.
	useLayoutEffect(() => {
		if (value !== null) setText(value);
	}, [value]);
	return [text, setText];
}
