/** Send, pause, resume, cancel: who is hit is shown before, what became of each afterwards. */

import { useEffect, useRef, useState } from "preact/hooks";
import { get, post } from "../../api/client";
import type { App, Command } from "../../api/schema";
import { Wrong } from "../../parts/Wrong";
import { nameMany, sayCount, sayMany } from "../../parts/words";
import { useAnswer } from "../../state/answer";
import { useDeed } from "../../state/deed";
import { change, param } from "../../state/place";
import { LIVE, scopeOf } from "./layout";
import { cancelled, commanded, type Fate, type Outcome, Told } from "./Outcome";

/** How long the page waits for outcomes; what takes longer is asked for again. */
const WAIT = "20s";

const GRACE_MS = 5_000;

/** Names in a preview; more are counted. */
const NAMED_MAX = 20;

interface SteerProps {
	app: App;
	apps: readonly App[];
	/** Return what changes with all that happens to an app. */
	heardOf: (app_id: string) => number;
	again: () => void;
}

export function Steer({ app, apps, heardOf, again }: SteerProps) {
	const [given, setGiven] = useState<Outcome | null>(null);
	// What goes on is asked for when more of it is heard.
	const later = useAnswer<Command>(
		given === null || given.isOver ? null : [given.id, ...given.fates.map(heardOne)].join(" "),
		(until) => askCommand(given?.id ?? "", until),
		given?.id,
	);
	function heardOne(each: Fate): number {
		return heardOf(each.app_id);
	}
	const outcome =
		given === null || given.isOver || later.data === undefined
			? given
			: { ...commanded(later.data), notes: given.notes };
	useEffect(() => {
		if (outcome?.isOver) setGiven(outcome);
	}, [outcome?.isOver]);
	const { isBusy, problem, run } = useDeed();
	const cascade = param("scope") === "below";
	const below = scopeOf(apps, app.app_id, true);
	const hit = cascade ? below : scopeOf(apps, app.app_id, false);
	const attempt = async (work: () => Promise<Outcome>) => {
		setGiven(null);
		await run(async () => setGiven(await work()));
		again();
	};
	const inPath = { app_id: app.app_id };
	const send = (action: string, payload?: unknown) =>
		attempt(async () =>
			commanded(
				await post("/api/v1/apps/{app_id}/control", {
					in: inPath,
					query: { wait: WAIT },
					body: payload === undefined ? { action, cascade } : { action, cascade, payload },
				}),
			),
		);
	const nobody = hit.length === 0 || isBusy;
	const many = hit.length > 1 ? ` ${hit.length}` : "";
	return (
		<section class="stack" aria-label="Steer">
			<fieldset class="scope">
				<legend class="hidden">Who is meant</legend>
				<label>
					<input
						type="radio"
						name="scope"
						checked={!cascade}
						onChange={() => change({ scope: null }, { replace: true })}
					/>{" "}
					it alone
				</label>
				<label>
					<input
						type="radio"
						name="scope"
						checked={cascade}
						onChange={() => change({ scope: "below" }, { replace: true })}
					/>{" "}
					all below it as well ({below.length} alive)
				</label>
			</fieldset>
			<div class="bar">
				<button type="button" disabled={nobody} onClick={() => send("pause")}>
					Pause{many}
				</button>
				<button type="button" disabled={nobody} onClick={() => send("resume")}>
					Resume{many}
				</button>
				<Send disabled={nobody} hit={hit} send={send} />
				<Cancel
					app={app}
					apps={apps}
					cascade={cascade}
					disabled={isBusy || below.length === 0}
					onCancel={(include_detached) =>
						attempt(async () =>
							cancelled(
								await post("/api/v1/apps/{app_id}/cancel", {
									in: inPath,
									query: { cascade, wait: WAIT, grace_ms: GRACE_MS, include_detached },
								}),
							),
						)
					}
				/>
			</div>
			{!LIVE.has(app.status) && (
				<p class="soft small">
					{below.length === 0
						? "It has ended: there is nobody to steer."
						: `It has ended; ${sayCount(below.length)} below it ${nameMany(below.length, "lives", "live")} on.`}
				</p>
			)}
			{isBusy && <p role="status">It is under way …</p>}
			<Wrong problem={problem} />
			{outcome !== null && (
				<Told
					outcome={outcome}
					again={
						outcome.isOver
							? undefined
							: () => attempt(async () => commanded(await askCommand(outcome.id)))
					}
				/>
			)}
		</section>
	);
}

function askCommand(correlation_id: string, until?: AbortSignal): Promise<Command> {
	return get("/api/v1/control/{correlation_id}", { in: { correlation_id }, until });
}

/** Who is hit, by name. */
function Hit({ hit }: { hit: readonly App[] }) {
	return (
		<>
			<p>
				This hits <b>{sayMany(hit.length, "app")}</b>:
			</p>
			<ul class="hit">
				{hit.slice(0, NAMED_MAX).map((each) => (
					<li key={each.app_id}>
						{each.app_name} <span class="soft">{each.status.replace("_", " ")}</span>
					</li>
				))}
				{hit.length > NAMED_MAX && <li class="soft">and {hit.length - NAMED_MAX} more</li>}
			</ul>
		</>
	);
}

interface SendProps {
	disabled: boolean;
	hit: readonly App[];
	send: (action: string, payload?: unknown) => void;
}

function Send({ disabled, hit, send }: SendProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [action, setAction] = useState("");
	const [payload, setPayload] = useState("");
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
							send(action, said);
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
					<Hit hit={hit} />
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
	/** What was chosen outside; the dialog may choose otherwise. */
	cascade: boolean;
	disabled: boolean;
	onCancel: (includeDetached: boolean) => void;
}

function Cancel({ app, apps, cascade, disabled, onCancel }: CancelProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [withDetached, setWithDetached] = useState(false);
	const hit = scopeOf(apps, app.app_id, cascade, { withDetached });
	const apart =
		scopeOf(apps, app.app_id, cascade).length -
		scopeOf(apps, app.app_id, cascade, { withDetached: false }).length;
	const words = sayMany(hit.length, "app");
	return (
		<>
			<button
				type="button"
				class="danger"
				disabled={disabled}
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
							onChange={(event) =>
								change({ scope: event.currentTarget.checked ? "below" : null }, { replace: true })
							}
						/>{" "}
						everything below it as well
					</label>
					{apart > 0 && (
						<label>
							<input
								type="checkbox"
								checked={withDetached}
								onChange={(event) => setWithDetached(event.currentTarget.checked)}
							/>{" "}
							also {sayCount(apart)} that {nameMany(apart, "is", "are")} detached, or below such
						</label>
					)}
					<Hit hit={hit} />
					<p class="soft small">
						Each is told and has {GRACE_MS / 1000} s to end by itself; then whoever started it sends
						TERM, and KILL. What has ended cannot be brought back.
					</p>
					<div class="bar">
						<button
							type="button"
							class="danger"
							disabled={hit.length === 0}
							onClick={() => {
								dialog.current?.close();
								onCancel(withDetached);
							}}
						>
							Cancel {words}
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
