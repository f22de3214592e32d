"""The team over REST: what each route answers, who may ask it, and what is never told or kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clew import team as documented
from clew.base.errors import ClewError, ErrorCode
from clew.team.trailbase.tokens import Tokens
from clew.team.vault.sealed import FileVault
from clew.testing.server import ServerProcess
from clew.testing.trailbase import FakeTrailBase
from tests.e2e.executed import until
from tests.e2e.terminal import clew
from tests.integration.wire import Answer, ask

PASSWORD = "correct horse battery staple"
KEY = "a key for the tests of the team's routes, long enough"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NOBODY = "0af76519-16cd-7d44-8448-eb211c80319c"


@dataclass
class Place:
    """A server, and who asks it; without keys nobody is asked who they are."""

    process: ServerProcess
    keys: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any = None, who: str = "admin") -> Answer:
        headers = {"content-type": "application/json"}
        if who in self.keys:
            headers["authorization"] = f"Bearer {self.keys[who]}"
        sent = None if body is None else json.dumps(body).encode()
        return ask(self.process.url, method, f"/api/v1/{path}", sent, headers)

    def ask(
        self, method: str, path: str, body: Any = None, *, status: int = 200, who: str = "admin"
    ) -> Any:
        answer = self.answer(method, path, body, who)
        assert answer.status == status, (path, answer.status, answer.body)
        return answer.document

    def comments(self) -> list[Any]:
        found: list[Any] = self.ask("GET", f"traces/{TRACE}/comments")["comments"]
        return found

    def sync(self) -> Any:
        return self.ask("POST", "team/sync", {})


@dataclass
class Town:
    """Ann's server has keys, Bob's has none; both are in one team of the fake's."""

    fake: FakeTrailBase
    ann: Place
    bob: Place
    team_id: str = ""

    def connect(self, place: Place, email: str) -> Any:
        sent = {"server_url": self.fake.url, "email": email, "password": PASSWORD}
        return place.ask("POST", "team/connect", sent)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with FakeTrailBase() as fake, ExitStack() as ending:
        for name in ("ann", "bob", "cid"):
            fake.add_user(f"{name}@example.org", PASSWORD)
        fake.add_user("mfa@example.org", PASSWORD, totp_secret=b"secret of a second factor")
        places = []
        for name in ("ann", "bob"):
            process = ServerProcess(folder / name, {"team_key": KEY})
            ending.enter_context(process)
            places.append(Place(process))
        ann, bob = places
        first = ann.ask("POST", "keys", {"name": "admin", "role": "admin"}, status=201)
        ann.keys["admin"] = first["api_key"]
        for role in ("reader", "writer"):
            made = ann.ask("POST", "keys", {"name": role, "role": role}, status=201)
            ann.keys[role] = made["api_key"]
        town = Town(fake, ann, bob)
        check_nobody_is_connected(bob)
        town.connect(ann, "ann@example.org")
        town.connect(bob, "bob@example.org")
        town.team_id = ann.ask("POST", "team/teams", {"name": "Night watch"}, status=201)["id"]
        code = ann.ask("POST", "team/invites", {}, status=201)["code"]
        bob.ask("POST", "team/join", {"code": code})
        yield town
        for place in places:
            assert "Traceback" not in place.process.stderr


def check_nobody_is_connected(place: Place) -> None:
    """Before anybody connects nothing is opened, and all but the status say how to connect."""
    status = place.ask("GET", "team")
    assert (status["connected"], status["tokens"], status["link"]) == (False, "none", "unknown")
    for path in ("teams", "members", "activity", "queue", "rounds", "conflicts", "queries"):
        said = place.ask("GET", f"team/{path}", status=404)
        assert "clew team connect" in said["hint"], said
    assert place.ask("POST", "team/sync", {}, status=404)["code"] == "not_found"
    assert not (place.process.folder / "team-tokens").exists()


def consent(place: Place, *, give: bool = True) -> None:
    kinds = ["sessions", "comments", "queries"]
    place.ask("POST", "team/consent", {"give" if give else "withdraw": kinds})


