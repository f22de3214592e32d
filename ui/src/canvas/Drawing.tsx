/** A canvas that is drawn by two pure steps: what is laid out as rectangles, then painted. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Size {
	width: number;
	height: number;
}

/** Something that can be seen and pointed at. Pixels of the page, from the upper left. */
export interface Rect {
	x: number;
	y: number;
	width: number;
	height: number;
}

interface DrawingProps<Shape extends Rect> {
	label: string;
	height: number | "fill";
	/** Pure: the same size gives the same shapes. */
	layout: (size: Size) => readonly Shape[];
	paint: (context: CanvasRenderingContext2D, shapes: readonly Shape[], size: Size) => void;
	onPoint?: (shape: Shape | null, x: number, y: number) => void;
	onPick?: (shape: Shape | null, x: number, y: number) => void;
	/** Somebody drew a range from left to right; in shares of the width. */
	onBrush?: (from: number, to: number) => void;
	/** Somebody drew a box, in shares of width and height; instead of `onBrush`. */
	onBox?: (box: Rect) => void;
	onWheel?: (event: WheelEvent, x: number, width: number) => void;
	/** Anything that changes what is painted. */
	of: readonly unknown[];
}

/** A drag of fewer pixels was a click. */
const DRAG_MIN = 4;

export function Drawing<Shape extends Rect>(props: DrawingProps<Shape>) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const [size, setSize] = useState<Size>({ width: 0, height: 0 });
	const shapes = useRef<readonly Shape[]>([]);
	const [brush, setBrush] = useState<{ from: Point; to: Point } | null>(null);
	// A drag ends with a click, which picks nothing.
	const wasDragged = useRef(false);
	const scheme = useScheme();

	useLayoutEffect(() => {
		const element = canvas.current?.parentElement;
		if (!element) return;
		const look = () => setSize({ width: element.clientWidth, height: element.clientHeight });
		const watch = new ResizeObserver(look);
		watch.observe(element);
		look();
		return () => watch.disconnect();
	}, []);

	// Before the browser paints: what scrolls with the canvas is never a frame ahead of it.
	useLayoutEffect(() => {
		const element = canvas.current;
		const context = element?.getContext("2d");
		if (!element || !context || size.width === 0) return;
		const dense = window.devicePixelRatio || 1;
		const [width, height] = [Math.round(size.width * dense), Math.round(size.height * dense)];
		// Setting a size, even the same one, takes new memory.
		if (element.width !== width) element.width = width;
		if (element.height !== height) element.height = height;
		context.setTransform(dense, 0, 0, dense, 0, 0);
		context.clearRect(0, 0, size.width, size.height);
		shapes.current = props.layout(size);
		props.paint(context, shapes.current, size);
	}, [size, scheme, ...props.of]);

	const place = (event: MouseEvent) => {
		const box = (event.currentTarget as Element).getBoundingClientRect();
		return { x: event.clientX - box.left, y: event.clientY - box.top };
	};
	const style =
		props.height === "fill" ? { flex: 1, minHeight: 0 } : { height: `${props.height}px` };
	// A finger that goes up or down scrolls, unless it draws a box.
	const touchAction = props.onBox ? "none" : props.onBrush ? "pan-y" : "auto";
	const box = brush === null ? null : boxOf(brush.from, brush.to, size, props.onBox === undefined);
	return (
		<div class="drawing" style={{ position: "relative", overflow: "hidden", ...style }}>
			<canvas
				ref={canvas}
				role="img"
				aria-label={props.label}
				style={{ width: "100%", height: "100%", display: "block", touchAction }}
				onPointerMove={(event) => {
					const { x, y } = place(event);
					if (brush !== null) setBrush({ from: brush.from, to: { x, y } });
					else props.onPoint?.(hit(shapes.current, x, y), x, y);
				}}
				onPointerLeave={() => props.onPoint?.(null, 0, 0)}
				onPointerDown={(event) => {
					wasDragged.current = false;
					if (!(props.onBrush || props.onBox) || event.button !== 0) return;
					(event.currentTarget as Element).setPointerCapture(event.pointerId);
					setBrush({ from: place(event), to: place(event) });
				}}
				onPointerCancel={() => setBrush(null)}
				onPointerUp={() => {
					setBrush(null);
					if (box === null || box.width < DRAG_MIN) return;
					wasDragged.current = true;
					const share = {
						x: box.x / size.width,
						y: box.y / size.height,
						width: box.width / size.width,
						height: box.height / size.height,
					};
					if (props.onBox) props.onBox(share);
					else props.onBrush?.(share.x, share.x + share.width);
				}}
				onClick={(event) => {
					if (wasDragged.current) return;
					const { x, y } = place(event);
					props.onPick?.(hit(shapes.current, x, y), x, y);
				}}
				onWheel={(event) => props.onWheel?.(event, place(event).x, size.width)}
			/>
			{box !== null && box.width >= DRAG_MIN && (
				<div
					class="brush"
					style={{
						left: `${box.x}px`,
						width: `${box.width}px`,
						top: `${box.y}px`,
						height: `${box.height}px`,
						bottom: "auto",
					}}
				/>
			)}
		</div>
	);
}

