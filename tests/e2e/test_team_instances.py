"""Two people, two servers, one team: offline for a while, one killed in the middle of a sync."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clew.surfaces.cli.text import width_of
from clew.testing.server import ServerProcess
from clew.testing.trailbase import FakeTrailBase
from tests.e2e.executed import until
from tests.e2e.terminal import Ended, clew, clew_on_terminal
from tests.integration.wire import ask

PASSWORD = "correct horse battery"
KEY = "a key for the tests of two instances, long enough"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Side:
    """One person, and the server that they work with."""

    name: str
    folder: Path
    process: ServerProcess

    @classmethod
    def start(cls, name: str, folder: Path) -> Side:
        return cls(name, folder, ServerProcess(folder, {"team_key": KEY}))

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        answer = ask(self.process.url, method, f"/api/v1/{path}", sent, headers)
        assert answer.status == status, (self.name, path, answer.status, answer.body)
        return answer.document

    def clew(self, *arguments: str, environ: dict[str, str] | None = None) -> Ended:
        return clew(*arguments, server=self.process.url, environ=environ)

    def page(self, *arguments: str, columns: int) -> str:
        """Return what a command shows on a terminal, without colours, once it fits."""
        said = clew_on_terminal(*arguments, server=self.process.url, columns=columns)
        shown = _COLOUR.sub("", said.stdout)
        assert said.code == 0, shown
        assert all(width_of(line) <= columns for line in shown.splitlines()), shown
        return shown

    def sync(self) -> Any:
        return self.ask("POST", "team/sync", {})

    def queries(self) -> dict[str, str]:
        found = self.ask("GET", "team/queries")["queries"]
        return {each["name"]: each["query"] for each in found}

    def sessions(self) -> set[str]:
        found = self.ask("GET", "team/activity")["recent_sessions"]
        return {each["title"] for each in found}

    def end(self) -> None:
        self.process.kill()

    def has_synced(self) -> bool:
        return bool(self.sync()["outcome"] == "done")

    def kill_and_start(self) -> None:
        self.process.kill()
        self.process = ServerProcess(self.folder, {"team_key": KEY})


@dataclass
class World:
    """The team's server, and who works with it."""

    fake: FakeTrailBase
    ann: Side
    bob: Side


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakeTrailBase() as fake, ExitStack() as ending:
        sides = []
        for name in ("ann", "bob"):
            fake.add_user(f"{name}@example.org", PASSWORD)
            side = Side.start(name, tmp_path / name)
            ending.callback(side.end)
            sides.append(side)
        yield World(fake, *sides)


def make_team(world: World) -> None:
    """Two connect; one founds a team and lets the other in, as somebody who may change things."""
    connected = world.ann.clew(
        *("team", "connect", world.fake.url, "--email", "ann@example.org"),
        environ={"CLEW_TEAM_PASSWORD": PASSWORD},
    )
    assert (connected.code, connected.document["tokens"]) == (0, "file"), connected
    credentials = {"server_url": world.fake.url, "email": "bob@example.org", "password": PASSWORD}
    world.bob.ask("POST", "team/connect", credentials)
    world.ann.ask("POST", "team/teams", {"name": "Night watch"}, 201)
    world.ann.sync()
    invite = world.ann.ask("POST", "team/invites", {"role": "admin"}, 201)
    world.bob.ask("POST", "team/join", {"code": invite["code"]})
    for side in (world.ann, world.bob):
        side.ask("POST", "team/consent", {"give": ["sessions", "comments", "queries"]})


