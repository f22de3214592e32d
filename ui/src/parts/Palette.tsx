/** ⌘K: go to a screen, a trace, an app, an object, by its name or its id. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api/client";
import { SCREENS } from "../screens/screens";
import { go, linkTo } from "../state/place";

const isOpen = signal(false);

export function showPalette(): void {
	isOpen.value = true;
}

interface Target {
	text: string;
	kind: string;
	link: string;
}

const SHOWN_MAX = 30;

export function Palette() {
	const dialog = useRef<HTMLDialogElement>(null);
	const [text, setText] = useState("");
	const [picked, setPicked] = useState(0);
	const [services, setServices] = useState<string[]>([]);
	useEffect(() => {
		if (!isOpen.value) return;
		setText("");
		setPicked(0);
		dialog.current?.showModal();
		const gone = new AbortController();
		get("/api/v1/services", { query: { last: "1d" }, until: gone.signal }).then(
			(found) => setServices(found.services.map((each) => each.name)),
			// Without names the palette goes to screens and ids; the screen behind it tells the error.
			() => setServices([]),
		);
		return () => gone.abort();
	}, [isOpen.value]);
	const targets = isOpen.value ? findTargets(text, services) : [];
	const visit = (target: Target | undefined) => {
		if (target === undefined) return;
		dialog.current?.close();
		go(target.link);
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
				aria-label="Where to"
				placeholder="a screen, a service, a trace id, an app id, Type/id of an object …"
				value={text}
				onInput={(event) => {
					setText(event.currentTarget.value);
					setPicked(0);
				}}
				onKeyDown={(event) => {
					if (event.key === "ArrowDown") setPicked((at) => Math.min(at + 1, targets.length - 1));
					else if (event.key === "ArrowUp") setPicked((at) => Math.max(at - 1, 0));
					else if (event.key === "Enter") visit(targets[picked]);
					else return;
					event.preventDefault();
				}}
			/>
			<ul id="palette-targets" role="listbox" aria-label="Targets">
				{targets.map((target, at) => (
					<li
						key={`${target.kind} ${target.link}`}
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
		</dialog>
	);
}

/** Return where a text may lead, the surest first. Pure. */
export function findTargets(text: string, services: readonly string[]): Target[] {
	const wanted = text.trim();
	const lower = wanted.toLowerCase();
	const found: Target[] = [];
	if (/^[0-9a-f]{32}$/i.test(wanted))
		found.push({ text: wanted, kind: "trace", link: linkTo("trace", [lower]) });
	for (const screen of SCREENS)
		if (screen.title.toLowerCase().includes(lower))
			found.push({ text: screen.title, kind: "screen", link: linkTo(screen.name) });
	for (const service of services)
		if (service.toLowerCase().includes(lower))
			found.push({
				text: service,
				kind: "spans of a service",
				link: linkTo("find", [], { service }),
			});
	if (wanted !== "" && found.length === 0)
		found.push({
			text: wanted,
			kind: "spans with this text",
			link: linkTo("find", [], { text: wanted }),
		});
	return found.slice(0, SHOWN_MAX);
}
