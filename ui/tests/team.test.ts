import { describe, expect, it } from "vitest";
import type { ConflictHead, InviteHead, MemberHead, QueryHead } from "../src/api/schema";
import { asSaved } from "../src/screens/find/query";
import { rolesFor, stateOf } from "../src/screens/team/invites";
import { linkOf } from "../src/screens/team/links";
import { linkOfQuery } from "../src/screens/team/queries";
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

describe("an invite", () => {
	const at = Date.parse("2026-11-21T12:00:00Z");
	const invite = (more: Partial<InviteHead>): InviteHead => ({
		id: "i",
		team_id: "t",
		role: "member",
		expires_at: "2026-11-22T12:00:00Z",
		uses: 0,
		uses_max: 2,
		revoked: false,
		...more,
	});

	it("is open until it was taken back, used up, or ended", () => {
		expect(stateOf(invite({}), at)).toBe("open");
		expect(stateOf(invite({ uses: 2 }), at)).toBe("used up");
		expect(stateOf(invite({ expires_at: "2026-11-21T12:00:00Z" }), at)).toBe("ended");
		expect(stateOf(invite({ revoked: true, uses: 2 }), at)).toBe("taken back");
	});
});

describe("roles that one may give", () => {
	const member = (role: string): MemberHead => ({
		id: "u",
		member_id: "m",
		email: "bob@example.org",
		display_name: null,
		role,
		joined_at: "2026-11-21T12:00:00Z",
	});

	it("are all for an owner, none of an owner's for an admin, and none for a member", () => {
		expect(rolesFor("owner", member("admin"), false)).toEqual(["owner", "admin", "member"]);
		expect(rolesFor("owner", member("owner"), true)).toEqual([]);
		expect(rolesFor("admin", member("member"), false)).toEqual(["admin", "member"]);
		expect(rolesFor("admin", member("owner"), false)).toEqual([]);
		expect(rolesFor("member", member("member"), false)).toEqual([]);
		expect(rolesFor(null, member("member"), false)).toEqual([]);
	});
});

describe("a saved query", () => {
	const head = (more: Partial<QueryHead>): QueryHead => ({
		id: "q",
		team_id: "t",
		name: "slow",
		language: "sql",
		query: "SELECT 1",
		description: "",
		sync_status: "synced",
		...more,
	});

	it("opens where it was asked, and nowhere if the page has no such place", () => {
		const open = (more: Partial<QueryHead>) => {
			const link = linkOfQuery(head(more));
			return link === null ? null : readPlace(link);
		};
		expect(open({})?.params.get("sql")).toBe("SELECT 1");
		const filter = { language: "filter", query: "status = error", description: "spans" };
		expect(open(filter)?.params.get("q")).toBe("status = error");
		expect(open(filter)?.params.get("show")).toBe("spans");
		expect(open({ ...filter, description: "of Ann's" })?.params.get("show")).toBeNull();
		expect(open({ language: "promql" })).toBeNull();
	});

	it("is what Find asks, in one expression, without its time", () => {
		expect(asSaved("traces", {}, null)).toBeNull();
		expect(asSaved("sql", { service: "shop" }, null)).toBeNull();
		expect(asSaved("sql", {}, "SELECT 2")).toEqual({ language: "sql", query: "SELECT 2" });
		const filters = { service: "the shop", min_duration_ms: 500, q: "a = 1 OR b" };
		expect(asSaved("spans", filters, null)).toEqual({
			language: "filter",
			query: 'service = "the shop" AND duration >= 500ms AND (a = 1 OR b)',
			description: "spans",
		});
		// Log records have no duration.
		expect(asSaved("logs", filters, null)?.query).toBe('service = "the shop" AND (a = 1 OR b)');
	});
});
