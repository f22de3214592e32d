/** Every view copies itself: as a link, and as what a command line, a program or an agent would ask. */

import { useEffect, useRef, useState } from "preact/hooks";

export interface Copies {
	/** As clew's command: `clew trace 4bf9…`. */
	cli?: string | undefined;
	/** The same as a statement. */
	sql?: string | undefined;
	/** The address that was asked. */
	url?: URL | undefined;
	/** The tool for agents, and its arguments. */
	mcp?: { tool: string; arguments: Record<string, unknown> } | undefined;
}

interface CopyMenuProps extends Copies {
	/** What is copied, where it is a part of a screen: the screen's own menu says nothing of it. */
	of?: string;
	/** Opens upwards. */
	isLow?: boolean;
}

export function CopyMenu({ of, isLow = false, ...copies }: CopyMenuProps) {
	const [copied, setCopied] = useState("");
	const menu = useRef<HTMLDetailsElement>(null);
	const [isOpen, setOpen] = useState(false);
	const close = () => {
		if (menu.current) menu.current.open = false;
	};
	useEffect(() => {
		if (!isOpen) return;
		const hear = (event: Event) => {
			if (!menu.current?.contains(event.target as Node)) close();
		};
		document.addEventListener("pointerdown", hear);
		return () => document.removeEventListener("pointerdown", hear);
	}, [isOpen]);
	// What is behind an open menu changes with every tick; a closed one writes nothing.
	const entries = isOpen ? writeCopies(copies, of === undefined) : [];
	const copy = async (name: string, text: string) => {
		try {
			await navigator.clipboard.writeText(text);
			setCopied(name);
		} catch {
			// Not over plain HTTP from afar: browsers give the clipboard to safe pages only.
			window.prompt("Copy this", text);
		}
	};
	return (
		<details
			class={`menu ${isLow ? "is-low" : ""}`}
			ref={menu}
			onToggle={(event) => {
				setOpen(event.currentTarget.open);
				setCopied("");
			}}
			onKeyDown={(event) => {
				if (event.key !== "Escape" || !isOpen) return;
				close();
				menu.current?.querySelector("summary")?.focus();
				event.stopPropagation();
			}}
			onFocusOut={(event) => {
				// Whoever goes on by keys has no use for it any more.
				const next = event.relatedTarget as Node | null;
				if (next !== null && !menu.current?.contains(next)) close();
			}}
		>
			<summary
				class={`button ${of === undefined ? "" : "copy-part"}`}
				aria-label={of === undefined ? undefined : `Copy ${of} as`}
				title={of === undefined ? undefined : `Copy ${of} as`}
			>
				{of === undefined ? "Copy as" : <Sheets />}
			</summary>
			<div>
				{entries.map(([name, text]) => (
					<button type="button" key={name} title={text} onClick={() => copy(name, text)}>
						{name} <span class="good">{copied === name ? "copied" : ""}</span>
					</button>
				))}
			</div>
		</details>
	);
}

/** Two sheets, one before the other: not every font has a sign for it. */
function Sheets() {
	return (
		<svg width="14" height="14" viewBox="0 0 14 14" class="sheets" aria-hidden="true">
			<path d="M4.5 4.5h8v8h-8zM9.5 4.5v-3h-8v8h3" />
		</svg>
	);
}

/** Return what can be copied, by name. */
export function writeCopies({ cli, sql, url, mcp }: Copies, withLink = true): [string, string][] {
	const entries: [string, string][] = withLink ? [["Link", window.location.href]] : [];
	if (cli) entries.push(["Command", cli]);
	if (sql) entries.push(["SQL", sql]);
	if (url) entries.push(["curl", `curl ${quote(url.href)}`]);
	if (mcp)
		entries.push([
			"MCP call",
			JSON.stringify({ name: mcp.tool, arguments: mcp.arguments }, null, 2),
		]);
	return entries;
}

/** Return a text as one word of a shell. */
export function quote(text: string): string {
	return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Return a command with its flags; those without a value are left out. */
export function command(words: readonly string[], flags: Record<string, unknown> = {}): string {
	const parts = ["clew", ...words.map(quote)];
	for (const [name, value] of Object.entries(flags)) {
		for (const each of [value].flat()) {
			if (each === undefined || each === null || each === false || each === "") continue;
			const flag = `--${name.replaceAll("_", "-")}`;
			parts.push(each === true ? flag : `${flag} ${quote(String(each))}`);
		}
	}
	return parts.join(" ");
}
