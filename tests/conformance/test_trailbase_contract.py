"""What clew relies on of a TrailBase server, traps included: on the fake, and on a real one.

A real one is named by CLEW_TEST_TRAILBASE_URL, _EMAIL and _PASSWORD, and _OTHER_EMAIL and
_OTHER_PASSWORD for what takes two accounts. What has to be done to a server is done to the fake.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from clew.testing.trailbase import FakeTrailBase, Trouble
from tests.conformance.trailbase_places import (
    AUTH,
    RECORDS,
    SERVERS,
    SESSION,
    Document,
    Person,
    Place,
    an_id,
    as_base64,
    claims_of,
    open_fake,
    open_live,
)


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with open_fake() if request.param == "fake" else open_live() as opened:
        yield opened


@pytest.fixture
def ann(place: Place) -> Person:
    return place.ann


@pytest.fixture
def bob(place: Place) -> Person:
    if place.bob is None:
        pytest.skip("a second account is named by CLEW_TEST_TRAILBASE_OTHER_EMAIL")
    return place.bob


@pytest.fixture
def faked() -> Iterator[Place]:
    with open_fake() as opened:
        yield opened


@pytest.fixture
def fake(faked: Place) -> FakeTrailBase:
    assert faked.fake is not None
    return faked.fake


class TestWhoSomebodyIs:
    def test_a_login_gives_three_tokens_and_the_bearer_says_who_and_until_when(
        self, ann: Person
    ) -> None:
        tokens = ann.log_in()
        assert set(tokens) == {"auth_token", "refresh_token", "csrf_token"}
        claims = claims_of(tokens["auth_token"])
        assert claims["email"] == ann.email
        assert claims["type"] == 1
        assert claims["iat"] < claims["exp"]
        assert len(str(claims["sub"])) == 24

    def test_a_wrong_password_is_401_without_a_body(self, ann: Person) -> None:
        reply = ann.http.post(f"{AUTH}/login", json={"email": ann.email, "password": "no" * 6})
        assert (reply.status_code, reply.text) == (401, "")

    def test_a_refresh_gives_a_bearer_and_no_new_refresh_token(self, ann: Person) -> None:
        body = {"refresh_token": ann.tokens["refresh_token"]}
        for _ in range(2):
            reply = ann.http.post(f"{AUTH}/refresh", json=body)
            assert reply.status_code == 200
            assert set(reply.json()) == {"auth_token", "csrf_token"}

    def test_a_session_that_is_unknown_cannot_be_refreshed(self, ann: Person) -> None:
        reply = ann.http.post(f"{AUTH}/refresh", json={"refresh_token": "x" * 86})
        assert reply.status_code == 401

    def test_a_bearer_that_is_nobodys_is_anonymous_and_no_401(self, ann: Person) -> None:
        team = ann.new_team()
        for bearer in ("Bearer nonsense", "Bearer a.b.c", f"Bearer {ann.tokens['auth_token']}x"):
            reply = ann.http.get(f"{RECORDS}/teams/{team}", headers={"authorization": bearer})
            assert reply.status_code == 403

    def test_the_status_of_nobody_is_200_with_nulls(self, ann: Person) -> None:
        reply = ann.http.get(f"{AUTH}/status")
        assert reply.status_code == 200
        assert reply.json()["auth_token"] is None

    def test_a_logout_by_refresh_token_ends_that_session_only(self, ann: Person) -> None:
        first, second = dict(ann.log_in()), dict(ann.log_in())
        body = {"refresh_token": first["refresh_token"]}
        assert ann.http.post(f"{AUTH}/logout", json=body).status_code == 200
        assert ann.http.post(f"{AUTH}/refresh", json=body).status_code == 401
        other = {"refresh_token": second["refresh_token"]}
        assert ann.http.post(f"{AUTH}/refresh", json=other).status_code == 200

    def test_a_bearer_stays_good_after_the_logout(self, ann: Person) -> None:
        team = ann.new_team()
        body = {"refresh_token": ann.log_in()["refresh_token"]}
        ann.http.post(f"{AUTH}/logout", json=body)
        assert ann.get("teams", team).status_code == 200

    def test_the_server_is_healthy_in_two_letters(self, ann: Person) -> None:
        assert ann.http.get("/api/healthcheck").text.lower() == "ok"


class TestAccountsOfTheFake:
    def test_a_bearer_past_its_end_is_anonymous(self, faked: Place, fake: FakeTrailBase) -> None:
        team = faked.ann.new_team()
        fake.advance(60 * 60 + 1)
        assert faked.ann.get("teams", team).status_code == 403
        assert faked.ann.find("teams").status_code == 403

    def test_how_long_a_bearer_is_good_can_be_set(self, faked: Place, fake: FakeTrailBase) -> None:
        fake.set_lifetimes(auth_s=120)
        claims = claims_of(faked.ann.log_in()["auth_token"])
        assert claims["exp"] - claims["iat"] == 120

    def test_refreshing_does_not_prolong_a_session(self, faked: Place, fake: FakeTrailBase) -> None:
        body = {"refresh_token": faked.ann.tokens["refresh_token"]}
        fake.advance(29 * 86_400)
        assert faked.http.post(f"{AUTH}/refresh", json=body).status_code == 200
        fake.advance(2 * 86_400)
        assert faked.http.post(f"{AUTH}/refresh", json=body).status_code == 401

    def test_a_registration_gives_no_tokens_and_an_unverified_address_cannot_log_in(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        body = {"email": "cid@example.org", "password": "a good one"}
        assert faked.http.post(f"{AUTH}/register", json=body).status_code == 400
        reply = faked.http.post(f"{AUTH}/register", json={**body, "password_repeat": "a good one"})
        assert (reply.status_code, reply.text) == (200, "registered")
        assert faked.http.post(f"{AUTH}/login", json=body).status_code == 401
        token = fake.mails[-1].token
        assert faked.http.get(f"{AUTH}/verify_email/confirm/{token}").status_code == 200
        assert faked.http.post(f"{AUTH}/login", json=body).status_code == 200

    def test_a_registration_does_not_tell_whether_there_is_such_an_account(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        body = {
            "email": faked.ann.email,
            "password": "another one",
            "password_repeat": "another one",
        }
        assert faked.http.post(f"{AUTH}/register", json=body).text == "registered"
        assert faked.ann.log_in()
        fake.set_mail(works=False)
        body["email"] = "dot@example.org"
        assert faked.http.post(f"{AUTH}/register", json=body).status_code == 424

    def test_a_second_factor_makes_a_login_403_with_a_token_for_two_minutes(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        eve = fake.add_user("eve@example.org", totp_secret=b"0123456789")
        login = {"email": eve.email, "password": eve.password}
        reply = faked.http.post(f"{AUTH}/login", json=login)
        assert reply.status_code == 403
        step = {"mfa_token": reply.json()["mfa_token"]}
        wrong = {**step, "totp": "000000" if eve.totp(fake.now()) != "000000" else "111111"}
        assert faked.http.post(f"{AUTH}/login_mfa", json=wrong).status_code == 401
        right = {**step, "totp": eve.totp(fake.now())}
        reply = faked.http.post(f"{AUTH}/login_mfa", json=right)
        assert reply.status_code == 200
        assert claims_of(reply.json()["auth_token"])["mfa"] is True
        late = faked.http.post(f"{AUTH}/login", json=login).json()["mfa_token"]
        fake.advance(121)
        code = {"mfa_token": late, "totp": eve.totp(fake.now())}
        assert faked.http.post(f"{AUTH}/login_mfa", json=code).status_code == 401

    def test_the_fourth_failed_login_in_a_minute_is_429(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        wrong = {"email": faked.ann.email, "password": "not this one"}
        statuses = [faked.http.post(f"{AUTH}/login", json=wrong).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        fake.advance(61)
        assert faked.ann.log_in()

    def test_a_logout_without_a_token_ends_every_session(self, faked: Place) -> None:
        tokens = [dict(faked.ann.log_in()) for _ in range(2)]
        assert faked.http.get(f"{AUTH}/logout", headers=faked.ann.headers).status_code == 200
        for each in tokens:
            body = {"refresh_token": each["refresh_token"]}
            assert faked.http.post(f"{AUTH}/refresh", json=body).status_code == 401

    def test_passwords_and_tokens_are_not_in_the_journal(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        tokens = faked.ann.log_in()
        faked.http.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]})
        faked.ann.join("a-code-that-nobody-should-see")
        kept = repr(fake.asked) + json.dumps([one.body for one in fake.asked])
        for secret in (faked.ann.password, *tokens.values(), "nobody-should-see"):
            assert secret not in kept


class TestRecords:
    def test_ids_go_in_as_uuid_or_base64_and_come_out_as_base64(self, ann: Person) -> None:
        team = an_id()
        reply = ann.create("teams", {"id": team, "owner": as_base64(ann.id), "name": "t"})
        assert reply.json() == {"ids": [as_base64(team)]}
        assert ann.row("teams", team) == ann.row("teams", as_base64(team))
        assert ann.row("teams", team)["owner"] == as_base64(ann.id)

    def test_a_create_that_is_sent_again_is_400_and_says_so(self, ann: Person) -> None:
        team = ann.new_team()
        reply = ann.create("teams", {"id": team, "owner": ann.id, "name": "again"})
        assert reply.status_code == 400
        assert reply.text in {"db constraint: pk", "db constraint: unique"}
        assert ann.row("teams", team)["name"] == "of a test"

    def test_an_array_is_made_whole_or_not_at_all(self, ann: Person) -> None:
        team = ann.new_team()
        there = ann.new_session(team)
        common = {"team_id": team, "owner": ann.id, **SESSION}
        new = [an_id(), an_id()]
        reply = ann.create("shared_sessions", [{"id": one, **common} for one in (new[0], there)])
        assert reply.status_code == 400
        assert ann.get("shared_sessions", new[0]).status_code == 403
        reply = ann.create("shared_sessions", [{"id": one, **common} for one in new])
        assert reply.json() == {"ids": [as_base64(one) for one in new]}
        reply = ann.create("shared_sessions", [{"id": an_id(), **common}] * 1025)
        assert reply.status_code == 400

    def test_an_api_that_there_is_not_is_405(self, ann: Person) -> None:
        assert ann.find("no_such_api").status_code == 405
        assert ann.get("no_such_api", an_id()).status_code == 405
        assert ann.create("no_such_api", {}).status_code == 405

    def test_a_view_is_read_only(self, ann: Person) -> None:
        assert ann.create("team_activity", {"id": an_id()}).status_code == 405

    def test_a_row_that_is_not_there_is_403_like_one_of_others(
        self, ann: Person, bob: Person
    ) -> None:
        team = ann.new_team()
        for record in (an_id(), team):
            assert bob.get("teams", record).status_code == 403
            assert bob.patch("teams", record, {"version": 2, "name": "x"}).status_code == 403

    def test_what_breaks_a_constraint_is_400_at_a_create_and_500_at_a_change(
        self, ann: Person
    ) -> None:
        team = ann.new_team()
        record = {"id": an_id(), "team_id": team, "owner": ann.id, **SESSION}
        reply = ann.create("shared_sessions", record | {"planned_duration_minutes": 481})
        assert (reply.status_code, reply.text) == (400, "db constraint: check")
        bare = {name: record[name] for name in ("id", "team_id", "owner")}
        reply = ann.create("shared_sessions", bare)
        assert (reply.status_code, reply.text) == (400, "db constraint: not null")
        session = ann.new_session(team)
        change = {"version": 2, "planned_duration_minutes": 481}
        assert ann.patch("shared_sessions", session, change).status_code == 500

    def test_a_value_of_the_wrong_type_is_400(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        for change in ({"title": 5}, {"completed": "1"}, {"notes": [1]}, {"owner": "?"}):
            assert (
                ann.patch("shared_sessions", session, {"version": 2, **change}).status_code == 400
            )
        assert ann.patch("shared_sessions", session, {"version": 2, "completed": True}).is_success

    def test_fields_that_are_no_columns_are_passed_over_in_silence(self, ann: Person) -> None:
        team = ann.new_team()
        session = ann.new_session(team, colour="green")
        assert "colour" not in ann.row("shared_sessions", session)

    def test_the_key_of_a_row_cannot_be_changed(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        change = {"version": 2, "id": an_id()}
        assert ann.patch("shared_sessions", session, change).status_code == 400

    def test_nothing_can_be_deleted(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        reply = ann.http.delete(f"{RECORDS}/shared_sessions/{session}", headers=ann.headers)
        assert reply.status_code == 403

    def test_there_is_no_put(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        reply = ann.http.put(f"{RECORDS}/shared_sessions/{session}", json={}, headers=ann.headers)
        assert reply.status_code == 405

    def test_the_schema_names_the_columns_that_can_be_read(self, ann: Person) -> None:
        schema = ann.http.get(f"{RECORDS}/shared_sessions/schema", headers=ann.headers).json()
        assert {"id", "team_id", "version", "server_seq", "more"} <= set(schema["properties"])

    def test_a_body_past_the_limit_is_413(self, faked: Place) -> None:
        record = {"name": "x" * (10 * 1024 * 1024)}
        assert faked.ann.create("teams", record).status_code == 413


class TestLists:
    @pytest.fixture
    def team(self, ann: Person) -> str:
        """A team with three sessions: a, b, c."""
        team = ann.new_team()
        for title in "abc":
            ann.new_session(team, title=title)
        return team

    def titles(self, ann: Person, team: str, query: str) -> list[str]:
        found = ann.rows("shared_sessions", f"filter[team_id]={as_base64(team)}&{query}")
        return [row["title"] for row in found]

    def test_the_newest_come_first_unless_an_order_is_asked_for(
        self, ann: Person, team: str
    ) -> None:
        assert self.titles(ann, team, "") == ["c", "b", "a"]
        assert self.titles(ann, team, "order=title") == ["a", "b", "c"]
        assert self.titles(ann, team, "order=%2Bserver_seq") == ["a", "b", "c"]
        assert self.titles(ann, team, "order=+server_seq") == ["a", "b", "c"]
        assert self.titles(ann, team, "order=-server_seq") == ["c", "b", "a"]

    def test_filters_take_operators_and_are_combined(self, ann: Person, team: str) -> None:
        assert self.titles(ann, team, "filter[title][$gt]=a&order=title") == ["b", "c"]
        either = "filter[$or][0][title]=a&filter[$or][1][title]=c&order=title"
        assert self.titles(ann, team, either) == ["a", "c"]
        both = "filter[$and][0][title][$gte]=b&filter[$and][1][title][$lt]=c"
        assert self.titles(ann, team, both) == ["b"]
        assert self.titles(ann, team, "filter[title][$ne]=b&order=title") == ["a", "c"]
        assert self.titles(
            ann, team, "filter[title][$gte]=a&filter[title][$lte]=b&order=title"
        ) == [
            "a",
            "b",
        ]
        assert self.titles(ann, team, "filter[title][$like]=B%25") == ["b"]
        assert self.titles(ann, team, "filter[deleted_at][$is]=NULL&order=title") == list("abc")
        assert self.titles(ann, team, "filter[deleted_at][$is]=!NULL") == []

    def test_a_filter_takes_ids_as_base64_and_finds_nothing_for_a_uuid(
        self, ann: Person, team: str
    ) -> None:
        assert ann.rows("shared_sessions", f"filter[team_id]={team}") == []
        assert len(ann.rows("shared_sessions", f"filter[team_id]={as_base64(team)}")) == 3

    def test_what_cannot_be_filtered_or_ordered_by_is_400(self, ann: Person) -> None:
        bad = (
            "filter[no_such_column]=1",
            "filter[_hidden]=1",
            "filter[title][$near]=1",
            "filter[server_seq]=many",
            "filter[$and][0][title]=a",
            "filter[deleted_at][$is]=0",
            "order=no_such_column",
            "order=a,b,c,d,e,f",
            "limit=-1",
        )
        for query in bad:
            assert ann.find("shared_sessions", query).status_code == 400, query

    def test_a_page_has_50_and_1024_at_the_most(self, ann: Person) -> None:
        team = ann.new_team()
        common = {"team_id": team, "owner": ann.id, **SESSION}
        ann.create("shared_sessions", [{"id": an_id(), **common} for _ in range(51)])
        own = f"filter[team_id]={as_base64(team)}"
        assert len(ann.rows("shared_sessions", own)) == 50
        assert len(ann.rows("shared_sessions", f"{own}&limit=1024")) == 51
        assert ann.find("shared_sessions", "limit=1025").status_code == 400

    def test_rows_are_counted_without_being_read(self, ann: Person, team: str) -> None:
        query = f"filter[team_id]={as_base64(team)}&count=true&limit=0"
        reply = ann.find("shared_sessions", query).json()
        assert (reply["total_count"], reply["records"]) == (3, [])

    def test_a_cursor_is_given_with_the_last_page_too_and_goes_with_the_key_alone(
        self, ann: Person, team: str
    ) -> None:
        own = f"filter[team_id]={as_base64(team)}"
        first = ann.find("shared_sessions", f"{own}&limit=2").json()
        second = ann.find("shared_sessions", f"{own}&limit=2&cursor={first['cursor']}").json()
        titles = [row["title"] for page in (first, second) for row in page["records"]]
        assert titles == ["c", "b", "a"]
        assert second["cursor"]
        ordered = f"{own}&order=server_seq&cursor={first['cursor']}"
        assert ann.find("shared_sessions", ordered).status_code == 400
        assert "cursor" not in ann.find("shared_sessions", f"{own}&order=server_seq").json()

    def test_a_view_has_no_cursor(self, ann: Person, team: str) -> None:
        own = f"filter[team_id]={as_base64(team)}"
        assert "cursor" not in ann.find("team_activity", own).json()

    def test_a_cursor_dies_with_a_restart_and_a_session_does_not(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        faked.ann.new_team()
        cursor = faked.ann.find("teams", "limit=1").json()["cursor"]
        assert faked.ann.find("teams", f"cursor={cursor}").status_code == 200
        fake.restart()
        assert faked.ann.find("teams", f"cursor={cursor}").status_code == 400
        assert faked.ann.find("teams").status_code == 200

    def test_a_list_leaves_out_what_one_may_not_read_without_saying_so(
        self, ann: Person, bob: Person, team: str
    ) -> None:
        assert bob.rows("shared_sessions", f"filter[team_id]={as_base64(team)}") == []

    def test_changes_are_pulled_by_their_number_tombstones_included(
        self, ann: Person, team: str
    ) -> None:
        own = f"filter[team_id]={as_base64(team)}&order=server_seq"
        rows = ann.rows("shared_sessions", own)
        last = rows[-1]["server_seq"]
        ann.patch("shared_sessions", rows[0]["id"], {"version": 2, "deleted": 1})
        later = ann.rows("shared_sessions", f"{own}&filter[server_seq][$gt]={last}")
        assert [(row["id"], row["deleted"]) for row in later] == [(rows[0]["id"], 1)]


class TestVersions:
    def test_a_change_names_the_version_that_follows_or_is_403(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        for change in ({}, {"version": 1}, {"version": 3}, {"version": None}):
            reply = ann.patch("shared_sessions", session, {"title": "x", **change})
            assert reply.status_code == 403, change
        assert ann.patch("shared_sessions", session, {"title": "x", "version": 2}).text == ""
        assert (
            ann.patch("shared_sessions", session, {"title": "y", "version": 2}).status_code == 403
        )
        assert ann.row("shared_sessions", session)["title"] == "x"

    def test_a_change_that_was_overtaken_between_rule_and_write_is_500(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        session = faked.ann.new_session(faked.ann.new_team())
        fake.write("UPDATE shared_sessions SET version = 2")
        with pytest.raises(Exception, match="not the version that follows"):
            fake.write("UPDATE shared_sessions SET version = 2, title = 'late'")
        assert faked.ann.row("shared_sessions", session)["version"] == 2

    def test_the_server_stamps_what_it_alone_sets(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team(), server_seq=10**9, updated_at=5, deleted_at=5)
        first = ann.row("shared_sessions", session)
        assert first["server_seq"] < 10**9
        assert first["updated_at"] > 10**12
        assert (first["deleted_at"], first["version"]) == (None, 1)
        change = {"version": 2, "server_seq": 10**9, "updated_at": 5, "deleted_at": 5}
        assert ann.patch("shared_sessions", session, change).is_success
        second = ann.row("shared_sessions", session)
        assert first["server_seq"] < second["server_seq"] < 10**9
        assert second["updated_at"] >= first["updated_at"]
        assert second["deleted_at"] is None

    def test_the_time_of_a_change_is_the_servers(self, faked: Place, fake: FakeTrailBase) -> None:
        fake.advance(-3 * 86_400)
        team = faked.ann.new_team()
        at = faked.ann.row("teams", team)["updated_at"]
        assert abs(at - fake.now() / 1e6) < 60_000

    def test_one_counter_numbers_all_tables(self, ann: Person) -> None:
        team = ann.new_team()
        numbers = [ann.row("teams", team)["server_seq"], ann.member(team, ann)["server_seq"]]
        for _ in range(2):
            numbers.append(ann.row("shared_sessions", ann.new_session(team))["server_seq"])
        query = {"id": an_id(), "team_id": team, "owner": ann.id, "name": "n", "query": "q"}
        ann.create("saved_queries", query)
        numbers.append(ann.row("saved_queries", str(query["id"]))["server_seq"])
        assert len(set(numbers)) == len(numbers)
        assert numbers[2:] == sorted(numbers[2:])

    def test_a_create_begins_with_version_1_and_alive(self, ann: Person) -> None:
        team = ann.new_team()
        record = {"id": an_id(), "team_id": team, "owner": ann.id, **SESSION}
        assert ann.create("shared_sessions", {**record, "version": 7}).status_code == 403
        assert ann.create("shared_sessions", {**record, "version": 1, "deleted": 1}).is_success
        assert ann.row("shared_sessions", str(record["id"]))["deleted"] == 0

    def test_a_tombstone_has_a_time_and_can_be_taken_back(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        ann.patch("shared_sessions", session, {"version": 2, "deleted": 1})
        stone = ann.row("shared_sessions", session)
        assert stone["deleted_at"] == stone["updated_at"]
        assert stone["title"] == "late"
        ann.patch("shared_sessions", session, {"version": 3, "deleted": 0})
        assert ann.row("shared_sessions", session)["deleted_at"] is None

    @pytest.mark.parametrize(
        ("api", "own", "emptied"),
        [
            ("shared_sessions", {**SESSION, "notes": '["n"]', "links": '["l"]'}, "title"),
            ("team_comments", {"trace_id": "ab" * 16, "author": "ann", "body": "slow"}, "body"),
            ("saved_queries", {"name": "n", "query": "SELECT 1"}, "query"),
            ("synced_entities", {"entity_type": "findings", "document": '{"a": 1}'}, "document"),
        ],
    )
    def test_what_is_erased_is_empty_and_its_tombstone_stays(
        self, ann: Person, api: str, own: Document, emptied: str
    ) -> None:
        team, record = ann.new_team(), an_id()
        more = {} if api == "synced_entities" else {"more": '{"b": 2}'}
        made = ann.create(api, {"id": record, "team_id": team, "owner": ann.id, **own, **more})
        assert made.is_success, made.text
        assert ann.patch(api, record, {"version": 2, "deleted": 1, "erase": 1}).is_success
        stone = ann.row(api, record)
        assert stone["deleted"] == 1
        assert stone[emptied] in {"", "{}"}
        kept = json.dumps(stone)
        for value in own.values():
            if isinstance(value, str) and len(value) > 2 and value != "findings":
                assert value not in kept

    def test_erasing_is_asked_for_each_time(self, ann: Person) -> None:
        session = ann.new_session(ann.new_team())
        ann.patch("shared_sessions", session, {"version": 2, "deleted": 1, "erase": 1})
        revived = {"version": 3, "deleted": 0, "title": "again"}
        ann.patch("shared_sessions", session, revived)
        ann.patch("shared_sessions", session, {"version": 4, "deleted": 1})
        assert ann.row("shared_sessions", session)["title"] == "again"

    def test_old_tombstones_go_and_it_is_said_up_to_where(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        ann = faked.ann
        team = ann.new_team()
        session, kept = ann.new_session(team), ann.new_session(team)
        ann.patch("shared_sessions", session, {"version": 2, "deleted": 1})
        number = ann.row("shared_sessions", session)["server_seq"]
        fake.advance(181 * 86_400)
        ann.log_in()
        ann.patch("shared_sessions", kept, {"version": 2, "deleted": 1})
        common = {"team_id": team, "owner": ann.id, **SESSION}
        ann.create("shared_sessions", [{"id": an_id(), **common} for _ in range(256)])
        assert ann.row("clew_info", "1")["purged_seq"] == number
        assert ann.get("shared_sessions", session).status_code == 403
        assert ann.row("shared_sessions", kept)["deleted"] == 1


class TestTransactions:
    def create(self, ann: Person, team: str, record: str) -> Document:
        value = {"id": record, "team_id": team, "owner": ann.id, **SESSION}
        return {"Create": {"api_name": "shared_sessions", "value": value}}

    def test_a_batch_is_carried_out(self, ann: Person) -> None:
        team, ids = ann.new_team(), [an_id(), an_id()]
        change = {
            "Update": {
                "api_name": "shared_sessions",
                "record_id": ids[0],
                "value": {"version": 2, "title": "changed"},
            }
        }
        reply = ann.execute([*(self.create(ann, team, one) for one in ids), change])
        assert reply.status_code == 200
        assert ann.row("shared_sessions", ids[0])["title"] == "changed"
        assert ann.row("shared_sessions", ids[1])["title"] == "late"

    @pytest.mark.parametrize("is_transaction", [False, True])
    def test_what_fails_fails_all_as_500_and_undoes_only_what_is_a_transaction(
        self, ann: Person, is_transaction: bool
    ) -> None:
        team, first = ann.new_team(), an_id()
        operations = [self.create(ann, team, first), self.create(ann, team, first)]
        assert ann.execute(operations, transaction=is_transaction).status_code == 500
        status = ann.get("shared_sessions", first).status_code
        assert status == (403 if is_transaction else 200)

    def test_what_is_forbidden_is_500_too(self, ann: Person, bob: Person) -> None:
        team = ann.new_team()
        assert bob.execute([self.create(bob, team, an_id())]).status_code == 500

    def test_a_batch_has_128_operations_at_the_most(self, ann: Person) -> None:
        team = ann.new_team()
        reply = ann.execute([self.create(ann, team, an_id()) for _ in range(129)])
        assert reply.status_code == 400

    def test_the_answer_has_a_result_for_each(self, faked: Place, fake: FakeTrailBase) -> None:
        team, record = faked.ann.new_team(), an_id()
        reply = faked.ann.execute([self.create(faked.ann, team, record)])
        assert reply.json() == {"results": [{"Id": as_base64(record)}]}
        fake.answer_with_ids()
        other = an_id()
        reply = faked.ann.execute([self.create(faked.ann, team, other)])
        assert reply.json() == {"ids": [as_base64(other)]}


def test_a_server_that_has_no_room_for_a_request_says_when_to_come_again(faked: Place) -> None:
    assert faked.fake is not None
    faked.fake.order(Trouble.REFUSED, status=429, headers={"retry-after": "7"})
    reply = faked.ann.find("teams")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert faked.ann.find("teams").status_code == 200


def test_the_date_of_an_answer_is_the_servers(faked: Place) -> None:
    assert faked.fake is not None
    faked.fake.advance(-86_400 * 400)
    year = httpx.get(f"{faked.fake.url}/api/healthcheck").headers["date"].split()[3]
    assert int(year) < time.gmtime().tm_year
