/** A statement while somebody types it: tables, columns and words that may follow; where it is wrong. Pure. */

import type { SqlSchema } from "../../api/schema";
import type { Completion } from "../../parts/CompletingText";
import type { Fault } from "./expression";

/** As many as are read through in one look. */
const SUGGESTED = 20;

const WORDS = [
	"SELECT",
	"FROM",
	"WHERE",
	"GROUP BY",
	"ORDER BY",
	"HAVING",
	"LIMIT",
	"AND",
	"OR",
	"NOT",
	"IN",
	"LIKE",
	"DESC",
	"AS",
	"JOIN",
	"INTERVAL",
];

const FUNCTIONS = [
	"count()",
	"countIf(",
	"uniq(",
	"sum(",
	"avg(",
	"min(",
	"max(",
	"quantile(0.95)(",
	"toStartOfMinute(",
	"toStartOfHour(",
	"now()",
	"any(",
	"argMax(",
];

/** Return what may stand at a caret: tables after FROM, else what the tables of the statement have. */
export function completeStatement(
	text: string,
	caret: number,
	schema: Pick<SqlSchema, "tables">,
): Completion {
	const word = /[A-Za-z_][\w.]*$/.exec(text.slice(0, caret))?.[0] ?? "";
	const from = caret - word.length;
	const rest = /^\w*/.exec(text.slice(caret))?.[0] ?? "";
	const nothing = { from, to: caret, found: [] };
	if (isWithinText(text.slice(0, from))) return nothing;
	const wantsTable = /\b(from|join)\s+$/i.test(text.slice(0, from));
	if (word === "" && !wantsTable) return nothing;
	const tables = schema.tables.map((each) => ({ text: each.name, note: "table" }));
	const named = schema.tables.filter((each) => new RegExp(`\\b${each.name}\\b`).test(text));
	const columns = (named.length > 0 ? named : schema.tables).flatMap((table) =>
		table.columns.map((each) => ({ text: each.name, note: `${each.type}, ${table.name}` })),
	);
	const words = [
		...WORDS.map((each) => ({ text: each, note: "" })),
		...FUNCTIONS.map((each) => ({ text: each, note: "function" })),
	];
	const all = wantsTable ? tables : [...columns, ...tables, ...words];
	const lower = word.toLowerCase();
	const seen = new Set<string>();
	const begins = all.filter((each) => each.text.toLowerCase().startsWith(lower));
	const holds = all.filter((each) => lower.length > 1 && each.text.toLowerCase().includes(lower));
	const found = [...begins, ...holds].filter(
		(each) => each.text !== word && !seen.has(each.text) && seen.add(each.text),
	);
	return { from, to: caret + rest.length, found: found.slice(0, SUGGESTED) };
}

/** Whether the end of a text is within a string or a comment. */
function isWithinText(text: string): boolean {
	const left = text
		.replace(/'(?:\\.|[^'\\])*'/gs, "")
		.replace(/\/\*.*?\*\//gs, "")
		.replace(/--[^\n]*\n/g, "");
	return left.includes("'") || left.includes("/*") || left.includes("--");
}

/** Return where the server says that a statement is wrong, as well as it can be told; else its end. */
export function faultOfStatement(message: string, text: string): Fault {
	const position = /failed at position (\d+)/.exec(message);
	if (position !== null) {
		const from = Math.min(Number(position[1]) - 1, text.length);
		const wide = /^\w+|^./.exec(text.slice(from))?.[0].length ?? 1;
		return { from, to: from + wide, message };
	}
	const refused = /^the \w+ (\S+) is not allowed/.exec(message);
	for (const [, name] of [
		...(refused ? [refused] : []),
		...message.matchAll(/[`']([^`']+)[`']/g),
	]) {
		const last = name?.split(".").at(-1) ?? "";
		const found = new RegExp(`(?<!\\w)${escaped(last)}(?!\\w)`, "i").exec(text);
		if (last !== "" && found !== null)
			return { from: found.index, to: found.index + last.length, message };
	}
	return { from: text.length, to: text.length + 1, message };
}

function escaped(text: string): string {
	return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
