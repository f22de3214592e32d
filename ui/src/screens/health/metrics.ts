/** The server's own counters, as Prometheus' text has them. Pure. */

export interface Sample {
	labels: Record<string, string>;
	value: number;
}

export type Samples = Map<string, Sample[]>;

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export function readMetrics(text: string): Samples {
	const found: Samples = new Map();
	for (const line of text.split("\n")) {
		const parts = LINE.exec(line);
		if (parts === null) continue;
		const [, name = "", labels = "", value = ""] = parts;
		const sample: Sample = { labels: {}, value: Number(value) };
		for (const [, key = "", said = ""] of labels.matchAll(LABEL))
			sample.labels[key] = said.replace(/\\(.)/g, (_, each: string) =>
				each === "n" ? "\n" : each,
			);
		const samples = found.get(name);
		if (samples) samples.push(sample);
		else found.set(name, [sample]);
	}
	return found;
}

/** Return the one value of a counter without labels; 0 where it is not told. */
export function counter(samples: Samples, name: string): number {
	return samples.get(name)?.[0]?.value ?? 0;
}

export function sumOf(samples: Samples, name: string): number {
	return (samples.get(name) ?? []).reduce((all, each) => all + each.value, 0);
}

/** Counters of what was not kept or not told, and what each means. */
const LOSSES: readonly (readonly [string, string])[] = [
	["clew_ingest_malformed_requests_total", "requests that could not be read"],
	["clew_ingest_shed_requests_total", "requests that were asked to come later"],
	["clew_ingest_rejected_records_total", "records that were rejected"],
	["clew_links_dropped_total", "messages about links that were dropped"],
	["clew_links_rejected_total", "messages about links that were rejected"],
	["clew_live_dropped_records_total", "records that a slow live feed did not get"],
	["clew_session_looks_dropped_total", "looks that no session noted"],
	["clew_damaged_frames", "frames of the log that are damaged"],
	["clew_refused_frames", "frames of the log that the engine refused"],
	["clew_registry_failed_writes_total", "writes that the registry could not do"],
	["clew_registry_shed_writes_total", "writes that the registry asked to come later"],
	["clew_tree_journal_lost_total", "entries of the tree's journal that were lost"],
	["clew_tree_failures_total", "failures in the tree"],
	["clew_access_denials_total", "questions that were denied"],
];

export interface Loss {
	what: string;
	count: number;
}

/** Return what was lost, with whichever labels say where and why; the most first. */
export function lossesOf(samples: Samples): Loss[] {
	const losses: Loss[] = [];
	for (const [name, words] of LOSSES)
		for (const { labels, value } of samples.get(name) ?? []) {
			if (value === 0) continue;
			const where = Object.values(labels).join(", ");
			losses.push({ what: where === "" ? words : `${words}: ${where}`, count: value });
		}
	for (const { labels, value } of samples.get("clew_twin_events_total") ?? [])
		if (value > 0 && labels.verdict !== "accepted")
			losses.push({ what: `events of objects: ${labels.verdict}`, count: value });
	return losses.sort((one, other) => other.count - one.count);
}