def test_two_instances_converge_after_edits_offline_and_a_crash(world: World) -> None:
    fake, ann, bob = world.fake, world.ann, world.bob
    make_team(world)
    ann.ask("POST", "team/queries", {"name": "slow", "query": "SELECT 1"}, 201)
    ann.sync()
    bob.sync()
    assert bob.queries() == {"slow": "SELECT 1"}

    fake.go_offline()
    ann.ask("POST", "team/queries", {"name": "slow", "query": "SELECT 'ann'"}, 201)
    ann.ask("POST", "team/queries", {"name": "errors", "query": "SELECT 2"}, 201)
    session = ann.ask("POST", "sessions", {"title": "why is pay slow", "planned_minutes": 45}, 201)
    ann.ask("POST", f"sessions/{session['id']}/share", {})
    ann.ask("POST", f"sessions/{session['id']}/notes", {"body": "the bank is slow"}, 201)
    ann.ask("POST", f"sessions/{session['id']}/stop")
    bob.ask("POST", "team/queries", {"name": "slow", "query": "SELECT 'bob'"}, 201)
    said = bob.ask("POST", f"traces/{TRACE}/comments", {"body": "seen twice"}, 201)["comment"]
    bob.ask("POST", f"comments/{said['id']}/share", {})
    for side in (ann, bob):
        assert side.sync()["outcome"] == "offline"
        assert side.ask("GET", "team")["link"] == "offline"
    assert ann.clew("team", "sync").code == 4
    assert ann.ask("GET", "team")["queue"]["pending"] == 3
    assert bob.ask("GET", "team")["queue"]["pending"] == 2

    # Whatever is sent first is carried out, and its sender never hears of it.
    hold = fake.hold(method="POST", path="/api/transaction", after=True)
    fake.go_online()
    hold.wait()

    def waiting() -> list[Side]:
        return [each for each in (ann, bob) if each.ask("GET", "team")["queue"]["pending"]]

    # The other one's is not held, and soon done; between two requests nothing of it is in flight.
    until(lambda: len(waiting()) == 1)
    [killed] = waiting()
    killed.kill_and_start()
    hold.release()

    for side in (ann, bob, ann, bob):
        until(side.has_synced)
    assert ann.queries() == bob.queries()
    assert ann.queries()["errors"] == "SELECT 2"
    assert ann.sessions() == bob.sessions() == {"why is pay slow"}
    for side in (ann, bob):
        queue = side.ask("GET", "team")["queue"]
        assert (queue["pending"], queue["failed"]) == (0, 0)
    # Nothing was made twice by being sent twice.
    assert fake.read("SELECT count(*) AS n FROM saved_queries WHERE NOT deleted") == [{"n": 2}]
    assert fake.read("SELECT count(*) AS n FROM shared_sessions") == [{"n": 1}]
    assert fake.read("SELECT count(*) AS n FROM team_comments") == [{"n": 1}]

    listed = [
        (side, each)
        for side in (ann, bob)
        for each in side.ask("GET", "team/conflicts")["conflicts"]
    ]
    (met_by, conflict) = listed[0]
    assert conflict["fields"] == ["query"]
    _decide(met_by, conflict, ann if met_by is bob else bob)


def _decide(met_by: Side, conflict: dict[str, Any], other: Side) -> None:
    """Look at a conflict, take the side that lost, and see that the other one gets it."""
    found = met_by.clew("team", "conflicts").document
    assert [each["id"] for each in found["conflicts"]] == [conflict["id"]]
    short = conflict["id"][-8:]
    for columns in (80, 120):
        assert short in met_by.page("team", "conflicts", columns=columns)
        shown = met_by.page("team", "conflict", short, columns=columns)
        assert "SELECT 'ann'" in shown
        assert "SELECT 'bob'" in shown
        assert re.search(r"^! +query", shown, re.MULTILINE), shown
    lost = "remote" if conflict["winner"] == "local" else "local"
    decided = met_by.clew("team", "resolve", short, "--take", lost)
    assert (decided.code, decided.document["resolution"]) == (0, lost)
    assert met_by.clew("team", "conflicts").code == 2
    kept = conflict[lost]["query"]
    assert met_by.queries()["slow"] == kept
    assert met_by.sync()["outcome"] == "done"
    assert other.sync()["outcome"] == "done"
    assert other.queries()["slow"] == kept
    assert "not connected" not in met_by.page("team", "status", columns=80)
