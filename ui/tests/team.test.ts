import { describe, expect, it } from "vitest";
import type { ConflictHead } from "../src/api/schema";
import { linkOf } from "../src/screens/team/links";
import { layConflict } from "../src/screens/team/sides";
import { readPlace } from "../src/state/place";

describe("what was looked at in a session", () => {
	const open = (kind: string, id: string, path: string | null = null) => {
		const link = linkOf({ kind, id, path, last_at: "2026-11-21T11:00:00Z" });
		return link === null ? null : readPlace(link);
	};

	it("opens in the page, whatever kind it is of", () => {
		expect(open("trace", "4bf9")).toMatchObject({ screen: "trace", names: ["4bf9"] });
		const span = open("span", "4bf9/00f0");
		expect(span?.names).toEqual(["4bf9"]);
		expect(span?.params.get("span")).toBe("00f0");
		expect(open("object", "Cart/a/b")?.names).toEqual(["Cart", "a/b"]);
		expect(open("lineage", "7..9")?.names).toEqual(["7", "9"]);
		expect(open("app", "01a1")?.screen).toBe("tree");
		expect(open("metric", "http.server.duration")?.params.get("metric")).toBe(
			"http.server.duration",
		);
		expect(open("service", "shop")?.params.get("service")).toBe("shop");
	});

	it("opens a question with its filters and its time, without its page", () => {
		const spans = open(
			"query",
			"a60b",
			"/api/v1/traces?service=shop&attribute=a%3D1&attribute=b&limit=5&next=x&start=2026-11-21T10%3A00%3A00Z",
		);
		expect(spans?.screen).toBe("find");
		expect(spans?.params.getAll("attribute")).toEqual(["a=1", "b"]);
		expect(spans?.params.get("limit")).toBeNull();
		expect(spans?.params.get("start")).toBe("2026-11-21T10:00:00Z");
		expect(spans?.params.get("end")).toBe("2026-11-21T11:00:00Z");
		const sql = open("query", "b", "/api/v1/sql?q=SELECT+1");
		expect(sql?.params.get("show")).toBe("sql");
		expect(sql?.params.get("sql")).toBe("SELECT 1");
		expect(open("query", "c", "/api/v1/no-screen-shows-this")).toBeNull();
		expect(open("query", "d")).toBeNull();
	});
});

describe("versions that met", () => {
	it("stand field by field, those that lost a change first", () => {
		const rows = layConflict({
			fields: ["title"],
			base: { title: "a", notes: 1, plan: 5, id: "x" },
			local: { title: "b", notes: 2, plan: 5, id: "x" },
			remote: { title: "c", notes: 1, plan: 6, id: "x" },
			outcome: { title: "c", notes: 2, plan: 6, id: "x" },
		} as unknown as ConflictHead);
		expect(rows.map((row) => [row.field, row.changed, row.isLost])).toEqual([
			["title", "both", true],
			["notes", "here", false],
			["plan", "there", false],
			["id", "nobody", false],
		]);
	});

	it("show a deletion as one, not as a change of every field", () => {
		const rows = layConflict({
			fields: [],
			base: { title: "a" },
			local: null,
			remote: { title: "b" },
			outcome: { title: "b" },
		} as unknown as ConflictHead);
		expect(rows.map((row) => row.changed)).toEqual(["there"]);
	});
});
