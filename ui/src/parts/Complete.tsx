/** A field that completes: what it may hold is asked for while somebody types. */

import { useEffect, useId, useState } from "preact/hooks";
import { markOwn } from "../api/client";
import { useDraft } from "../state/draft";

export interface Suggestion {
	text: string;
	note?: string | undefined;
}

interface CompleteProps {
	label: string;
	value: string;
	placeholder?: string;
	/** Return what fits a text; the surest first. */
	suggest: (text: string, until: AbortSignal) => Promise<readonly Suggestion[]>;
	onChoose: (text: string) => void;
	/** Focused by this key of the page. */
	hotkey?: string;
}

/** Long enough that a word typed at once is one question. */
const PAUSE_MS = 120;

export function Complete({ label, value, placeholder, suggest, onChoose }: CompleteProps) {
	const id = useId();
	const [text, setText] = useDraft(value);
	const [isOpen, setOpen] = useState(false);
	const [found, setFound] = useState<readonly Suggestion[]>([]);
	const [picked, setPicked] = useState(-1);
	useEffect(() => {
		if (!isOpen) return;
		const gone = new AbortController();
		const timer = window.setTimeout(() => {
			suggest(text, markOwn(gone.signal)).then(
				(all) => {
					if (!gone.signal.aborted) {
						setFound(all);
						setPicked(-1);
					}
				},
				// Completion is a help: without it one types.
				() => {
					if (!gone.signal.aborted) setFound([]);
				},
			);
		}, PAUSE_MS);
		return () => {
			window.clearTimeout(timer);
			gone.abort();
		};
	}, [text, isOpen]);
	const choose = (chosen: string) => {
		setText(chosen);
		setOpen(false);
		onChoose(chosen);
	};
	return (
		<div class="complete">
			<input
				type="text"
				role="combobox"
				aria-label={label}
				aria-expanded={isOpen && found.length > 0}
				aria-controls={id}
				aria-autocomplete="list"
				autocomplete="off"
				spellcheck={false}
				placeholder={placeholder ?? label}
				value={text}
				onInput={(event) => {
					setText(event.currentTarget.value);
					// What was picked fits the text before.
					setPicked(-1);
					setOpen(true);
					if (event.currentTarget.value === "") choose("");
				}}
				onFocus={() => setOpen(true)}
				onBlur={() => {
					setOpen(false);
					if (text !== value) onChoose(text);
				}}
				onKeyDown={(event) => {
					if (event.key === "ArrowDown") setPicked((at) => Math.min(at + 1, found.length - 1));
					else if (event.key === "ArrowUp") setPicked((at) => Math.max(at - 1, -1));
					else if (event.key === "Enter") choose(found[picked]?.text ?? text);
					else if (event.key === "Escape") setOpen(false);
					else return;
					event.preventDefault();
				}}
			/>
			{isOpen && found.length > 0 && (
				<ul class="suggestions" id={id} role="listbox" aria-label={label}>
					{found.map((each, at) => (
						<li
							key={each.text}
							role="option"
							aria-selected={at === picked}
							onPointerDown={(event) => {
								event.preventDefault();
								choose(each.text);
							}}
						>
							<span class="cut">{each.text}</span>
							<span class="soft small">{each.note}</span>
						</li>
					))}
				</ul>
			)}
		</div>
	);
}
