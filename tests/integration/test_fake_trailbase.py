"""The fakes of a team's server do the harm that was ordered, and tell what was asked of them."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from clew.team.bootstrap.files import CONFIGURATION, MIGRATIONS
from clew.testing.trailbase import FakeDocumented, FakeTrailBase, Trouble
from clew.testing.trailbase.textproto import parse_textproto
from tests.conformance.trailbase_places import (
    RECORDS,
    Document,
    Place,
    an_id,
    open_client,
    open_fake,
)


@pytest.fixture
def place() -> Iterator[Place]:
    with open_fake() as opened:
        yield opened


@pytest.fixture
def fake(place: Place) -> FakeTrailBase:
    assert place.fake is not None
    return place.fake


def make_team(place: Place, team: str) -> httpx.Response:
    return place.ann.create("teams", {"id": team, "owner": place.ann.id, "name": "t"})


def teams(fake: FakeTrailBase) -> int:
    return len(fake.read("SELECT 1 AS one FROM teams"))


def test_a_request_that_is_refused_is_not_carried_out(place: Place, fake: FakeTrailBase) -> None:
    fake.order(Trouble.REFUSED, times=2, method="POST", path=f"{RECORDS}/teams", status=500)
    assert [make_team(place, an_id()).status_code for _ in range(3)] == [500, 500, 200]
    assert teams(fake) == 1
    assert [one.is_carried_out for one in fake.asked if one.path == f"{RECORDS}/teams"] == [
        False,
        False,
        True,
    ]


def test_a_request_that_goes_unheard_is_not_carried_out(place: Place, fake: FakeTrailBase) -> None:
    fake.order(Trouble.UNHEARD, method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        make_team(place, an_id())
    assert teams(fake) == 0


@pytest.mark.parametrize("trouble", [Trouble.LOST, Trouble.TRUNCATED])
def test_a_request_whose_answer_is_lost_is_carried_out(
    place: Place, fake: FakeTrailBase, trouble: Trouble
) -> None:
    team = an_id()
    fake.order(trouble, method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        make_team(place, team)
    assert teams(fake) == 1
    assert make_team(place, team).status_code == 400
    lost = next(one for one in fake.asked if one.status is None)
    assert lost.is_carried_out
    assert lost.who == place.ann.email


def test_a_request_that_arrives_twice_is_answered_for_the_second_time(
    place: Place, fake: FakeTrailBase
) -> None:
    fake.order(Trouble.TWICE, method="POST")
    assert make_team(place, an_id()).text == "db constraint: pk"
    assert teams(fake) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_request_is_held_before_or_after_it_is_carried_out(
    place: Place, fake: FakeTrailBase, after: bool
) -> None:
    hold = fake.hold(method="POST", after=after)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(make_team(place, an_id()).status_code))
    thread.start()
    hold.wait()
    assert teams(fake) == (1 if after else 0)
    hold.release()
    thread.join()
    assert answers == [200]
    assert teams(fake) == 1


def test_two_requests_are_carried_out_in_the_other_order(place: Place, fake: FakeTrailBase) -> None:
    first, second = an_id(), an_id()
    hold = fake.hold(method="POST")
    thread = threading.Thread(target=make_team, args=(place, first))
    thread.start()
    hold.wait()
    assert make_team(place, second).is_success
    hold.release()
    thread.join()
    numbers = [place.ann.row("teams", team)["server_seq"] for team in (second, first)]
    assert numbers == sorted(numbers)


def test_a_calm_server_has_no_troubles(place: Place, fake: FakeTrailBase) -> None:
    fake.order(Trouble.UNHEARD, times=5)
    fake.calm()
    assert place.ann.find("teams").status_code == 200


def test_a_server_is_off_line_and_comes_back_on_its_port(place: Place, fake: FakeTrailBase) -> None:
    team = place.ann.new_team()
    url = fake.url
    fake.go_offline()
    with pytest.raises(httpx.TransportError):
        place.ann.find("teams")
    fake.go_online()
    assert fake.url == url
    assert place.ann.row("teams", team)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets an address be held so")
def test_the_port_of_a_server_that_is_off_line_is_nobody_elses() -> None:
    with FakeTrailBase() as fake:
        fake.go_offline()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", fake.port))


def test_whoever_comes_while_it_goes_off_line_is_let_go_of(fake: FakeTrailBase) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(30):
            with ExitStack() as callers:
                for _ in range(20):
                    caller = callers.enter_context(socket.socket())
                    caller.setblocking(False)
                    caller.connect_ex(("127.0.0.1", fake.port))
                fake.go_offline()
            fake.go_online()
        # A socket that nobody closed tells of itself where it is forgotten.
        gc.collect()
    assert not [str(each.message) for each in told if str(fake.port) in str(each.message)]


def test_several_connections_are_served_at_once(place: Place, fake: FakeTrailBase) -> None:
    hold = fake.hold(path=f"{RECORDS}/clew_info")
    thread = threading.Thread(target=place.ann.find, args=("clew_info",))
    thread.start()
    hold.wait()
    assert place.ann.find("teams").status_code == 200
    hold.release()
    thread.join()


def test_what_was_asked_is_counted(place: Place, fake: FakeTrailBase) -> None:
    fake.forget()
    place.ann.new_team()
    place.ann.find("teams", "limit=1")
    assert [(one.method, one.query) for one in fake.asked] == [("POST", ""), ("GET", "limit=1")]
    assert fake.count("GET", RECORDS) == 1


def test_a_rule_that_fails_while_it_runs_is_told_at_the_end() -> None:
    fake = FakeTrailBase()
    user = fake.add_user("ann@example.org")
    headers = {"authorization": f"Bearer {fake.token(user)}"}
    fake.write("ALTER TABLE team_members RENAME TO renamed")
    with open_client(fake.url, headers=headers) as http:
        assert http.get(f"{RECORDS}/saved_queries/{an_id()}").status_code == 403
    with pytest.raises(RuntimeError, match="saved_queries: read"):
        fake.close()


def depot(folder: Path, sql: str, configuration: str) -> Path:
    (folder / MIGRATIONS / "main").mkdir(parents=True)
    (folder / MIGRATIONS / "main" / "U1__one.sql").write_text(sql)
    text = "email {} server {} auth {} jobs {} " + configuration
    (folder / CONFIGURATION).write_text(text)
    return folder


TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT) STRICT;"


@pytest.mark.parametrize(
    ("sql", "configuration", "why"),
    [
        (TABLE.replace(" STRICT", ""), 'record_apis { name: "t" table_name: "t" }', "STRICT"),
        ("CREATE TABLE t (name TEXT) STRICT;", 'record_apis { name: "t" table_name: "t" }', "key"),
        (TABLE, 'record_apis { name: "t" table_name: "u" }', "no table"),
        (TABLE, 'record_apis { name: "t" table_name: "t" expand: ["name"] }', "expand"),
        (
            TABLE,
            'record_apis { name: "t" table_name: "t" read_access_rule: "_REQ_.id = 1" }',
            "cannot name _REQ_",
        ),
        (
            TABLE,
            'record_apis { name: "t" table_name: "t" read_access_rule: "_row_.id = 1" }',
            "capitals",
        ),
        (
            TABLE,
            'record_apis { name: "t" table_name: "t" read_access_rule: "_ROW_.colour = 1" }',
            "no such column",
        ),
        (TABLE, 'record_apis { name: "t" table_name: "t" }' * 2, "one name"),
        (TABLE, "record_apis {", "too early"),
    ],
    ids=["strict", "key", "table", "field", "magic", "case", "column", "twice", "end"],
)
def test_files_that_a_server_would_not_start_with_are_refused(
    tmp_path: Path, sql: str, configuration: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        FakeTrailBase(depot(tmp_path, sql, configuration))


def test_tables_of_ones_own_are_served_like_clews(tmp_path: Path) -> None:
    api = 'record_apis { name: "t" table_name: "t" acl_world: [CREATE, READ, UPDATE, DELETE] }'
    with (
        FakeTrailBase(depot(tmp_path, TABLE, api)) as fake,
        open_client(fake.url) as http,
    ):
        assert http.post(f"{RECORDS}/t", json={"name": "a"}).json() == {"ids": ["1"]}
        assert http.patch(f"{RECORDS}/t/1", json={"name": "b"}).status_code == 200
        assert http.get(f"{RECORDS}/t/1").json() == {"id": 1, "name": "b"}
        # Without a rule a row that is not there is 404 to whoever reads, 500 to whoever changes.
        assert http.get(f"{RECORDS}/t/2").status_code == 404
        assert http.patch(f"{RECORDS}/t/2", json={"name": "b"}).status_code == 500
        assert http.delete(f"{RECORDS}/t/1").text == "deleted"


def test_posts_of_one_address_are_held_back_where_it_is_configured(tmp_path: Path) -> None:
    folder = depot(tmp_path, TABLE, "")
    text = (folder / CONFIGURATION).read_text()
    limited = text.replace("server {}", "server { auth_ip_rate_limit: 2 }")
    (folder / CONFIGURATION).write_text(limited)
    with FakeTrailBase(folder) as fake, open_client(fake.url) as http:
        body = {"refresh_token": "x"}
        statuses = [http.post("/api/auth/v1/refresh", json=body).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        fake.advance(1.5)
        assert http.post("/api/auth/v1/refresh", json=body).status_code == 401


def test_a_message_of_text_is_read_as_protocol_buffers_write_it() -> None:
    text = """
    # A comment.
    one { name: "a" 'b'
      list: [X, Y] number: -5 flag: true text: "say \\"hi\\"\\n" }
    one < name: "c" >, two: 1.5;
    """
    assert parse_textproto(text) == {
        "one": [
            {
                "name": ["ab"],
                "list": ["X", "Y"],
                "number": [-5],
                "flag": [True],
                "text": ['say "hi"\n'],
            },
            {"name": ["c"]},
        ],
        "two": [1.5],
    }


@pytest.fixture
def documented() -> Iterator[FakeDocumented]:
    with FakeDocumented() as opened:
        yield opened


@pytest.fixture
def ask(documented: FakeDocumented) -> Iterator[Callable[..., httpx.Response]]:
    ann = documented.add_user("ann@example.org")
    with open_client(documented.url) as http:
        login = {"email": ann.email, "password": ann.password}
        tokens = http.post("/auth/login", json=login).json()
        assert set(tokens) == {"user_id", "email", "access_token", "refresh_token", "expires_in"}

        def asked(method: str, path: str, **rest: object) -> httpx.Response:
            headers = {"authorization": f"Bearer {tokens['access_token']}"}
            given: Document = {**rest}
            headers |= given.pop("headers", {})
            return http.request(method, path, headers=headers, **given)

        yield asked


def test_the_documented_server_makes_changes_and_lists(
    documented: FakeDocumented, ask: Callable[..., httpx.Response]
) -> None:
    team = ask("POST", "/api/teams", json={"local_id": "l", "name": "t"}).json()
    session = {"local_id": "s", "team_id": team["remote_id"], "completed": False}
    made = ask("POST", "/api/shared_sessions", json=session).json()
    assert made["remote_id"]
    path = f"/api/shared_sessions/{made['remote_id']}"
    assert ask("PUT", path, json={"completed": True}).json()["completed"] is True
    (listed,) = ask("GET", "/api/shared_sessions").json()
    assert listed["remote_id"] == made["remote_id"]
    since = {"since": "2100-01-01T00:00:00Z"}
    assert ask("GET", "/api/shared_sessions", params=since).json() == []
    assert [one["role"] for one in ask("GET", "/api/team/members").json()] == ["owner"]
    assert len(ask("GET", "/api/team/activity", params={"limit": 5}).json()) == 1
    assert ask("DELETE", path).status_code == 200
    assert ask("PUT", path, json={}).status_code == 404
    assert documented.entities("shared_sessions") == []


def test_the_documented_server_knows_a_create_again_by_its_key(
    documented: FakeDocumented, ask: Callable[..., httpx.Response]
) -> None:
    documented.order(Trouble.LOST, method="POST", path="/api/teams")
    for _ in range(2):
        try:
            ask("POST", "/api/teams", json={"name": "t"}, headers={"idempotency-key": "k"})
        except httpx.RemoteProtocolError:
            continue
    assert len(documented.entities("teams")) == 1


def test_the_documented_server_is_for_those_who_are_logged_in(documented: FakeDocumented) -> None:
    with open_client(documented.url) as http:
        assert http.get("/api/teams").status_code == 401
        assert http.post("/auth/refresh", json={"refresh_token": ""}).status_code == 401
        body = {"email": "bob@example.org", "password": "a good one"}
        assert "access_token" in http.post("/auth/register", json=body).json()
        assert http.get("/api/healthcheck").status_code == 401