def share_session(place: Place, title: str, who: str = "admin") -> str:
    new = {"title": title, "planned_minutes": 30, "switch": True}
    session_id: str = place.ask("POST", "sessions", new, status=201, who=who)["id"]
    place.ask("POST", f"sessions/{session_id}/share", {}, who=who)
    return session_id


def test_who_the_teams_server_refuses_is_not_told_to_look_for_a_key_of_ours(town: Town) -> None:
    sent = {"server_url": town.fake.url, "email": "ann@example.org", "password": "not the right"}
    refused = town.bob.answer("POST", "team/connect", sent)
    assert (refused.status, refused.document["code"]) == (403, "forbidden")
    assert "www-authenticate" not in refused.headers
    assert "not the right" not in refused.body.decode()
    asked = {**sent, "email": "mfa@example.org", "password": PASSWORD}
    more = town.bob.answer("POST", "team/connect", asked)
    assert (more.status, more.document["code"]) == (400, "invalid_argument")
    assert "--totp" in more.document["hint"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"server_url": "http://team.example.org", "email": "a@b.c", "password": "x" * 9}, 400),
        ({"server_url": "ftp://127.0.0.1", "email": "a@b.c", "password": "x" * 9}, 400),
        ({"server_url": "https://127.0.0.1"}, 400),
        ({"server_url": "http://127.0.0.1:9", "email": "a@b.c", "password": "x" * 9}, 503),
    ],
    ids=["in the clear", "another protocol", "half of it", "nobody there"],
)
def test_what_cannot_be_connected_to_is_said(town: Town, body: Any, status: int) -> None:
    said = town.bob.ask("POST", "team/connect", body, status=status)
    assert said["detail"]
    assert "x" * 9 not in json.dumps(said)


def test_a_reader_looks_a_writer_shares_and_an_admin_decides(town: Town) -> None:
    ann = town.ann
    for path in ("", "/teams", "/members", "/activity", "/queue", "/rounds", "/conflicts"):
        ann.ask("GET", f"team{path}", who="reader")
    ann.ask("POST", "team/sync", {}, status=403, who="reader")
    ann.ask("POST", "team/sync", {}, who="writer")
    for path, body in (
        ("team/connect", {"server_url": town.fake.url, "email": "a@b.c", "password": PASSWORD}),
        ("team/consent", {"give": ["sessions"]}),
        ("team/invites", {}),
        ("team/disconnect", {"force": True}),
        ("team/queue/clear", {}),
    ):
        ann.ask("POST", path, body, status=403, who="writer")
    ann.ask("GET", "team", status=401, who="nobody")
    denied = ann.ask("GET", "audit?allowed=false&limit=100")["entries"]
    actions = {(each["caller"], each["action"]) for each in denied}
    assert ("writer", "POST /api/v1/team/consent") in actions
    assert ("reader", "POST /api/v1/team/sync") in actions


def test_nothing_is_shared_without_consent_nor_by_somebody_else(town: Town) -> None:
    ann = town.ann
    consent(ann, give=False)
    new = {"title": "why", "switch": True}
    mine = ann.ask("POST", "sessions", new, status=201)["id"]
    said = ann.ask("POST", f"sessions/{mine}/share", {}, status=403)
    assert "clew team consent" in said["hint"]
    consent(ann)
    assert ann.ask("POST", f"sessions/{mine}/share", {}, status=403, who="writer")
    theirs = share_session(ann, "of the writer", who="writer")
    # Shared again it is the same copy.
    copies = {ann.ask("POST", f"sessions/{theirs}/share", {})["id"] for _ in range(2)}
    assert len(copies) == 1
    ann.ask("DELETE", f"sessions/{theirs}/share", who="writer")
    ann.ask("DELETE", f"sessions/{mine}/share", status=404)
    ann.ask("POST", f"sessions/{NOBODY}/share", {}, status=404)


