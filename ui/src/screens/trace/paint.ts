/** Painting of the waterfall: what was laid out, in the colours of the page. */

import { colour, hues, paintMoment, type Rect } from "../../canvas/Drawing";
import { sayDuration } from "../../parts/words";
import type { Span as Range } from "../../state/time";
import { type layoutBars, placeLabel, ROW, sayTicks, ticksOf } from "./layout";
import { type Arrow, leadsAway, type PlacedMark } from "./marks";

export const AXIS_HEIGHT = 20;
export const INDENT = 12;

/** A line of the waterfall: all of it can be pointed at, its bar is painted within. */
export interface Line extends Rect {
	bar: ReturnType<typeof layoutBars>[number];
	marks: readonly PlacedMark[];
}

export interface Look {
	ink: string;
	soft: string;
	faint: string;
	paper: string;
	bad: string;
	note: string;
	wash: string;
	line: string;
	focus: string;
	hues: string[];
	font: string;
}

export function lookOf(font: string): Look {
	return {
		ink: colour("ink"),
		soft: colour("ink-soft"),
		faint: colour("ink-faint"),
		paper: colour("paper"),
		bad: colour("bad"),
		note: colour("warn-wash"),
		wash: colour("accent-wash"),
		line: colour("line"),
		focus: colour("focus"),
		hues: hues(),
		font,
	};
}

/** What is painted, and how. */
export interface Picture {
	lines: readonly Line[];
	arrows: readonly Arrow[];
	/** What time is seen, and when the trace began. */
	shown: Range;
	start: number;
	top: number;
	/** Where names end and bars begin. */
	names: number;
	width: number;
	height: number;
	hueOf: ReadonlyMap<string, number>;
	selected: string | null;
	/** The moment of the time bar, where there is one. */
	cursor: number | null;
	/** Whether only what made the trace as long as it is stands out. */
	onlyCritical: boolean;
}

export function paintWaterfall(
	context: CanvasRenderingContext2D,
	look: Look,
	picture: Picture,
): void {
	const { lines, names, width, height } = picture;
	context.textBaseline = "middle";
	const chosen = lines.find((line) => line.bar.row.span.span_id === picture.selected);
	if (chosen) {
		context.fillStyle = look.wash;
		context.fillRect(0, chosen.y, width, ROW);
	}
	paintAxis(context, look, picture);
	// One clip for all names and one for all bars: to set one costs more than to paint a line.
	clipped(context, { x: 0, y: AXIS_HEIGHT, width: names - 6, height: height - AXIS_HEIGHT }, () => {
		for (const line of lines) paintName(context, look, line, picture);
	});
	const bars = { x: names, y: AXIS_HEIGHT, width: width - names, height: height - AXIS_HEIGHT };
	clipped(context, bars, () => {
		for (const line of lines) paintBar(context, look, line, picture);
		for (const arrow of picture.arrows) paintArrow(context, look, arrow, picture);
		paintMoment(context, picture.cursor, picture.shown, bars);
	});
}

function clipped(context: CanvasRenderingContext2D, to: Rect, paint: () => void): void {
	context.save();
	context.beginPath();
	context.rect(to.x, to.y, to.width, to.height);
	context.clip();
	paint();
	context.restore();
}

function paintAxis(context: CanvasRenderingContext2D, look: Look, picture: Picture): void {
	const { shown, start, names, width, height } = picture;
	const length = shown.end - shown.start;
	const ticks = ticksOf(shown.start - start, shown.end - start, width - names);
	const words = sayTicks(ticks);
	context.font = `11px ${look.font}`;
	for (let at = 0; at < ticks.length; at += 1) {
		const x = names + (((ticks[at] ?? 0) - (shown.start - start)) / length) * (width - names);
		context.fillStyle = look.line;
		context.fillRect(Math.round(x), 0, 1, height);
		const text = words[at] ?? "";
		// The last one ends at the edge rather than being cut by it.
		const wide = widthOf(context, text);
		const isCut = x + 4 + wide > width;
		context.fillStyle = look.faint;
		if (!isCut || x - 4 - wide > names)
			context.fillText(text, isCut ? x - 4 - wide : x + 4, AXIS_HEIGHT / 2);
	}
}

function hueFor(look: Look, picture: Picture, service: string): string {
	return look.hues[picture.hueOf.get(service) ?? 0] ?? look.ink;
}

function paintName(
	context: CanvasRenderingContext2D,
	look: Look,
	line: Line,
	picture: Picture,
): void {
	const { row, isFailed, isCritical } = line.bar;
	const { span } = row;
	const middle = line.y + ROW / 2;
	const x = indentOf(row.depth, picture.names);
	context.globalAlpha = picture.onlyCritical && !isCritical ? 0.55 : 1;
	context.fillStyle = hueFor(look, picture, span.service);
	context.fillRect(x + 14, line.y + 4, 3, ROW - 8);
	context.font = `12px ${look.font}`;
	if (row.below > 0) {
		context.fillStyle = look.soft;
		context.fillText(row.isCollapsed ? "▸" : "▾", x + 2, middle);
	}
	context.fillStyle = isFailed ? look.bad : look.ink;
	context.fillText(span.operation, x + 22, middle);
	const after = x + 28 + widthOf(context, span.operation);
	if (after < picture.names) {
		context.fillStyle = look.soft;
		const text = row.isCollapsed ? `${span.service} · ${row.below} below` : span.service;
		context.fillText(text, after, middle);
	}
	context.globalAlpha = 1;
}

