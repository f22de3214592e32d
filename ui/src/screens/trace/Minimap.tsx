/** The whole trace in a few lines, and which part of it the waterfall shows. */

import { useMemo, useRef } from "preact/hooks";
import { colour, Drawing, hues, paintMoment, type Size } from "../../canvas/Drawing";
import { part } from "../../parts/TimeBar";
import { cursor, type Span as Range } from "../../state/time";
import { type Bar, layoutMap, layoutView, type Row } from "./layout";

const HEIGHT = 48;

interface MinimapProps {
	rows: readonly Row[];
	whole: Range;
	shown: Range;
	seen: { top: number; height: number };
	hueOf: ReadonlyMap<string, number>;
	onZoom: (to: Range) => void;
	/** Somebody chose a height, as a share of all rows. */
	onScroll: (share: number) => void;
}

export function Minimap({ rows, whole, shown, seen, hueOf, onZoom, onScroll }: MinimapProps) {
	// Fifty thousand spans are laid out once, not at each step of scrolling.
	const kept = useRef<{ of: unknown; size: Size; bars: readonly Bar[] } | null>(null);
	const of = useMemo(() => ({ rows, whole }), [rows, whole]);
	const bars = (size: Size) => {
		if (kept.current?.of !== of || kept.current.size !== size)
			kept.current = { of, size, bars: layoutMap(rows, whole, size.width, size.height) };
		return kept.current.bars;
	};
	return (
		<Drawing<Bar>
			label="The whole trace at a glance; drag to look closer"
			height={HEIGHT}
			layout={bars}
			paint={(context, all, size) => {
				const colours = hues();
				const bad = colour("bad");
				for (const bar of all) {
					const hue = hueOf.get(bar.row.span.service) ?? 0;
					context.fillStyle = bar.isFailed ? bad : (colours[hue] ?? "");
					context.fillRect(bar.x, bar.y, bar.width, bar.height);
				}
				paintMoment(context, cursor.value, whole, { x: 0, y: 0, ...size });
				const view = layoutView(shown, whole, seen, rows.length, size.width, size.height);
				const isAll = view.width >= size.width - 1 && view.height >= size.height - 1;
				if (isAll) return;
				context.fillStyle = colour("focus");
				context.globalAlpha = 0.14;
				context.fillRect(view.x, view.y, view.width, view.height);
				context.globalAlpha = 1;
				context.strokeStyle = colour("focus");
				context.lineWidth = 1;
				context.strokeRect(
					view.x + 0.5,
					view.y + 0.5,
					Math.max(1, view.width - 1),
					Math.max(1, view.height - 1),
				);
			}}
			onPick={(_, _x, y) => onScroll(y / HEIGHT)}
			onBrush={(from, to) => onZoom(part(whole, from, to))}
			of={[rows, whole, shown, seen.top, seen.height, cursor.value]}
		/>
	);
}
