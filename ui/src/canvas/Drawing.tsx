/** A canvas that is drawn by two pure steps: what is laid out as rectangles, then painted. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

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
	const [brush, setBrush] = useState<{ from: number; to: number } | null>(null);

	useLayoutEffect(() => {
		const element = canvas.current?.parentElement;
		if (!element) return;
		const look = () => setSize({ width: element.clientWidth, height: element.clientHeight });
		const watch = new ResizeObserver(look);
		watch.observe(element);
		look();
		return () => watch.disconnect();
	}, []);

	useEffect(() => {
		const element = canvas.current;
		const context = element?.getContext("2d");
		if (!element || !context || size.width === 0) return;
		const dense = window.devicePixelRatio || 1;
		element.width = Math.round(size.width * dense);
		element.height = Math.round(size.height * dense);
		context.setTransform(dense, 0, 0, dense, 0, 0);
		context.clearRect(0, 0, size.width, size.height);
		shapes.current = props.layout(size);
		props.paint(context, shapes.current, size);
	}, [size, ...props.of]);

	const place = (event: MouseEvent) => {
		const box = (event.currentTarget as Element).getBoundingClientRect();
		return { x: event.clientX - box.left, y: event.clientY - box.top };
	};
	const style =
		props.height === "fill" ? { flex: 1, minHeight: 0 } : { height: `${props.height}px` };
	return (
		<div class="drawing" style={{ position: "relative", overflow: "hidden", ...style }}>
			<canvas
				ref={canvas}
				role="img"
				aria-label={props.label}
				style={{ width: "100%", height: "100%", display: "block", touchAction: "none" }}
				onPointerMove={(event) => {
					const { x, y } = place(event);
					if (brush !== null) setBrush({ from: brush.from, to: x });
					else props.onPoint?.(hit(shapes.current, x, y), x, y);
				}}
				onPointerLeave={() => props.onPoint?.(null, 0, 0)}
				onPointerDown={(event) => {
					if (!props.onBrush || event.button !== 0) return;
					(event.currentTarget as Element).setPointerCapture(event.pointerId);
					const { x } = place(event);
					setBrush({ from: x, to: x });
				}}
				onPointerUp={() => {
					if (brush === null) return;
					const [from, to] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)];
					setBrush(null);
					if (to - from >= DRAG_MIN) props.onBrush?.(from / size.width, to / size.width);
				}}
				onClick={(event) => {
					const { x, y } = place(event);
					props.onPick?.(hit(shapes.current, x, y), x, y);
				}}
				onWheel={(event) => props.onWheel?.(event, place(event).x, size.width)}
			/>
			{brush !== null && Math.abs(brush.to - brush.from) >= DRAG_MIN && (
				<div
					class="brush"
					style={{
						left: `${Math.min(brush.from, brush.to)}px`,
						width: `${Math.abs(brush.to - brush.from)}px`,
					}}
				/>
			)}
		</div>
	);
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

/** Return a colour of the tokens, as it is in the light or the dark. */
export function colour(name: string): string {
	const probe = document.createElement("span");
	probe.style.color = `var(--${name})`;
	document.body.append(probe);
	const found = getComputedStyle(probe).color;
	probe.remove();
	return found;
}

const HUES = 8;

/** Return which of the hues a name has: the same name, the same hue, on every screen. */
export function hueOf(name: string): number {
	let sum = 0;
	for (let at = 0; at < name.length; at += 1) sum = (sum * 31 + name.charCodeAt(at)) >>> 0;
	return sum % HUES;
}

/** Return the hues, to be looked up once for a painting. */
export function hues(): string[] {
	return Array.from({ length: HUES }, (_, at) => colour(`hue-${at}`));
}
