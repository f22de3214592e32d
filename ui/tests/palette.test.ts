import { describe, expect, it } from "vitest";
import { findTargets, readIds } from "../src/parts/Palette";

describe("the palette", () => {
	const kinds = (text: string) => readIds(text).map((each) => each.kind);

	it("knows an id by its form", () => {
		expect(kinds("4bf92f3577b34da6a3ce929d0e0e4736")).toEqual(["trace"]);
		expect(kinds("00F067AA0BA902B7")).toEqual(["span"]);
		expect(kinds("01a1ffa9-5b6a-7d32-8297-b9f7ef08efec")).toEqual(["app"]);
		expect(kinds("7529994825316179")).toContain("lineage");
		expect(kinds("18446744073709551616")).toEqual([]);
		expect(kinds("ShoppingCart/cart/7")).toEqual(["object"]);
		expect(kinds("checkout")).toEqual([]);
		expect(readIds("ShoppingCart/cart/7")[0]?.link).toBe("#/twin/ShoppingCart/cart%2F7");
	});

	it("has screens, services, what was found and commands, and words as the last", () => {
		const act = () => undefined;
		const commands = [{ text: "Find nothing", kind: "command", act }];
		const found = [{ text: "finder", kind: "app", link: "#/tree/1" }];
		const targets = findTargets("fin", ["finance", "shop"], commands, found);
		expect(targets.map((each) => each.kind)).toEqual([
			"screen",
			"spans of a service",
			"app",
			"command",
			"spans with this text",
		]);
	});

	it("shows each target once", () => {
		const found = [{ text: "Cart/1", kind: "object", link: "#/twin/Cart/1" }];
		const targets = findTargets("Cart/1", [], [], found);
		expect(targets.filter((each) => each.link === "#/twin/Cart/1")).toHaveLength(1);
	});
});
