/** ⌘K: go to a screen, a trace, an app, an object, by its name or its id; or have something done. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, markOwn } from "../api/client";
import { SCREENS } from "../screens/screens";
import { go, linkTo } from "../state/place";
import { rangeQuery } from "../state/time";
import { showKeys } from "./KeyMap";
import { dropCursor, toggleFollow, togglePlay, zoomOut } from "./TimeBar";

const isOpen = signal(false);

export function showPalette(): void {
	isOpen.value = true;
}

export interface Target {
	text: string;
	kind: string;
	/** Where it leads; a command acts instead. */
	link?: string;
	act?: () => void;
}

const SHOWN_MAX = 30;

/** Things of one kind that are asked for; the palette is for going, not for lists. */
const FOUND_MAX = 6;

/** Long enough that a word typed at once is one question. */
const PAUSE_MS = 150;

export function Palette() {
	const dialog = useRef<HTMLDialogElement>(null);
	const [text, setText] = useState("");
	const [wish, setWish] = useState<string | null>(null);
	const [services, setServices] = useState<string[]>([]);
	const [found, setFound] = useState<readonly Target[]>([]);
	const [copied, setCopied] = useState("");
	// At once: what is typed right after the key that opens it is meant for it.
	useLayoutEffect(() => {
		if (!isOpen.value) return;
		setText("");
		setWish(null);
		setFound([]);
		setCopied("");
		dialog.current?.showModal();
	}, [isOpen.value]);
	useEffect(() => {
		if (!isOpen.value) return;
		const gone = new AbortController();
		setServices([]);
		// Of the range that is looked at, and of the last day, where somebody may want to go next.
		for (const query of [rangeQuery(), { last: "1d" }])
			get("/api/v1/services", { query, until: markOwn(gone.signal) }).then(
				(answer) =>
					setServices((before) => [
						...new Set([...before, ...answer.services.map((each) => each.name)]),
					]),
				// Without names the palette goes to screens and ids; the screen behind tells the error.
				() => undefined,
			);
		return () => gone.abort();
	}, [isOpen.value]);
	useEffect(() => {
		const wanted = text.trim();
		setFound([]);
		if (!isOpen.value || wanted.length < 2) return;
		const gone = new AbortController();
		const timer = window.setTimeout(() => {
			// Each kind as it comes: one that fails or takes long keeps none of the others back.
			for (const ask of SOURCES)
				ask(wanted, markOwn(gone.signal)).then(
					(more) => {
						if (!gone.signal.aborted) setFound((before) => [...before, ...more]);
					},
					() => undefined,
				);
		}, PAUSE_MS);
		return () => {
			window.clearTimeout(timer);
			gone.abort();
		};
	}, [text, isOpen.value]);
	const copyLink = async () => {
		try {
			await navigator.clipboard.writeText(window.location.href);
			setCopied("The link is copied.");
		} catch {
			// Not over plain HTTP from afar: browsers give the clipboard to safe pages only.
			window.prompt("Copy this", window.location.href);
		}
	};
	const commands: Target[] = [
		{ text: "Follow what comes, or pause", kind: "command  l", act: toggleFollow },
		{ text: "Play or pause the cursor", kind: "command  p", act: togglePlay },
		{ text: "Zoom out in time", kind: "command  z", act: zoomOut },
		{ text: "Take the time cursor away", kind: "command  Esc", act: dropCursor },
		{ text: "Copy a link to this view", kind: "command", act: () => void copyLink() },
		{ text: "Show all keys", kind: "command  ?", act: showKeys },
	];
	const targets = isOpen.value ? findTargets(text, services, commands, found) : [];
	// What is picked stays so though more is found before it; without a wish it is the first.
	const picked = Math.max(
		0,
		targets.findIndex((each) => nameTarget(each) === wish),
	);
	const pick = (at: number) => {
		const target = targets[Math.max(0, Math.min(at, targets.length - 1))];
		setWish(target === undefined ? null : nameTarget(target));
	};
	const visit = (target: Target | undefined) => {
		if (target === undefined) return;
		// What is copied is said here; all else is seen on the screen.
		if (target.act === undefined || !target.text.startsWith("Copy")) dialog.current?.close();
		if (target.link !== undefined) go(target.link);
		target.act?.();
	};
	return (
		<dialog
			class="palette"
			ref={dialog}
			aria-label="Go to anything"
			onClose={() => {
				isOpen.value = false;
			}}
			onClick={(event) => {
				if (event.target === dialog.current) dialog.current?.close();
			}}
		>
			<input
				type="text"
				role="combobox"
				aria-expanded="true"
				aria-controls="palette-targets"
				aria-activedescendant={targets.length > 0 ? `palette-${picked}` : undefined}
				aria-autocomplete="list"
				aria-label="Where to"
				placeholder="a screen, a service, an app, an object, any id, a command …"
				value={text}
				onInput={(event) => {
					setText(event.currentTarget.value);
					setWish(null);
				}}
				onKeyDown={(event) => {
					if (event.key === "ArrowDown") pick(picked + 1);
					else if (event.key === "ArrowUp") pick(picked - 1);
					else if (event.key === "Enter") visit(targets[picked]);
					else return;
					event.preventDefault();
				}}
			/>
			<ul id="palette-targets" role="listbox" aria-label="Targets">
				{targets.map((target, at) => (
					<li
						key={nameTarget(target)}
						id={`palette-${at}`}
						role="option"
						aria-selected={at === picked}
						onClick={() => visit(target)}
					>
						<span class="cut">{target.text}</span>
						<span class="soft small">{target.kind}</span>
					</li>
				))}
			</ul>
			{targets.length === 0 && <p class="soft">Nothing is called so.</p>}
			<p class="good" role="status">
				{copied}
			</p>
		</dialog>
	);
}

