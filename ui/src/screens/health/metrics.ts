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
