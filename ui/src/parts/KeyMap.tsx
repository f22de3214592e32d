/** `?`: all keys that work here. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { allKeys } from "../state/keys";

const isOpen = signal(false);

export function showKeys(): void {
	isOpen.value = true;
}

export function KeyMap() {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => {
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
					allKeys().map((key) => (
						<>
							<dt>
								<kbd>
									{key.keys
										.replace("mod+", "⌘/Ctrl ")
										.replace("ArrowUp", "↑")
										.replace("ArrowDown", "↓")}
								</kbd>
							</dt>
							<dd>{key.what}</dd>
						</>
					))}
			</dl>
			<form method="dialog">
				<button type="submit">Close</button>
			</form>
		</dialog>
	);
}