def test_what_is_taken_back_is_erased_at_the_server(town: Town) -> None:
    ann, bob = town.ann, town.bob
    consent(ann)
    session_id = share_session(ann, "a title that nobody is to read any more")
    note = {"body": "a finding that nobody is to read any more"}
    ann.ask("POST", f"sessions/{session_id}/notes", note, status=201)
    assert ann.sync()["outcome"] == "done"
    bob.sync()
    titles = [each["title"] for each in bob.ask("GET", "team/activity")["recent_sessions"]]
    assert "a title that nobody is to read any more" in titles
    assert ann.ask("GET", f"sessions/{session_id}")["shared"]
    listed = bob.ask("GET", "team/sessions?limit=1")
    (head,) = listed["sessions"]
    assert (head["display_name"], head["mine"], head["session_id"]) == ("ann", False, session_id)
    whole = bob.ask("GET", f"team/sessions/{head['id']}")
    assert [each["body"] for each in whole["notes"]] == [note["body"]]
    assert bob.ask("GET", f"team/sessions/{session_id}") == whole
    shown = clew("session", "show", head["id"][-8:], server=bob.process.url)
    assert shown.document == whole, shown
    row = clew("session", "list", "--team", "--format", "table", server=bob.process.url)
    assert "a title that nobody" in row.stdout, row
    ann.ask("DELETE", f"sessions/{session_id}/share")
    ann.sync()
    bob.sync()
    rows = town.fake.read("SELECT * FROM shared_sessions")
    assert "nobody is to read" not in str(rows)
    bob.ask("GET", f"team/sessions/{session_id}", status=404)
    told = bob.ask("GET", "team/activity")["recent_sessions"]
    assert "nobody is to read" not in str(told)
    assert not ann.ask("GET", f"sessions/{session_id}")["shared"]


def test_comments_of_others_stand_among_ours_and_follow(town: Town) -> None:
    ann, bob = town.ann, town.bob
    consent(bob)
    said = bob.ask("POST", f"traces/{TRACE}/comments", {"body": "the bank"}, status=201)["comment"]
    bob.ask("POST", f"comments/{said['id']}/share", {})
    bob.sync()
    ann.sync()
    (found,) = ann.comments()
    assert (found["id"], found["body"], found["author"]) == (said["id"], "the bank", said["author"])
    assert found["owner"] == "team:Night watch"
    # It is not doubled where it was made, and not changed where it was not.
    bob.sync()
    assert [each["owner"] for each in bob.comments()] == [None]
    assert ann.ask("PATCH", f"comments/{said['id']}", {"body": "no"}, status=403)
    assert ann.ask("DELETE", f"comments/{said['id']}", status=403)
    bob.ask("PATCH", f"comments/{said['id']}", {"body": "the bank was slow"})
    bob.sync()
    ann.sync()
    (found,) = ann.comments()
    assert found["body"] == "the bank was slow"
    assert ann.ask("GET", "comments?text=slow")["count"] == 1
    bob.ask("DELETE", f"comments/{said['id']}")
    bob.sync()
    ann.sync()
    assert ann.comments() == []
    assert "the bank" not in str(town.fake.read("SELECT * FROM team_comments"))


def test_what_is_on_its_way_is_in_the_queue_as_well(town: Town) -> None:
    bob = town.bob
    consent(bob)
    hold = town.fake.hold(path="/api/records/v1/saved_queries")
    query = {"name": "all", "query": "SELECT 1"}
    saved = bob.ask("POST", "team/queries", query, status=201)
    hold.wait()
    queue = bob.ask("GET", "team/queue")
    (sent,) = queue["operations"]
    assert (sent["entity_id"], sent["in_flight"]) == (saved["id"], True)
    assert (queue["count"], queue["total"], queue["truncated"]) == (1, 1, False)
    assert bob.ask("GET", "team")["queue"]["pending"] == 1
    # Nobody sends what another one sends: this waits.
    bob.ask("POST", "team/queries", {**query, "query": "SELECT 2"}, status=201)
    states = [each["in_flight"] for each in bob.ask("GET", "team/queue")["operations"]]
    assert states == [True, False]
    assert bob.ask("GET", "team/queue?state=failed")["operations"] == []
    hold.release()
    until(lambda: bob.ask("GET", "team/queue")["operations"] == [])


