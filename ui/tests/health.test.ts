import { describe, expect, it } from "vitest";
import { counter, lossesOf, readMetrics, sumOf } from "../src/screens/health/metrics";

describe("the server's own counters", () => {
	const samples = readMetrics(
		[
			"# HELP clew_log_bytes what is not yet in the engine",
			"clew_log_bytes 64",
			'clew_links_dropped_total{door="udp",reason="ker\\"nel"} 3',
			'clew_links_dropped_total{door="otlp",reason="queue"} 0',
			'clew_twin_events_total{verdict="accepted"} 5',
			'clew_twin_events_total{verdict="rejected"} 7',
			"no line of Prometheus",
		].join("\n"),
	);

	it("are read with their labels, quotes and all", () => {
		expect(counter(samples, "clew_log_bytes")).toBe(64);
		expect(samples.get("clew_links_dropped_total")?.[0]?.labels).toEqual({
			door: "udp",
			reason: 'ker"nel',
		});
		expect(sumOf(samples, "clew_twin_events_total")).toBe(12);
		expect(counter(samples, "not_told")).toBe(0);
	});

	it("tell what was lost and why, the most first, and nothing else", () => {
		expect(lossesOf(samples)).toEqual([
			{ what: "events of objects: rejected", count: 7 },
			{ what: 'messages about links that were dropped: udp, ker"nel', count: 3 },
		]);
		expect(lossesOf(readMetrics(""))).toEqual([]);
	});
});
