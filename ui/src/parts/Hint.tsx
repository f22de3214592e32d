/** A hint of the server: what can be typed stands between backticks in it, and is shown as such. */

export function Hint({ text }: { text: string }) {
	const parts = text.split("`");
	// A single backtick is one.
	if (parts.length % 2 === 0) return <>{text}</>;
	return <>{parts.map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>;
}