def test_invites_end_and_run_out(town: Town) -> None:
    ann, fake = town.ann, town.fake
    once = ann.ask("POST", "team/invites", {"uses": 1, "expires_in": "1h"}, status=201)
    listed = ann.ask("GET", "team/invites")["invites"]
    assert once["code"] not in str(listed)
    assert {each["code"] for each in listed} == {None}
    ann.ask("DELETE", f"team/invites/{once['id']}")
    refused = town.bob.ask("POST", "team/join", {"code": once["code"]}, status=403)
    assert once["code"] not in json.dumps(refused)
    short = ann.ask("POST", "team/invites", {"expires_in": "1h"}, status=201)
    fake.advance(2 * 3600)
    try:
        town.bob.ask("POST", "team/join", {"code": short["code"]}, status=403)
    finally:
        fake.advance(-2 * 3600)
    town.bob.ask("POST", "team/join", {"code": "no code"}, status=400)
    ann.ask("POST", "team/invites", {"expires_in": "soon"}, status=400)
    ann.ask("POST", "team/invites", {"role": "owner"}, status=400)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"team/conflicts/{NOBODY}", None, 404),
        ("POST", f"team/conflicts/{NOBODY}/resolve", {"take": "local"}, 404),
        ("POST", f"team/conflicts/{NOBODY}/resolve", {"take": "mine"}, 400),
        ("GET", "team/queue?state=lost", None, 400),
        ("GET", "team/queue?limit=0", None, 400),
        ("GET", "team/rounds?limit=1001", None, 400),
        ("GET", "team/conflicts?limit=-1", None, 400),
        ("GET", "team/members?team_id=nowhere", None, 404),
        ("PATCH", "team/members/nobody@example.org", {"role": "admin"}, 404),
        ("PATCH", "team/members/nobody@example.org", {"role": "king"}, 400),
        ("DELETE", "team/members/nobody@example.org", None, 404),
        ("DELETE", f"team/queries/{NOBODY}", None, 404),
        ("DELETE", f"team/invites/{NOBODY}", None, 404),
        ("POST", "team/queries", {"name": "x", "query": "y", "language": "cobol"}, 400),
        ("POST", "team/teams", {"name": "  "}, 400),
        ("POST", "team/choose", {"account": "nobody"}, 404),
        ("POST", "team/consent", {"give": ["everything"]}, 400),
        ("POST", f"comments/{NOBODY}/share", {}, 404),
        ("DELETE", f"comments/{NOBODY}/share", None, 404),
    ],
)
def test_what_is_wrong_is_a_problem_that_says_so(
    town: Town, method: str, path: str, body: Any, status: int
) -> None:
    said = town.bob.ask(method, path, body, status=status)
    assert (said["status"], bool(said["detail"])) == (status, True)


def test_an_account_is_left_alone_while_another_works(town: Town) -> None:
    bob, fake = town.bob, town.fake
    first = bob.ask("GET", "team")["accounts"][0]["id"]
    consent(bob)
    fake.go_offline()
    bob.ask("POST", "team/queries", {"name": "of bob", "query": "SELECT 1"}, status=201)
    assert bob.sync()["outcome"] == "offline"
    fake.go_online()
    # The first one comes to its end before the second begins, or is still on its way as itself.
    town.connect(bob, "cid@example.org")
    assert bob.ask("GET", "team")["user"] == "cid@example.org"
    assert bob.ask("GET", "team/teams")["count"] == 0
    assert bob.ask("GET", "team")["queue"]["pending"] == 0
    bob.ask("POST", "team/disconnect", {})
    bob.ask("POST", "team/choose", {"account": first})
    until(lambda: bob.sync()["pending"] == 0)
    owners = fake.read(
        "SELECT u.email FROM saved_queries q JOIN _user u ON u.id = q.owner WHERE q.name = 'of bob'"
    )
    assert owners == [{"email": "bob@example.org"}]


