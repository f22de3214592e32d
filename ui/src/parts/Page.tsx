/** The frame: the rail of screens, the head, the screen, and the time bar below all of them. */

import type { ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Problem, unreachable } from "../api/client";
import { returns } from "../api/reach";
import { SCREENS, type Screen } from "../screens/screens";
import { addKeys } from "../state/keys";
import { go, linkTo, place } from "../state/place";
import { Head } from "./Head";
import { KeyMap, showKeys } from "./KeyMap";
import { OpenSession } from "./OpenSession";
import { Palette, showPalette } from "./Palette";
import { Failed, Loading, Nothing } from "./States";
import { TimeBar } from "./TimeBar";

const loaded = new Map<string, ComponentType>();

export function Page() {
	const at = place.value;
	const screen = SCREENS.find((each) => each.name === at.screen);
	// What is seen can be steered: keys do not wait for the next frame.
	useLayoutEffect(
		() =>
			addKeys([
				{ keys: "mod+k", what: "Go to anything", act: showPalette },
				{ keys: "?", what: "Show this", act: showKeys },
				...SCREENS.map((each) => ({
					keys: `g ${each.key}`,
					what: each.title,
					act: () => go(linkTo(each.name)),
				})),
			]),
		[],
	);
	useEffect(() => {
		document.title = screen === undefined ? "clew" : `${screen.title} · clew`;
	}, [screen]);
	return (
		<div class="page">
			<Rail current={at.screen} />
			{screen === undefined ? <Nowhere /> : <Opened key={screen.name} screen={screen} />}
			<TimeBar />
			<Palette />
			<KeyMap />
		</div>
	);
}

function Rail({ current }: { current: string }) {
	const rail = useRef<HTMLElement>(null);
	// On a phone it is wider than the window.
	useEffect(() => {
		const here = rail.current?.querySelector("[aria-current]");
		here?.scrollIntoView({ block: "nearest", inline: "nearest" });
	}, [current]);
	return (
		<nav class="rail" aria-label="Screens" ref={rail}>
			<a class="brand" href={linkTo("find")}>
				<img src="./icon.svg" alt="" />
				clew
			</a>
			{SCREENS.map((each) => (
				<a
					key={each.name}
					class="screen"
					href={linkTo(each.name)}
					aria-current={each.name === current ? "page" : undefined}
				>
					{each.title} <kbd class="small">g {each.key}</kbd>
				</a>
			))}
			<OpenSession />
			<div class="rest">
				<kbd>⌘K</kbd> or <kbd>Ctrl K</kbd> go to anything
				<br />
				<kbd>?</kbd> keys
			</div>
		</nav>
	);
}

function reload(): void {
	window.location.reload();
}

const RELOADED_PLACE = "clew.reloaded";

/** Not sooner than that again: a part that never comes must not be asked for for ever. */
const RELOAD_MS = 30_000;

/** Begin anew when the server is back: browsers keep that a part did not come, and it may have newer ones. */
function reloadByItself(): void {
	const before = Number(sessionStorage.getItem(RELOADED_PLACE) ?? 0);
	if (Date.now() - before < RELOAD_MS) return;
	sessionStorage.setItem(RELOADED_PLACE, String(Date.now()));
	reload();
}

function Opened({ screen }: { screen: Screen }) {
	const [problem, setProblem] = useState<Problem | null>(null);
	const [, setRound] = useState(0);
	useEffect(() => {
		if (loaded.has(screen.name)) return;
		screen.load().then(
			(module) => {
				loaded.set(screen.name, module.default);
				setRound((before) => before + 1);
			},
			() => setProblem(unreachable("this screen could not be loaded")),
		);
	}, [screen]);
	const back = returns.value;
	useEffect(() => {
		if (problem !== null) reloadByItself();
	}, [back]);
	const Content = loaded.get(screen.name);
	if (Content !== undefined) return <Content />;
	return (
		<>
			<Head title={screen.title} />
			<main class="main">
				{problem === null ? <Loading /> : <Failed problem={problem} again={reload} />}
			</main>
		</>
	);
}

function Nowhere() {
	return (
		<>
			<Head title="Nowhere" />
			<main class="main">
				<Nothing title="There is no such screen">
					<p>The link may be of a newer clew, or cut short.</p>
					<p>
						<a href={linkTo("find")}>Find something</a>
					</p>
				</Nothing>
			</main>
		</>
	);
}