function nameTarget({ kind, link, text }: Target): string {
	return `${kind} ${link ?? text}`;
}

/** Return where an id leads, whatever else is known: its form tells what it is of. Pure. */
export function readIds(wanted: string): Target[] {
	const lower = wanted.toLowerCase();
	const targets: Target[] = [];
	if (/^[0-9a-f]{32}$/.test(lower))
		targets.push({ text: wanted, kind: "trace", link: linkTo("trace", [lower]) });
	if (/^[0-9a-f]{16}$/.test(lower))
		targets.push({
			text: wanted,
			kind: "span",
			link: linkTo("find", [], { show: "spans", q: `span_id = ${lower}` }),
		});
	if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(lower))
		targets.push({
			text: wanted,
			kind: "app",
			link: linkTo("tree", [lower], { all: "true" }),
		});
	// Below 2^64, and too long to be a figure that somebody looks for.
	if (/^[1-9]\d{9,19}$/.test(wanted) && BigInt(wanted) < 2n ** 64n)
		targets.push({ text: wanted, kind: "lineage", link: linkTo("lineage", [wanted]) });
	const object = /^([A-Za-z_]\w*)\/(.+)$/.exec(wanted);
	if (object)
		targets.push({
			text: wanted,
			kind: "object",
			link: linkTo("twin", [object[1] as string, object[2] as string]),
		});
	return targets;
}

/** Parts of screens that somebody looks for by what they tell. */
const VIEWS: readonly { text: string; kind: string; at: readonly [string, string] }[] = [
	{
		text: "Agents: what each spent, cost and tokens",
		kind: "services",
		at: ["services", "agents"],
	},
	{ text: "Metrics", kind: "services", at: ["services", "metrics"] },
	{ text: "Changes: what is not as it was before", kind: "services", at: ["services", "changes"] },
	{ text: "Spans", kind: "find", at: ["find", "spans"] },
	{ text: "Logs", kind: "find", at: ["find", "logs"] },
	{ text: "SQL", kind: "find", at: ["find", "sql"] },
];

/** Return where a text may lead, the surest first. Pure. */
export function findTargets(
	text: string,
	services: readonly string[],
	commands: readonly Target[] = [],
	found: readonly Target[] = [],
): Target[] {
	const wanted = text.trim();
	const lower = wanted.toLowerCase();
	const has = (name: string) => name.toLowerCase().includes(lower);
	const screens = SCREENS.filter((each) => has(each.title)).map((each) => ({
		text: each.title,
		kind: "screen",
		link: linkTo(each.name),
	}));
	const views = VIEWS.filter((each) => wanted !== "" && has(each.text)).map(
		({ text, kind, at: [screen, show] }) => ({ text, kind, link: linkTo(screen, [], { show }) }),
	);
	const named = services.filter(has).map((service) => ({
		text: service,
		kind: "spans of a service",
		link: linkTo("find", [], { service }),
	}));
	const acts = commands.filter((each) => has(each.text));
	const targets = [
		...readIds(wanted),
		...screens,
		...views,
		...named.slice(0, 8),
		...found,
		...acts,
	];
	if (wanted !== "")
		targets.push({
			text: wanted,
			kind: "spans with this text",
			link: linkTo("find", [], { show: "spans", text: wanted }),
		});
	const seen = new Set<string>();
	return targets
		.filter((each) => {
			const key = each.link ?? each.text;
			return !seen.has(key) && seen.add(key);
		})
		.slice(0, SHOWN_MAX);
}

type Source = (wanted: string, until: AbortSignal) => Promise<Target[]>;

/** What the server knows by a name or a part of one. */
const SOURCES: readonly Source[] = [
	async (wanted, until) => {
		const { apps } = await get("/api/v1/apps", {
			query: { text: wanted, limit: FOUND_MAX },
			until,
		});
		return apps.map((app) => ({
			text: app.app_name,
			kind: `app, ${app.status.replaceAll("_", " ")}`,
			link: linkTo("tree", [app.app_id], { all: "true" }),
		}));
	},
	async (wanted, until) => {
		const { objects } = await get("/api/v1/objects", {
			query: { text: wanted, limit: FOUND_MAX },
			until,
		});
		return objects.map((object) => ({
			text: `${object.type}/${object.id}`,
			kind: object.exists ? "object" : "object, deleted",
			link: linkTo("twin", [object.type, object.id]),
		}));
	},
	async (wanted, until) => {
		const { sessions } = await get("/api/v1/sessions", { query: { limit: 100 }, until });
		return sessions
			.filter((each) => `${each.title} ${each.id}`.toLowerCase().includes(wanted.toLowerCase()))
			.slice(0, FOUND_MAX)
			.map((session) => ({
				text: session.title || session.id,
				kind: session.ended_at === null ? "session, open" : "session",
				link: linkTo("team", ["sessions", session.id]),
			}));
	},
];
