/** `?`: all keys that work here. */

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { allKeys } from "../state/keys";

const isOpen = signal(false);

export function showKeys(): void {
	isOpen.value = true;
}

export function KeyMap() {
	const dialog = useRef<HTMLDialogElement>(null);
	useLayoutEffect(() => {
		if (isOpen.value) dialog.current?.showModal();
	}, [isOpen.value]);
	return (
		<dialog
			ref={dialog}
			aria-label="Keys"
			onClose={() => {
				isOpen.value = false;
			}}
		>
			<h2>Keys</h2>
			<dl style={{ margin: "12px 0" }}>
				{isOpen.value &&
					Array.from(byDeed(), ([what, keys]) => (
						<>
							<dt>
								{keys.map((each) => (
									<>
										<kbd>{each}</kbd>{" "}
									</>
								))}
							</dt>
							<dd>{what}</dd>
						</>
					))}
			</dl>
			<form method="dialog">
				<button type="submit">Close</button>
			</form>
		</dialog>
	);
}

/** The keys of each deed, as they are written on them. */
function byDeed(): ReadonlyMap<string, string[]> {
	const deeds = new Map<string, string[]>();
	for (const { keys, what } of allKeys()) {
		const written = keys
			.replace("mod+k", "⌘/Ctrl K")
			.replace("Escape", "Esc")
			.replace(/^Arrow/, "")
			.replace(/^(Up|Down|Left|Right)$/, (side) => ARROWS[side] ?? side)
			.replace(/^ $/, "Space");
		deeds.set(what, [...(deeds.get(what) ?? []), written]);
	}
	return deeds;
}

const ARROWS: Record<string, string> = { Up: "↑", Down: "↓", Left: "←", Right: "→" };
