/** The frame: the rail of screens, the head, the screen, and the time bar below all of them. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { SCREENS, type Screen } from "../screens/screens";
import { asProblem } from "../state/answer";
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
	useEffect(
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
	return (
		<nav class="rail" aria-label="Screens">
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

function Opened({ screen }: { screen: Screen }) {
	const [problem, setProblem] = useState<unknown>(null);
	const [, setRound] = useState(0);
	useEffect(() => {
		if (loaded.has(screen.name)) return;
		screen.load().then(
			(module) => {
				loaded.set(screen.name, module.default);
				setRound((before) => before + 1);
			},
			(error: unknown) => setProblem(error),
		);
	}, [screen]);
	const Content = loaded.get(screen.name);
	if (problem !== null) return <main class="main">{<Failed problem={asProblem(problem)} />}</main>;
	if (Content === undefined) return <main class="main">{<Loading />}</main>;
	return <Content />;
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
