/** Versions that met, field by field. Pure. */

import type { ConflictHead } from "../../api/schema";

export interface SideRow {
	field: string;
	base: unknown;
	local: unknown;
	remote: unknown;
	outcome: unknown;
	/** Who changed it since they parted. */
	changed: "nobody" | "here" | "there" | "both";
	/** Whether somebody's change did not come into the outcome. */
	isLost: boolean;
}

type Document = Record<string, unknown> | null;

/** Return the fields of all sides: those both changed, those one did, and then the others. */
export function layConflict(conflict: ConflictHead): SideRow[] {
	const { base, local, remote, outcome } = conflict;
	const names = new Set([base, local, remote, outcome].flatMap((each) => Object.keys(each ?? {})));
	const lost = new Set(conflict.fields);
	const rows = [...names].sort().map((field): SideRow => {
		const here = differs(base, local, field);
		const there = differs(base, remote, field);
		return {
			field,
			base: base?.[field],
			local: local?.[field],
			remote: remote?.[field],
			outcome: outcome?.[field],
			changed: here && there ? "both" : here ? "here" : there ? "there" : "nobody",
			isLost: lost.has(field),
		};
	});
	return rows.sort((one, other) => weight(one) - weight(other));
}

const WEIGHTS = { both: 0, here: 1, there: 1, nobody: 2 } as const;

function weight(row: SideRow): number {
	return row.isLost ? -1 : WEIGHTS[row.changed];
}

function differs(base: Document, side: Document, field: string): boolean {
	// A deletion is shown as one, not as a change of every field.
	if (side === null) return false;
	return JSON.stringify(base?.[field]) !== JSON.stringify(side[field]);
}
