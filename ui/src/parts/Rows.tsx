/** A list of any length: only the rows that are seen exist. All rows have one height. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { place } from "../state/place";
import { now } from "../state/time";

/** Rows beyond the edge, so that quick scrolling shows no gap. */
const OVERSCAN = 8;

/**
 * Rows that come and go together. A frame in which none does costs the browser a quarter of one in
 * which some do, however few they are; and sixteen rows are still made within a frame.
 */
const TOGETHER = 16;

/** Browsers draw nothing below some 33 million pixels; what is further down is reached by scale. */
const HEIGHT_MAX = 30_000_000;

interface RowsProps<Item> {
	items: readonly Item[];
	height: number;
	label: string;
	render: (item: Item, index: number) => ComponentChildren;
	/** Keep the end in sight while items come, unless somebody scrolled away from it. */
	follow?: boolean;
	/** Index of the row to bring into sight. */
	reveal?: number | undefined;
	onEnd?: () => void;
	/** Told when the end comes into sight or goes out of it. */
	onAway?: (isAway: boolean) => void;
}

export function Rows<Item>(props: RowsProps<Item>) {
	const { items, height, label, render, follow, reveal, onEnd } = props;
	const frame = useRef<HTMLElement>(null);
	const [seen, setSeen] = useState({ top: 0, height: 0 });
	const atEnd = useRef(true);
	const whole = items.length * height;
	const shown = Math.min(whole, HEIGHT_MAX);
	// Beyond the maximum a pixel of the scroll bar is more than a pixel of the list.
	const scale =
		whole > seen.height && shown > seen.height ? (whole - seen.height) / (shown - seen.height) : 1;
	const offset = seen.top * scale;
	const first = Math.max(0, Math.floor(offset / height) - OVERSCAN);
	const last = Math.min(
		items.length,
		Math.ceil((offset + seen.height) / height) + TOGETHER + OVERSCAN,
	);

	// What is drawn already is not drawn anew while somebody scrolls; the address and the clock are all
	// that rows read besides.
	const of = [render, items, height, place.value, now.value] as const;
	const drawn = useRef<{ of: readonly unknown[]; rows: Map<number, ComponentChildren> }>({
		of: [],
		rows: new Map(),
	});
	const before = of.every((each, at) => each === drawn.current.of[at]) ? drawn.current.rows : null;
	const rows = new Map<number, ComponentChildren>();
	for (let index = first; index < last; index += 1) {
		const known = scale === 1 ? before?.get(index) : undefined;
		const row = known ?? (
			<li
				key={index}
				aria-posinset={index + 1}
				aria-setsize={items.length}
				style={{ top: `${index * height - offset + seen.top}px`, height: `${height}px` }}
			>
				{render(items[index] as Item, index)}
			</li>
		);
		rows.set(index, row);
	}
	drawn.current = { of, rows };
	const isWhole = scale === 1;
	const look = (element: HTMLElement) => {
		const [exact, part] = [element.scrollTop, TOGETHER * height];
		const top = isWhole ? Math.floor(exact / part) * part : exact;
		setSeen((was) =>
			was.top === top && was.height === element.clientHeight
				? was
				: { top, height: element.clientHeight },
		);
	};
	const lookAgain = useRef(look);
	lookAgain.current = look;

	useLayoutEffect(() => {
		const element = frame.current;
		if (element === null) return;
		const watch = new ResizeObserver(() => lookAgain.current(element));
		watch.observe(element);
		lookAgain.current(element);
		return () => watch.disconnect();
	}, []);

	useLayoutEffect(() => {
		const element = frame.current;
		if (element !== null && follow && atEnd.current) element.scrollTop = shown;
	}, [shown, follow]);

	useEffect(() => {
		const element = frame.current;
		if (element === null || reveal === undefined || reveal < 0) return;
		const top = reveal * height;
		if (top < element.scrollTop * scale) element.scrollTop = top / scale;
		else if (top + height > element.scrollTop * scale + element.clientHeight)
			element.scrollTop = (top + height - element.clientHeight) / scale;
	}, [reveal, height, scale]);

	return (
		<section
			class="rows"
			ref={frame}
			aria-label={label}
			// biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable
			tabIndex={0}
			onScroll={(event) => {
				const element = event.currentTarget;
				const wasAtEnd = atEnd.current;
				atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - height;
				if (wasAtEnd !== atEnd.current) props.onAway?.(!atEnd.current);
				look(element);
				if (atEnd.current) onEnd?.();
			}}
		>
			<ul style={{ height: `${shown}px` }}>{[...rows.values()]}</ul>
		</section>
	);
}