/** Return where a name begins: deep ones stop going to the right while there is still room for them. */
export function indentOf(depth: number, names: number): number {
	return Math.min(depth * INDENT, names * 0.5);
}

function paintBar(
	context: CanvasRenderingContext2D,
	look: Look,
	line: Line,
	picture: Picture,
): void {
	const { bar, y } = line;
	const { span } = bar.row;
	const middle = y + ROW / 2;
	const left = picture.names;
	const right = picture.width - picture.names;
	context.globalAlpha = picture.onlyCritical && !bar.isCritical ? 0.25 : 1;
	context.fillStyle = bar.isFailed ? look.bad : hueFor(look, picture, span.service);
	// What lies far outside is cut here: browsers lose precision with very wide rectangles.
	const from = Math.max(bar.x, -10);
	const to = Math.min(bar.x + bar.width, right + 10);
	if (to > from) context.fillRect(left + from, y + 5, to - from, ROW - 10);
	if (bar.isCritical && to > from) {
		context.fillStyle = look.ink;
		context.fillRect(left + from, y + ROW - 5, to - from, picture.onlyCritical ? 3 : 2);
	}
	if (leadsAway(bar.row)) {
		context.font = `12px ${look.font}`;
		// Where there is no room before the bar it stands on it, in the colour of what is written there.
		const isOn = from < 16;
		context.fillStyle = isOn ? look.paper : look.focus;
		context.fillText("↗", left + (isOn ? Math.max(from, 0) + 3 : from - 14), middle);
	}
	const words = sayDuration(span.duration_ms);
	context.font = `11px ${look.font}`;
	const wide = widthOf(context, words);
	const place = placeLabel(bar, wide, right);
	const isFree = (x: number) => line.marks.every((mark) => mark.x < x - 6 || mark.x > x + wide + 6);
	if (place && isFree(place.x)) {
		context.fillStyle = place.isInside ? look.paper : look.soft;
		context.fillText(words, left + place.x, middle);
	}
	for (const each of line.marks) paintMark(context, look, each, left, middle);
	context.globalAlpha = 1;
}

/** Events are diamonds, log records are dots, comments are bubbles; all with an edge, so that they are seen on any bar. */
function paintMark(
	context: CanvasRenderingContext2D,
	look: Look,
	{ mark, x, count }: PlacedMark,
	left: number,
	middle: number,
): void {
	const size = count > 1 ? 4 : 3;
	context.beginPath();
	if (mark.kind === "comment") {
		// A bubble with its tip below; its left edge is where the span begins.
		context.rect(left + x + 1, middle - 7, 11, 8);
		context.moveTo(left + x + 3, middle + 1);
		context.lineTo(left + x + 3, middle + 5);
		context.lineTo(left + x + 7, middle + 1);
	} else if (mark.kind === "event") {
		context.moveTo(left + x, middle - size - 1);
		context.lineTo(left + x + size + 1, middle);
		context.lineTo(left + x, middle + size + 1);
		context.lineTo(left + x - size - 1, middle);
		context.closePath();
	} else {
		context.arc(left + x, middle, size, 0, 2 * Math.PI);
	}
	context.fillStyle = mark.isBad ? look.bad : mark.kind === "comment" ? look.note : look.paper;
	context.strokeStyle = mark.isBad ? look.paper : look.ink;
	context.lineWidth = 1.25;
	context.fill();
	context.stroke();
}

function paintArrow(
	context: CanvasRenderingContext2D,
	look: Look,
	{ from, to, fromLine, toLine }: Arrow,
	picture: Picture,
): void {
	const { shown, names, width, top, height } = picture;
	const scale = (width - names) / (shown.end - shown.start);
	const y = (line: number) => AXIS_HEIGHT + line * ROW - top + ROW / 2;
	const [fromY, toY] = [y(fromLine), y(toLine)];
	if (Math.max(fromY, toY) < 0 || Math.min(fromY, toY) > height) return;
	const fromX = names + (from.end - shown.start) * scale;
	const toX = names + (to.start - shown.start) * scale;
	const isChosen = [from, to].some((row) => row.span.span_id === picture.selected);
	context.strokeStyle = look.focus;
	context.fillStyle = look.focus;
	context.lineWidth = isChosen ? 2 : 1.25;
	const bow = Math.max(16, Math.abs(toX - fromX) / 3);
	context.beginPath();
	context.moveTo(fromX, fromY);
	context.bezierCurveTo(fromX + bow, fromY, toX - bow, toY, toX - 5, toY);
	context.stroke();
	context.beginPath();
	context.moveTo(toX, toY);
	context.lineTo(toX - 7, toY - 4);
	context.lineTo(toX - 7, toY + 4);
	context.fill();
}

/** Widths of texts in one font: to measure costs more than to paint, and names repeat. */
const widths = new Map<string, number>();

/** More than fits on any screen, less than a megabyte. */
const WIDTHS_MAX = 5_000;

function widthOf(context: CanvasRenderingContext2D, text: string): number {
	const key = `${context.font} ${text}`;
	const known = widths.get(key);
	if (known !== undefined) return known;
	if (widths.size >= WIDTHS_MAX) widths.clear();
	const wide = context.measureText(text).width;
	widths.set(key, wide);
	return wide;
}
