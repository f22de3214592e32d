/** A text that completes piece by piece, and shows in its place what is wrong with it. */

import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { markOwn } from "../api/client";
import { useDraft } from "../state/draft";
import type { Suggestion } from "./Complete";

/** What may stand at the caret instead of a piece of the text. */
export interface Completion {
	from: number;
	to: number;
	found: readonly Suggestion[];
}

interface CompletingTextProps {
	label: string;
	value: string;
	placeholder?: string;
	/** More than one line; then Control or Command and Enter send it. */
	isLong?: boolean;
	complete: (text: string, caret: number, until: AbortSignal) => Promise<Completion>;
	onSend: (text: string) => void;
	onText?: (text: string) => void;
	/** What is wrong with `value`, as positions in it. */
	fault?: { from: number; to: number; message: string } | null | undefined;
}

/** Long enough that a word typed at once is one question. */
const PAUSE_MS = 120;

const NOTHING: Completion = { from: 0, to: 0, found: [] };

export function CompletingText(props: CompletingTextProps) {
	const { label, value, isLong = false, complete, onSend, fault } = props;
	const id = useId();
	const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
	const mirror = useRef<HTMLDivElement>(null);
	const [text, setText] = useDraft(value);
	const [caret, setCaret] = useState<number | null>(null);
	const [completion, setCompletion] = useState(NOTHING);
	const [picked, setPicked] = useState(-1);
	useEffect(() => {
		if (caret === null) return setCompletion(NOTHING);
		const gone = new AbortController();
		const timer = window.setTimeout(() => {
			complete(text, caret, markOwn(gone.signal)).then(
				(found) => {
					if (gone.signal.aborted) return;
					setCompletion(found);
					setPicked(-1);
				},
				// Completion is a help: without it one types.
				() => {
					if (!gone.signal.aborted) setCompletion(NOTHING);
				},
			);
		}, PAUSE_MS);
		return () => {
			window.clearTimeout(timer);
			gone.abort();
		};
	}, [text, caret]);
	const follow = () => {
		const { current: from } = field;
		if (from === null || mirror.current === null) return;
		mirror.current.scrollLeft = from.scrollLeft;
		mirror.current.scrollTop = from.scrollTop;
	};
	useLayoutEffect(follow);
	const write = (next: string, at: number | null) => {
		setText(next);
		setCaret(at);
		// What was found fits the text before, and its places are places in that.
		setCompletion(NOTHING);
		setPicked(-1);
		props.onText?.(next);
	};
	const choose = (suggestion: Suggestion) => {
		const before = text.slice(0, completion.from) + suggestion.text;
		const rest = text.slice(completion.to);
		const hasGap = /^\s/.test(rest);
		const gap = hasGap || before.endsWith("(") ? "" : " ";
		const at = before.length + (hasGap ? 1 : gap.length);
		write(before + gap + rest, at);
		requestAnimationFrame(() => {
			field.current?.focus();
			field.current?.setSelectionRange(at, at);
		});
	};
	const send = () => {
		setCaret(null);
		onSend(text);
	};
	const isOpen = caret !== null && completion.found.length > 0;
	const hear = (event: KeyboardEvent) => {
		const isSend = event.key === "Enter" && (!isLong || event.metaKey || event.ctrlKey);
		if (isOpen && event.key === "ArrowDown")
			setPicked((at) => Math.min(at + 1, completion.found.length - 1));
		else if (isOpen && event.key === "ArrowUp" && picked >= 0) setPicked((at) => at - 1);
		else if (isOpen && (event.key === "Tab" || event.key === "Enter") && completion.found[picked])
			choose(completion.found[picked]);
		else if (isSend) send();
		else if (isOpen && event.key === "Escape") setCaret(null);
		else return;
		event.preventDefault();
		event.stopPropagation();
	};
	const isFaulty = fault != null && text === value;
	const common = {
		ref: field,
		"aria-label": label,
		"aria-invalid": isFaulty,
		"aria-activedescendant": isOpen && picked >= 0 ? `${id}-${picked}` : undefined,
		"aria-describedby": isFaulty ? `${id}-fault` : undefined,
		placeholder: props.placeholder ?? label,
		value: text,
		spellcheck: false,
		onScroll: follow,
		onInput: () => {
			const { current } = field;
			if (current) write(current.value, current.selectionStart);
		},
		onClick: () => setCaret(field.current?.selectionStart ?? null),
		onBlur: () => {
			setCaret(null);
			if (!isLong && text !== value) onSend(text);
		},
		onKeyDown: hear,
	};
	return (
		<div class={`completing ${isLong ? "long" : ""} ${isFaulty ? "is-faulty" : ""}`}>
			<div class="written">
				<div class="mirror" ref={mirror} aria-hidden="true">
					{isFaulty && (
						<>
							{text.slice(0, fault.from)}
							<mark>{text.slice(fault.from, fault.to) || " "}</mark>
							{text.slice(fault.to)}
						</>
					)}
				</div>
				{isLong ? (
					<textarea {...common} />
				) : (
					<input
						type="text"
						role="combobox"
						aria-expanded={isOpen}
						aria-controls={id}
						aria-autocomplete="list"
						autocomplete="off"
						{...common}
					/>
				)}
			</div>
			{isOpen && (
				<ul class="suggestions" id={id} role="listbox" aria-label={`${label}: what may follow`}>
					{completion.found.map((each, at) => (
						<li
							key={each.text}
							id={`${id}-${at}`}
							role="option"
							aria-selected={at === picked}
							onPointerDown={(event) => {
								event.preventDefault();
								choose(each);
							}}
						>
							<span class="cut mono">{each.text}</span>
							<span class="soft small cut">{each.note}</span>
						</li>
					))}
				</ul>
			)}
			{isFaulty && (
				<p class="fault" id={`${id}-fault`} role="alert">
					{fault.message}
				</p>
			)}
		</div>
	);
}
