import { describe, expect, it } from "vitest";
import {
	change,
	followAddress,
	go,
	linkTo,
	place,
	readPlace,
	writePlace,
} from "../src/state/place";
import { readDuration, readTime, writeTime } from "../src/state/time";

describe("the address", () => {
	it("names a screen, names and parameters, and comes back as it went", () => {
		const text = "#/twin/Shopping%20Cart/a%2Fb?at=2026-11-21T10%3A00%3A00.000Z&q=x+%3D+1";
		const at = readPlace(text);
		expect(at.screen).toBe("twin");
		expect(at.names).toEqual(["Shopping Cart", "a/b"]);
		expect(at.params.get("q")).toBe("x = 1");
		expect(readPlace(writePlace(at))).toEqual(at);
	});

	it("is the first screen when there is nothing in it", () => {
		expect(readPlace("").screen).toBe("find");
		expect(readPlace("#/").screen).toBe("find");
	});

	it("takes a percent sign that means nothing for itself", () => {
		expect(readPlace("#/find/100%").names).toEqual(["100%"]);
	});

	it("is another one as soon as somebody went there", () => {
		go("#/tree/x");
		expect(place.value.names).toEqual(["x"]);
	});

	it("is not left again by what changes by itself", () => {
		window.history.replaceState(null, "", "#/find?last=1h");
		const stop = followAddress();
		// As a link does it: its event comes later than the next step of a cursor that plays.
		window.history.replaceState(null, "", "#/services?last=1h");
		change({ at: "2026-11-21T10:00:00.000Z" }, { replace: true });
		expect(place.value.screen).toBe("services");
		expect(window.location.hash).toContain("#/services?last=1h&at=");
		stop();
	});

	it("takes the time along from screen to screen, and nothing else", () => {
		window.location.hash = "#/find?last=6h&service=shop&at=2026-11-21T10:00:00Z";
		const stop = followAddress();
		expect(linkTo("tree", ["x"])).toBe("#/tree/x?last=6h&at=2026-11-21T10%3A00%3A00Z");
		change({ service: null, q: "a" }, { replace: true });
		expect(place.value.params.has("service")).toBe(false);
		expect(place.value.params.get("q")).toBe("a");
		stop();
	});
});

describe("time", () => {
	it("is read to the part of a millisecond", () => {
		expect(readTime("2026-11-21T10:00:00.123456789Z")).toBeCloseTo(
			Date.UTC(2026, 10, 21, 10) + 123.456789,
			3,
		);
		expect(readTime("2026-11-21T10:00:00Z")).toBe(Date.UTC(2026, 10, 21, 10));
		expect(readTime("yesterday")).toBeNull();
		expect(readTime(null)).toBeNull();
	});

	it("is written to the microsecond, and read back the same", () => {
		for (const ms of [0, 1_795_000_000_000, 1_795_000_000_000.25, 1_795_000_000_000.999]) {
			expect(readTime(writeTime(ms))).toBeCloseTo(ms, 2);
		}
	});

	it("knows the durations of the command line and no others", () => {
		expect(readDuration("15m")).toBe(900_000);
		expect(readDuration("1w")).toBe(604_800_000);
		expect(readDuration("0s")).toBeNull();
		expect(readDuration("15")).toBeNull();
		expect(readDuration("m")).toBeNull();
	});
});
