/** A text that is sent when it is finished: each letter would ask the server anew. */

import { useDraft } from "../state/draft";

interface WrittenProps {
	label: string;
	placeholder?: string;
	value: string;
	width?: string;
	onSend: (text: string) => void;
}

export function Written({ label, placeholder = label, value, width, onSend }: WrittenProps) {
	const [text, setText] = useDraft(value);
	const send = () => {
		if (text !== value) onSend(text);
	};
	return (
		<input
			type="search"
			aria-label={label}
			placeholder={placeholder}
			style={width === undefined ? undefined : { width }}
			value={text}
			onInput={(event) => setText(event.currentTarget.value)}
			onBlur={send}
			onKeyDown={(event) => {
				if (event.key === "Enter") send();
			}}
		/>
	);
}
