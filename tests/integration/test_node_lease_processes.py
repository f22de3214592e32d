"""Node ids of the server's in real processes: no two have the same, however they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.lineage import ServerLease, TraceIdGenerator, leasing
from clew.lineage.generator import NoId
from clew.lineage.leasing import NodeClient, check_clock
from clew.lineage.terms import Lease
from clew.remote.http import Server
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODES = "/api/v1/lineage/nodes"
JSON = {"content-type": "application/json"}

PROGRAM = """
import json, sys
from clew import lineage

ring = lineage.LinkRing()
with lineage.ServerLease() as lease, lineage.enable_tracing(lease=lease, to=ring) as tracing:
    print(json.dumps([lease.node_id, [tracing.generator.next() for _ in range(100)]]), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is held up for some seconds has answered all the same."""
    monkeypatch.setattr(leasing, "ANSWER_SECONDS_MAX", WAIT_SECONDS_MAX)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("nodes") / "data") as server:
        yield server
        assert "Traceback" not in server.stderr


@contextmanager
def run_pipeline(server: ServerProcess) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    environ = {**os.environ, "CLEW_SERVER": server.url}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def find(server: ServerProcess, **query: object) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = ask(server.url, "GET", f"{NODES}?{asked}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.document["leases"]
    return found


def test_processes_have_node_ids_of_their_own_however_they_end(house: ServerProcess) -> None:
    with (
        run_pipeline(house) as (first, (node, ids)),
        run_pipeline(house) as (
            second,
            (other, others),
        ),
    ):
        assert node != other
        assert len({*ids, *others}) == 200
        # One ends as it should, and gives its node id back; one cannot.
        second.communicate("\n", timeout=WAIT_SECONDS_MAX)
        first.kill()
        first.wait()
    (given_back,) = find(house, node_id=other)
    assert given_back["released_at"] is not None
    (left,) = find(house, node_id=node)
    assert left["released_at"] is None
    assert left["process"].startswith(str(first.pid))
    # Neither is given to anybody now: the one cools down, the other is leased until it runs out.
    with run_pipeline(house) as (_, (third, more)):
        assert third not in (node, other)
        assert not {*more} & {*ids, *others}


def test_a_lease_survives_a_server_that_is_killed(tmp_path: Path) -> None:
    held = HeldPorts(1)
    (address,) = held.addresses
    with ServerProcess(tmp_path / "data", {"http": address}) as server:
        lease = ServerLease(server.url)
        server.kill()
        generator = TraceIdGenerator(lease=lease)
        before = generator.next()
        assert not lease.renew()
        # Nothing is lost by a server that is away for less than the lease lasts.
        assert lease.is_held
        assert generator.next() > before > 0
    with ServerProcess(tmp_path / "data", {"http": address}) as server:
        assert lease.renew()
        with ServerLease(server.url) as other:
            assert other.node_id != lease.node_id
        lease.close()
        (told,) = find(server, node_id=lease.node_id)
        assert told["released_at"] is not None
    assert generator.next() == 0


def test_a_node_id_that_is_taken_away_gives_out_nothing_more(house: ServerProcess) -> None:
    with ServerLease(house.url) as lease:
        generator = TraceIdGenerator(lease=lease)
        assert generator.next()
        (told,) = find(house, node_id=lease.node_id)
        assert ask(house.url, "DELETE", f"{NODES}/{told['id']}").status == 200
        assert not lease.renew()
        assert not lease.is_held
        assert generator.next() == 0
        assert generator.statistics().no_id[NoId.REVOKED] == 1
        with ServerLease(house.url) as another:
            generator.renew(lease=another)
            assert generator.next()


def test_the_child_of_a_fork_has_no_lease_and_ends_nobodys(house: ServerProcess) -> None:
    with ServerLease(house.url) as lease:
        generator = TraceIdGenerator(lease=lease)
        child = os.fork()
        if child == 0:
            lease.close()
            is_well = not lease.is_held and not lease.renew() and generator.next() == 0
            os._exit(0 if is_well else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lease.renew()
        assert generator.next()


def test_what_is_given_counts_before_what_is_leased(house: ServerProcess) -> None:
    with ServerLease(house.url) as lease:
        assert TraceIdGenerator(lease=lease).node_id == lease.node_id
        assert TraceIdGenerator(1001, lease=lease).node_id == 1001


def test_a_node_id_may_be_wished(house: ServerProcess) -> None:
    with ServerLease(house.url, node_id=700) as lease:
        assert lease.node_id == 700
        with pytest.raises(ClewError) as caught:
            ServerLease(house.url, node_id=700)
    assert caught.value.code is ErrorCode.CONFLICT


def test_without_a_server_there_is_no_lease() -> None:
    with pytest.raises(ClewError) as caught:
        ServerLease("http://127.0.0.1:1")
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_clock_that_is_behind_the_last_id_of_the_node_is_refused() -> None:
    moment = 1_800_000_000_000_000_000
    lease = Lease(
        id="x",
        node_id=7,
        process="p",
        host="h",
        started_at=format_time(moment),
        leased_at=format_time(moment),
        leased_by="t",
        expires_at=format_time(moment),
        free_since=format_time(moment),
    )
    check_clock(lease, moment)
    with pytest.raises(ClewError, match="3600 s behind the last id of node 7"):
        check_clock(lease, moment - 3600 * 10**9)


def test_whoever_may_send_telemetry_may_lease_and_a_reader_may_look(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        keys = {}
        shown: dict[str, str] = {}
        for role in ("admin", "reader", "writer"):
            body = json.dumps({"name": role, "role": role}).encode()
            made = ask(server.url, "POST", "/api/v1/keys", body, JSON | shown)
            keys[role] = made.document["api_key"]
            shown = {"authorization": f"Bearer {keys['admin']}"}
        with pytest.raises(ClewError) as caught:
            ServerLease(server.url, api_key=keys["reader"])
        assert caught.value.code is ErrorCode.FORBIDDEN
        with ServerLease(server.url, api_key=keys["writer"]) as lease:
            reader = {"authorization": f"Bearer {keys['reader']}"}
            (told,) = ask(server.url, "GET", NODES, None, reader).document["leases"]
            assert (told["node_id"], told["leased_by"]) == (lease.node_id, "writer")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"process": "", "host": "h", "started_at": 1},
        {"process": "p\u0000", "host": "h", "started_at": 1},
        {"process": "p" * 254, "host": "h", "started_at": 1},
        {"process": "p", "host": "h", "started_at": -1},
        {"process": "p", "host": "h", "started_at": 2**63},
        {"process": "p", "host": "h", "started_at": 1, "node_id": 0},
        {"process": "p", "host": "h", "started_at": 1, "node_id": 1024},
        {"process": "p", "host": "h", "started_at": 1, "more": 1},
    ],
)
def test_a_wish_that_cannot_be_is_refused(house: ServerProcess, wish: dict[str, object]) -> None:
    answer = ask(house.url, "POST", NODES, json.dumps(wish).encode(), JSON)
    assert (answer.status, answer.document["code"]) == (400, "invalid_argument")


def test_a_lease_that_is_not_there_is_not_found(house: ServerProcess) -> None:
    client = NodeClient(Server(house.url))
    with client.server:
        for attempt in (client.renew, client.release):
            with pytest.raises(ClewError) as caught:
                attempt("nobody's/at all")
            assert caught.value.code is ErrorCode.NOT_FOUND
