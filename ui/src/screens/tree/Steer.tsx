/** Send, pause, resume, cancel: who is hit is shown before, what became of each afterwards. */

import { useRef, useState } from "preact/hooks";
import { post } from "../../api/client";
import type { App, Cancelled, Command } from "../../api/schema";
import { asProblem } from "../../state/answer";
import { LIVE, scopeOf } from "./layout";

/** How long the page waits for outcomes; what takes longer is told by the tree itself. */
const WAIT = "20s";

const GRACE_MS = 5_000;

interface SteerProps {
	app: App;
	apps: readonly App[];
	again: () => void;
}

type Outcome =
	| { kind: "none" }
	| { kind: "under way" }
	| { kind: "failed"; message: string; hint?: string | undefined }
	| { kind: "sent"; done: Command }
	| { kind: "cancelled"; done: Cancelled };

export function Steer({ app, apps, again }: SteerProps) {
	const [outcome, setOutcome] = useState<Outcome>({ kind: "none" });
	const [action, setAction] = useState("");
	const [payload, setPayload] = useState("");
	const isLive = LIVE.has(app.status);
	const attempt = async (work: () => Promise<Outcome>) => {
		setOutcome({ kind: "under way" });
		try {
			setOutcome(await work());
		} catch (error) {
			const { message, hint } = asProblem(error);
			setOutcome({ kind: "failed", message, hint });
		}
		again();
	};
	const send = (name: string, said?: unknown) =>
		attempt(async () => ({
			kind: "sent",
			done: await post("/api/v1/apps/{app_id}/control", {
				in: { app_id: app.app_id },
				query: { wait: WAIT },
				body: said === undefined ? { action: name } : { action: name, payload: said },
			}),
		}));
	return (
		<section class="stack" aria-label="Steer">
			<div class="bar">
				<button type="button" disabled={!isLive} onClick={() => send("pause")}>
					Pause
				</button>
				<button type="button" disabled={!isLive} onClick={() => send("resume")}>
					Resume
				</button>
				<Send
					disabled={!isLive}
					action={action}
					payload={payload}
					setAction={setAction}
					setPayload={setPayload}
					send={(said) => send(action, said)}
				/>
				<Cancel
					app={app}
					apps={apps}
					onCancel={(cascade) =>
						attempt(async () => ({
							kind: "cancelled",
							done: await post("/api/v1/apps/{app_id}/cancel", {
								in: { app_id: app.app_id },
								query: { cascade, wait: WAIT, grace_ms: GRACE_MS },
							}),
						}))
					}
				/>
			</div>
			{!isLive && <p class="soft small">It has ended: there is nobody to steer.</p>}
			<Told outcome={outcome} />
		</section>
	);
}

interface SendProps {
	disabled: boolean;
	action: string;
	payload: string;
	setAction: (text: string) => void;
	setPayload: (text: string) => void;
	send: (payload: unknown) => void;
}

function Send({ disabled, action, payload, setAction, setPayload, send }: SendProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [problem, setProblem] = useState<string | null>(null);
	return (
		<>
			<button type="button" disabled={disabled} onClick={() => dialog.current?.showModal()}>
				Send …
			</button>
			<dialog ref={dialog} aria-label="Send an action">
				<form
					class="stack"
					onSubmit={(event) => {
						event.preventDefault();
						try {
							const said: unknown = payload.trim() === "" ? undefined : JSON.parse(payload);
							dialog.current?.close();
							send(said);
						} catch {
							setProblem("that is no JSON");
						}
					}}
				>
					<h2>Send an action</h2>
					<label>
						Action
						<input
							type="text"
							required
							value={action}
							placeholder="checkpoint"
							onInput={(event) => setAction(event.currentTarget.value)}
						/>
					</label>
					<label>
						Payload, JSON
						<textarea
							class="mono"
							rows={4}
							value={payload}
							placeholder='{"path": "/tmp/state"}'
							onInput={(event) => {
								setPayload(event.currentTarget.value);
								setProblem(null);
							}}
						/>
					</label>
					{problem && (
						<p class="bad" role="alert">
							{problem}
						</p>
					)}
					<div class="bar">
						<button type="submit" class="primary">
							Send
						</button>
						<button type="button" onClick={() => dialog.current?.close()}>
							Close
						</button>
					</div>
				</form>
			</dialog>
		</>
	);
}

interface CancelProps {
	app: App;
	apps: readonly App[];
	onCancel: (cascade: boolean) => void;
}

const NAMED_MAX = 20;

function Cancel({ app, apps, onCancel }: CancelProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [cascade, setCascade] = useState(true);
	const hit = scopeOf(apps, app.app_id, cascade);
	// An app that ended may still have live ones below it.
	const possible = scopeOf(apps, app.app_id, true).length > 0;
	return (
		<>
			<button
				type="button"
				class="danger"
				disabled={!possible}
				onClick={() => dialog.current?.showModal()}
			>
				Cancel …
			</button>
			<dialog ref={dialog} aria-label="Cancel">
				<div class="stack">
					<h2>
						Cancel {app.app_name}
						{cascade ? " and all below it" : ""}?
					</h2>
					<label>
						<input
							type="checkbox"
							checked={cascade}
							onChange={(event) => setCascade(event.currentTarget.checked)}
						/>{" "}
						everything below it as well
					</label>
					<p>
						This hits <b>{hit.length}</b> {hit.length === 1 ? "app" : "apps"}:
					</p>
					<ul class="hit">
						{hit.slice(0, NAMED_MAX).map((each) => (
							<li key={each.app_id}>
								{each.app_name} <span class="soft">{each.status}</span>
							</li>
						))}
						{hit.length > NAMED_MAX && <li class="soft">and {hit.length - NAMED_MAX} more</li>}
					</ul>
					<p class="soft small">
						Each is told and has {GRACE_MS / 1000} s to end by itself; then whoever started it sends
						TERM, and KILL.
					</p>
					<div class="bar">
						<button
							type="button"
							class="danger"
							onClick={() => {
								dialog.current?.close();
								onCancel(cascade);
							}}
						>
							Cancel {hit.length} {hit.length === 1 ? "app" : "apps"}
						</button>
						<button type="button" onClick={() => dialog.current?.close()}>
							Let them run
						</button>
					</div>
				</div>
			</dialog>
		</>
	);
}

function Told({ outcome }: { outcome: Outcome }) {
	if (outcome.kind === "none") return null;
	if (outcome.kind === "under way") return <p role="status">It is under way …</p>;
	if (outcome.kind === "failed")
		return (
			<p class="bad" role="alert">
				{outcome.message} {outcome.hint && <span class="soft">{outcome.hint}</span>}
			</p>
		);
	const rows =
		outcome.kind === "cancelled"
			? outcome.done.outcomes.map((each) => ({
					name: each.app_name,
					what: `${each.status}, ${each.phase.replace("_", " ")}`,
					isWell: each.confirmed,
					id: each.app_id,
				}))
			: outcome.done.targets.map((each) => ({
					name: each.app_name,
					what:
						each.error ?? (each.ack === null ? each.status : each.ack ? "acknowledged" : "refused"),
					isWell: each.ack === true,
					id: each.app_id,
				}));
	return (
		<table aria-label="What became of each">
			<tbody>
				{rows.map((row) => (
					<tr key={row.id}>
						<td>{row.name}</td>
						<td class={row.isWell ? "good" : "warn"}>{row.what}</td>
						<td class="soft">{row.isWell ? "confirmed" : "not confirmed"}</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}
