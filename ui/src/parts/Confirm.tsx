/** A button of which the deed cannot be taken back: it asks once, and shows what it hits. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface ConfirmProps {
	/** On the button that asks. */
	ask: string;
	title: string;
	/** On the button that does it. */
	sure: string;
	/** On the one that does not. */
	no?: string;
	disabled?: boolean;
	onSure: () => void;
	/** What is hit. */
	children: ComponentChildren;
}

export function Confirm({ ask, title, sure, no, disabled, onSure, children }: ConfirmProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [isOpen, setOpen] = useState(false);
	// Shown once its content is there, so that the focus finds a button.
	useLayoutEffect(() => {
		if (isOpen) dialog.current?.showModal();
	}, [isOpen]);
	return (
		<>
			<button type="button" class="danger" disabled={disabled} onClick={() => setOpen(true)}>
				{ask}
			</button>
			<dialog ref={dialog} aria-label={title} onClose={() => setOpen(false)}>
				{isOpen && (
					<div class="stack">
						<h2>{title}</h2>
						{children}
						<div class="bar">
							<button
								type="button"
								class="danger"
								onClick={() => {
									dialog.current?.close();
									onSure();
								}}
							>
								{sure}
							</button>
							<button type="button" onClick={() => dialog.current?.close()}>
								{no ?? "Leave it"}
							</button>
						</div>
					</div>
				)}
			</dialog>
		</>
	);
}