interface Point {
	x: number;
	y: number;
}

/** Return what a drag covers, within the canvas; the whole height where only time is chosen. */
export function boxOf(from: Point, to: Point, size: Size, isWholeHeight: boolean): Rect {
	const within = (value: number, most: number) => Math.max(0, Math.min(value, most));
	const x = within(Math.min(from.x, to.x), size.width);
	const y = isWholeHeight ? 0 : within(Math.min(from.y, to.y), size.height);
	return {
		x,
		y,
		width: within(Math.max(from.x, to.x), size.width) - x,
		height: isWholeHeight ? size.height : within(Math.max(from.y, to.y), size.height) - y,
	};
}

/** Return the shape that is painted last at a place. */
export function hit<Shape extends Rect>(
	shapes: readonly Shape[],
	x: number,
	y: number,
): Shape | null {
	for (let at = shapes.length - 1; at >= 0; at -= 1) {
		const shape = shapes[at] as Shape;
		if (x >= shape.x && x < shape.x + shape.width && y >= shape.y && y < shape.y + shape.height)
			return shape;
	}
	return null;
}

const DARK = "(prefers-color-scheme: dark)";

/** Colours as the browser resolved them; those of the other scheme are forgotten when it changes. */
const resolved = new Map<string, string>();

/** Return what changes when the page turns light or dark. */
function useScheme(): boolean {
	const [isDark, setDark] = useState(() => window.matchMedia(DARK).matches);
	useLayoutEffect(() => {
		const asked = window.matchMedia(DARK);
		const hear = () => {
			resolved.clear();
			setDark(asked.matches);
		};
		asked.addEventListener("change", hear);
		return () => asked.removeEventListener("change", hear);
	}, []);
	return isDark;
}

/** Return a colour of the tokens, as it is in the light or the dark. */
export function colour(name: string): string {
	const known = resolved.get(name);
	if (known !== undefined) return known;
	const probe = document.createElement("span");
	probe.style.color = `var(--${name})`;
	document.body.append(probe);
	const found = getComputedStyle(probe).color;
	probe.remove();
	resolved.set(name, found);
	return found;
}

/** Paint a moment of the time bar over a picture of the same time; nothing where it lies outside. */
export function paintMoment(
	context: CanvasRenderingContext2D,
	at: number | null,
	shown: { start: number; end: number },
	{ x, y, width, height }: Rect,
	name = "focus",
): void {
	if (at === null || at < shown.start || at > shown.end) return;
	const middle = x + ((at - shown.start) / (shown.end - shown.start)) * width;
	context.fillStyle = colour(name);
	context.fillRect(middle - 1, y, 2, height);
}

/** The hues of the tokens on the circle of colours, in degrees. */
const HUE_DEGREES = [215, 272, 170, 28, 335, 85, 231, 48];

const HUES = HUE_DEGREES.length;

/** Hues that are nearer than this are mistaken for each other. */
const APART_MIN = 50;

/** Return which of the hues a name has by itself: the same name, the same hue, on every screen. */
export function hueOf(name: string): number {
	let sum = 0;
	for (let at = 0; at < name.length; at += 1) sum = (sum * 31 + name.charCodeAt(at)) >>> 0;
	return sum % HUES;
}

/**
 * Return hues of names that are seen together, in the order of first sight: its own for each, unless
 * one before has it or one near to it; then the free one that is farthest from all that are taken.
 */
export function assignHues(names: Iterable<string>): ReadonlyMap<string, number> {
	const assigned = new Map<string, number>();
	for (const name of names) {
		if (assigned.has(name)) continue;
		const own = hueOf(name);
		const taken = new Set(assigned.values());
		if (taken.size >= HUES) {
			assigned.set(name, own);
			continue;
		}
		const room = (hue: number) =>
			Math.min(360, ...[...taken].map((each) => degreesBetween(each, hue)));
		const free = HUE_DEGREES.map((_, hue) => hue).filter((hue) => !taken.has(hue));
		const best = free.reduce((one, other) => (room(other) > room(one) ? other : one));
		assigned.set(name, !taken.has(own) && room(own) >= APART_MIN ? own : best);
	}
	return assigned;
}

function degreesBetween(one: number, other: number): number {
	const apart = Math.abs((HUE_DEGREES[one] ?? 0) - (HUE_DEGREES[other] ?? 0));
	return Math.min(apart, 360 - apart);
}

/** Return the hues, to be looked up once for a painting. */
export function hues(): string[] {
	return Array.from({ length: HUES }, (_, at) => colour(`hue-${at}`));
}