def test_the_documented_functions_ask_the_server(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEW_SERVER", town.bob.process.url)
    monkeypatch.delenv("CLEW_API_KEY", raising=False)
    known = documented.connect_team(
        town.fake.url, {"email": "bob@example.org", "password": PASSWORD}
    )
    assert known["email"] == "bob@example.org"
    assert known["user_id"]
    consent(town.bob)
    new = {"title": "what the functions see", "planned_minutes": 30, "switch": True}
    session = town.bob.ask("POST", "sessions", new, status=201)
    shared_id = documented.share_session(session["id"], town.team_id)
    assert len(shared_id) == 36
    stats = documented.sync_with_team()
    assert stats.keys() == {"synced", "failed", "pending"}
    assert (stats["failed"], stats["pending"]) == (0, 0)
    assert documented.get_sync_status().keys() == {"synced", "failed", "pending"}
    activity = documented.get_team_activity()
    assert activity["total_sessions"] >= 1
    assert activity["recent_sessions"][0].keys() == {
        "user_id",
        "display_name",
        "start_time",
        "duration_minutes",
        "completed",
    }
    members = {each["email"]: each["role"] for each in documented.get_team_members_sync()}
    assert members == {"ann@example.org": "owner", "bob@example.org": "member"}
    assert (documented.retry_failed_syncs(), documented.clear_failed_syncs()) == (0, 0)
    with pytest.raises(ClewError) as refused:
        documented.connect_team(
            town.fake.url, {"email": "bob@example.org", "password": "wrong one"}
        )
    assert refused.value.code is ErrorCode.FORBIDDEN


def test_no_secret_is_on_disk_in_a_log_or_in_an_answer(town: Town) -> None:
    secrets = [PASSWORD.encode()]
    for place in (town.ann, town.bob):
        account = place.ask("GET", "team")["accounts"][0]
        vault = FileVault(place.process.folder / "team-tokens", KEY.encode())
        kept = vault.find(account["server"], account["user_id"])
        assert kept is not None
        tokens = Tokens.from_secret(kept)
        secrets += [tokens.bearer.encode(), str(tokens.refresh).encode()]
        signature = tokens.bearer.rpartition(".")[2]
        secrets.append(signature.encode())
        answers = b"".join(
            place.answer("GET", path).body
            for path in ("team", "team/teams", "team/queue", "team/rounds", "config", "audit")
        )
        assert not [secret for secret in secrets if secret in answers]
    for place in (town.ann, town.bob):
        # Parts of the store come and go, and their folders with them.
        walked = os.walk(place.process.folder)
        files = [Path(folder, name) for folder, _, names in walked for name in names]
        assert any(each.parent.name == "team-tokens" for each in files)
        for each in [*files, place.process.stderr_path]:
            held = _bytes_of(each)
            assert not [secret for secret in secrets if secret in held], each
        folder = place.process.folder / "team-tokens"
        assert {each.stat().st_mode & 0o077 for each in folder.iterdir()} == {0}


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # Parts of the store come and go.


def test_nothing_of_a_team_stays_after_a_disconnect(town: Town) -> None:
    ann, bob, fake = town.ann, town.bob, town.fake
    consent(ann)
    said = ann.ask("POST", f"traces/{TRACE}/comments", {"body": "of ann"}, status=201)["comment"]
    ann.ask("POST", f"comments/{said['id']}/share", {})
    ann.ask("POST", "team/queries", {"name": "hers", "query": "SELECT 2"}, status=201)
    ann.sync()
    bob.sync()
    assert [each["body"] for each in bob.comments()] == ["of ann"]
    fake.go_offline()
    consent(bob)
    bob.ask("POST", "team/queries", {"name": "never sent", "query": "SELECT 1"}, status=201)
    refused = bob.ask("POST", "team/disconnect", {}, status=409)
    assert "--force" in refused["hint"]
    assert not bob.ask("POST", "team/disconnect", {"force": True})["connected"]
    fake.go_online()
    assert bob.comments() == []
    check = bob.process.folder / "team-tokens"
    assert list(check.iterdir()) == []
    town.connect(bob, "bob@example.org")
    assert [each["body"] for each in bob.comments()] == ["of ann"]
    assert bob.ask("GET", "team/queries")["queries"] != []
    assert "never sent" not in str(bob.ask("GET", "team/queries"))
