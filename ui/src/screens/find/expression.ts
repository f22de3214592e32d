/** The filter expression while somebody types it: what may stand at the caret, and where it is wrong. Pure. */

export interface Token {
	kind: "word" | "quoted" | "operator" | "open" | "close" | "comma";
	from: number;
	to: number;
	text: string;
}

const PATTERN =
	/\s+|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|!=|!~|~=|=~|>=|<=|[=<>!]|[(),]|[^\s"'(),=!~<>]+|./gs;

const PUNCTUATION: Record<string, Token["kind"]> = { "(": "open", ")": "close", ",": "comma" };

/** Return the words and signs of a text; what cannot be read is a word as well. */
export function tokensOf(text: string): Token[] {
	const tokens: Token[] = [];
	for (const found of text.matchAll(PATTERN)) {
		const [piece] = found;
		if (/^\s/.test(piece)) continue;
		const first = piece[0] as string;
		const kind =
			PUNCTUATION[first] ??
			(first === '"' || first === "'" ? "quoted" : /^[=!~<>]/.test(piece) ? "operator" : "word");
		tokens.push({ kind, from: found.index, to: found.index + piece.length, text: piece });
	}
	return tokens;
}

/** What may stand at the caret, and which piece of the text it would take the place of. */
export interface Wanted {
	kind: "target" | "operator" | "value" | "join";
	from: number;
	to: number;
	/** What is typed of it already, without quotes. */
	word: string;
	/** The field or key that an operator or a value belongs to, as it is written. */
	target: string;
}

/** Return what may stand at a caret. */
export function wantedAt(text: string, caret: number): Wanted {
	let kind: Wanted["kind"] = "target";
	let target = "";
	let isList = false;
	for (const token of tokensOf(text)) {
		if (token.from >= caret) break;
		const isTouched = token.to >= caret;
		const isText = token.kind === "word" || token.kind === "quoted";
		if (isTouched && isText) {
			const word = unquoted(text.slice(token.from, caret));
			return { kind, from: token.from, to: token.to, word, target };
		}
		// One sign may be the first of two.
		if (isTouched && (token.text === "!" || token.text === "~") && kind === "operator")
			return { kind, from: token.from, to: token.to, word: token.text, target };
		const upper = token.text.toUpperCase();
		if (token.kind === "operator") {
			kind = token.text === "!" ? "target" : "value";
		} else if (token.kind === "open") {
			if (!isList) kind = "target";
		} else if (token.kind === "comma") {
			kind = "value";
		} else if (token.kind === "close") {
			kind = "join";
			isList = false;
		} else if (token.kind === "word" && (upper === "AND" || upper === "OR")) {
			kind = "target";
		} else if (token.kind === "word" && upper === "NOT") {
			if (kind !== "operator") kind = "target";
		} else if (token.kind === "word" && upper === "IN" && kind === "operator") {
			kind = "value";
			isList = true;
		} else if (kind === "target") {
			kind = "operator";
			target = token.text;
		} else {
			kind = "join";
		}
	}
	return { kind, from: caret, to: caret, word: "", target };
}

function unquoted(text: string): string {
	return /^["']/.test(text) ? text.slice(1).replace(/\\(.)/g, "$1") : text;
}

/** Return a value as it is written: quoted where a word would end too soon. */
export function writeValue(text: string): string {
	if (/^[^\s"'(),=!~<>\\]+$/.test(text) && !/^(and|or|not|in)$/i.test(text)) return text;
	return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

export interface Field {
	name: string;
	note: string;
	/** All that it may be; for others the server knows. */
	values?: readonly string[];
}

const KINDS = ["internal", "server", "client", "producer", "consumer"];
const SEVERITIES = ["trace", "debug", "info", "warn", "error", "fatal"];

export const SPAN_FIELDS: readonly Field[] = [
	{ name: "service", note: "the service's name" },
	{ name: "operation", note: "the span's name" },
	{ name: "duration", note: "100ms, 1.5s", values: ["10ms", "100ms", "1s", "10s"] },
	{ name: "status", note: "ok, error, unset", values: ["error", "ok", "unset"] },
	{ name: "status_message", note: "text" },
	{ name: "kind", note: "server, client, …", values: KINDS },
	{ name: "root", note: "has no parent", values: ["true", "false"] },
	{ name: "event", note: "the name of any event", values: ["exception"] },
	{ name: "text", note: "words anywhere" },
	{ name: "trace_id", note: "hex" },
	{ name: "span_id", note: "hex" },
	{ name: "scope", note: "instrumentation" },
];

export const LOG_FIELDS: readonly Field[] = [
	{ name: "service", note: "the service's name" },
	{ name: "severity", note: "info, warn, …", values: SEVERITIES },
	{ name: "body", note: "text" },
	{ name: "event_name", note: "text" },
	{ name: "text", note: "words anywhere" },
	{ name: "trace_id", note: "hex" },
	{ name: "span_id", note: "hex" },
	{ name: "scope", note: "instrumentation" },
];

const PLACES = /^(span|resource|scope|event|link)\./;

/** Return a key of an attribute as it is written, so that it is no field and no place. */
export function writeKey(key: string, fields: readonly Field[]): string {
	const isPlain = /^[^\s"'(),=!~<>\\]+$/.test(key) && !/^(and|or|not|in)$/i.test(key);
	if (isPlain && !PLACES.test(key) && !fields.some((each) => each.name === key)) return key;
	return `"${key.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Return the key of an attribute that a target names, without its place and quotes. */
export function keyOf(target: string): string {
	return unquoted(target.replace(PLACES, "")).replace(/["']$/, "");
}

/** Return what may follow a target. */
export function operatorsFor(target: string): [text: string, note: string][] {
	if (target === "duration")
		return [
			[">", "longer than"],
			[">=", "at least"],
			["<", "shorter than"],
			["<=", "at most"],
		];
	if (target === "text") return [["~=", "contains"]];
	const all: [string, string][] = [
		["=", "is"],
		["!=", "is not"],
		["~=", "contains"],
		["=~", "matches the regular expression"],
		["!~", "does not match"],
		[">", "more than"],
		["<", "less than"],
		["IN (", "is one of"],
	];
	if (["status", "kind", "root", "trace_id", "span_id"].includes(target))
		return all.filter(([text]) => ["=", "!=", "IN ("].includes(text));
	return all;
}

/** A piece of a text that is wrong, and why. */
export interface Fault {
	from: number;
	to: number;
	message: string;
}

/** Return where the server says that an expression is wrong; null when it is wrong elsewhere. */
export function faultOf(message: string, text: string): Fault | null {
	const found = /^filter expression, column (\d+): (.*)$/s.exec(message);
	if (found === null) return null;
	const from = Math.min(Number(found[1]) - 1, text.length);
	const token = tokensOf(text).find((each) => each.to > from);
	const to = token && token.from <= from ? token.to : from + 1;
	return { from, to, message: `column ${from + 1}: ${found[2]}` };
}
