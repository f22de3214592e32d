"""The lease of leadership in a real PostgreSQL and a real etcd: one holder at a time, always."""

from __future__ import annotations

import asyncio
import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeVar

import pytest

from clew.app.group.candidacy import Candidacy
from clew.app.group.claims import Claims
from clew.app.group.peers import Peers
from clew.app.group.turn import Changes
from clew.app.group.whereabouts import Whereabouts
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.lease.hold import MARGIN, Lease
from clew.store.replication.standing import Standing
from clew.testing.certificates import Authority
from clew.testing.etcd import EtcdProcess, find_etcd
from clew.testing.history import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clew.testing.postgres import PostgresProcess

Told = TypeVar("Told")

SECONDS = 120.0
"""Of a lease that is not to end by the clock of whoever keeps it, however long a test takes."""


class Clock:
    """A clock of one server's own, which goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def open_lease(url: str, name: str, clock: Clock | None = None, seconds: float = SECONDS) -> Lease:
    return Lease(url, name, f"http://{name}:7701", seconds, clock=clock or Clock())


class InPostgres:
    """A database in which the lease is kept, and what only its owner can do."""

    def __init__(self, server: PostgresProcess) -> None:
        self.server = server
        self.new_url = server.new_url

    def end_lease(self, url: str) -> None:
        """Let the database's clock have passed the end, the only clock that others see."""
        self.server.execute(
            "UPDATE clew_lease SET until = clock_timestamp() - interval '1 second'", url=url
        )


class InEtcd:
    """The same of an etcd server."""

    def __init__(self, server: EtcdProcess) -> None:
        self.server = server
        self.new_url = server.new_url

    def end_lease(self, url: str) -> None:
        """End what the key of its holder hangs on, as its time does."""
        key = base64.b64encode(f"clew/{url.rpartition('/')[2]}/clew/held".encode()).decode()
        (held,) = self.server.ask("kv/range", {"key": key})["kvs"]
        self.server.ask("lease/revoke", {"ID": held["lease"]})


@pytest.fixture(params=["postgres", "etcd"])
def keeper(request: pytest.FixtureRequest) -> InPostgres | InEtcd:
    if request.param == "etcd":
        return InEtcd(request.getfixturevalue("etcd_server"))
    return InPostgres(request.getfixturevalue("postgres_server"))


def test_one_of_many_candidates_gets_it_and_the_others_hear_who(
    keeper: InPostgres | InEtcd,
) -> None:
    url = keeper.new_url()
    names = [f"server-{number}" for number in range(6)]
    barrier = threading.Barrier(len(names))

    def try_for_it(name: str) -> int | None:
        with closing(open_lease(url, name)) as lease:
            barrier.wait(SECONDS)
            return lease.acquire(least=4)

    with ThreadPoolExecutor(len(names)) as pool:
        epochs = list(pool.map(try_for_it, names))
    assert sorted(filter(None, epochs)) == [5]
    with closing(open_lease(url, "onlooker")) as lease:
        holder = lease.read()
        assert holder is not None
        assert holder.node_id == names[epochs.index(5)]
        assert holder.url == f"http://{holder.node_id}:7701"
        assert holder.epoch == 5
        assert 0 < holder.left_s <= SECONDS


def test_nobody_holds_what_nobody_took(keeper: InPostgres | InEtcd) -> None:
    with closing(open_lease(keeper.new_url(), "a")) as lease:
        assert lease.read() is None
        assert not lease.is_held()
        assert not lease.renew()
        lease.release()


def test_its_holder_stops_by_its_own_clock_before_it_ends_for_others(
    keeper: InPostgres | InEtcd,
) -> None:
    clock = Clock()
    with closing(open_lease(keeper.new_url(), "a", clock)) as lease:
        assert lease.acquire(0) == 1
        clock.now += SECONDS * (1 - MARGIN) - 0.001
        assert lease.is_held()
        # As after SIGSTOP: nothing was heard in between, and still it is known.
        clock.now += 0.002
        assert not lease.is_held()
        holder = lease.read()
        assert holder is not None
        assert holder.left_s > 0


def test_the_time_counts_from_before_it_was_asked_for(keeper: InPostgres | InEtcd) -> None:
    ticks = iter([1000.0, 1000.0 + SECONDS])
    late = Clock()
    lease = Lease(keeper.new_url(), "a", "http://a", SECONDS, clock=lambda: next(ticks, late.now))
    with closing(lease):
        assert lease.acquire(0) == 1
        # The answer took the whole time of the lease: it was over before it was heard of.
        assert not lease.is_held()


def test_whoever_lost_it_changes_nothing_any_more(keeper: InPostgres | InEtcd) -> None:
    url = keeper.new_url()
    with closing(open_lease(url, "a")) as first, closing(open_lease(url, "b")) as second:
        assert first.acquire(0) == 1
        assert second.acquire(0) is None
        # The database's clock jumped: for everybody else the lease is over, for its holder not yet.
        keeper.end_lease(url)
        assert second.acquire(0) == 2
        assert first.is_held()
        assert not first.renew()
        assert not first.is_held()
        first.release()
        holder = second.read()
        assert holder is not None
        assert (holder.node_id, holder.epoch) == ("b", 2)
        assert holder.left_s > 0
        assert second.renew()


def test_an_epoch_is_larger_than_any_that_its_taker_has_heard_of(
    keeper: InPostgres | InEtcd,
) -> None:
    url = keeper.new_url()
    with closing(open_lease(url, "a")) as first, closing(open_lease(url, "b")) as second:
        assert first.acquire(0) == 1
        first.release()
        # Somebody was promoted by hand meanwhile, under an epoch that the row does not know.
        assert second.acquire(least=7) == 8
        second.release()
        assert first.acquire(least=1) == 9


def test_given_back_it_can_be_taken_at_once(keeper: InPostgres | InEtcd) -> None:
    url = keeper.new_url()
    with closing(open_lease(url, "a")) as first, closing(open_lease(url, "b")) as second:
        assert first.acquire(0) == 1
        first.release()
        assert not first.is_held()
        assert second.acquire(0) == 2


def test_a_holder_that_was_restarted_takes_its_own_lease_again_under_a_new_epoch(
    keeper: InPostgres | InEtcd,
) -> None:
    url = keeper.new_url()
    with closing(open_lease(url, "a")) as before:
        assert before.acquire(0) == 1
    with closing(open_lease(url, "a")) as after:
        assert after.acquire(0) == 2


def test_a_lease_that_ended_and_that_nobody_took_is_held_again(
    keeper: InPostgres | InEtcd,
) -> None:
    url, clock = keeper.new_url(), Clock()
    with closing(open_lease(url, "a", clock)) as lease:
        assert lease.acquire(0) == 1
        keeper.end_lease(url)
        clock.now += 2 * SECONDS
        assert not lease.is_held()
        assert lease.renew()
        assert lease.is_held()
        assert lease.epoch == 1


def test_a_database_that_is_lost_ends_no_lease_and_is_asked_again(
    postgres_server: PostgresProcess,
) -> None:
    url = postgres_server.new_url()
    with closing(open_lease(url, "a")) as lease:
        assert lease.acquire(0) == 1
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND query LIKE '%clew_lease%'"
        )
        with pytest.raises(ClewError) as lost:
            lease.renew()
        assert lost.value.code is ErrorCode.UNAVAILABLE
        assert "the lease" in lost.value.message
        assert lease.is_held()
        assert lease.renew()


@pytest.mark.parametrize(
    "url", ["postgresql://clew:secret@127.0.0.1:1/clew", "etcd://clew:secret@127.0.0.1:1/clew"]
)
def test_a_database_that_is_not_there_is_told_without_its_password(url: str) -> None:
    with closing(Lease(url, "a", "http://a", SECONDS)) as lease:
        with pytest.raises(ClewError) as away:
            lease.acquire(0)
        assert not lease.is_held()
    assert away.value.code is ErrorCode.UNAVAILABLE
    assert "secret" not in str(away.value)


def test_two_groups_have_a_row_each(keeper: InPostgres | InEtcd) -> None:
    url = keeper.new_url()
    one = Lease(url, "a", "http://a", SECONDS, group="one")
    other = Lease(url, "b", "http://b", SECONDS, group="other")
    with closing(one), closing(other):
        assert one.acquire(0) == 1
        assert other.acquire(0) == 1


def test_any_server_of_an_etcd_is_asked(etcd_server: EtcdProcess) -> None:
    own, path = f"127.0.0.1:{etcd_server.port}", etcd_server.new_url().rpartition("/")[2]
    with closing(open_lease(f"etcd://127.0.0.1:1,{own}/{path}", "a")) as lease:
        assert lease.acquire(0) == 1
        assert lease.renew()
    with closing(open_lease(f"etcd://{own}/{path}", "b")) as other:
        assert other.acquire(0) is None


def insist(ask: Callable[[], Told]) -> Told:
    """Ask until there is an answer: a short lease leaves an etcd little time for one."""
    told: list[Told] = []

    def has_answered() -> bool:
        try:
            told.append(ask())
        except ClewError:
            return False
        return True

    wait_until(has_answered, SECONDS, "an answer")
    return told[0]


def test_a_lease_that_is_not_renewed_ends_by_the_clock_of_etcd(etcd_server: EtcdProcess) -> None:
    url = etcd_server.new_url()
    with (
        closing(open_lease(url, "a", seconds=2.0)) as first,
        closing(open_lease(url, "b", seconds=2.0)) as second,
    ):
        epoch = insist(lambda: first.acquire(0))
        assert epoch is not None
        # It may be taken without an answer, and is taken again then.
        wait_until(lambda: (insist(lambda: second.acquire(0)) or 0) > epoch, SECONDS, "its end")
        assert not insist(first.renew)


@pytest.mark.skipif(find_etcd() is None, reason="there is no etcd on this machine")
def test_an_etcd_that_asks_who_comes_is_shown_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    named, stranger = authority.issue("named", "root"), authority.issue("stranger")
    with EtcdProcess(authority=authority) as etcd:
        url = etcd.new_url()
        with closing(open_lease(url, "a")) as lease:
            assert lease.acquire(0) == 1
            assert lease.renew()
        bare, query = url.split("?")
        cacert, cert, key = query.split("&")
        absent = tmp_path / "absent.pem"
        for files, why in (
            ("", "certificate verify failed"),
            (f"?{cacert}", "wants ?cert=FILE&key=FILE"),
            (f"?cacert={absent}&{cert}&{key}", f"{absent} is no certificate to go by"),
            (f"?{cacert}&{cert}&key={absent}", f"and {absent} are no certificate and its key"),
            (f"?{cacert}&{cert}&key={stranger.key}", "are no certificate and its key"),
        ):
            with closing(open_lease(f"{bare}{files}", "b")) as lease:
                with pytest.raises(ClewError) as refused:
                    lease.acquire(0)
                assert refused.value.code is ErrorCode.UNAVAILABLE
                assert why in f"{refused.value.message} {refused.value.hint}"
        # Where it has users as well it goes by their passwords, and says of a certificate with a
        # name that it is not asked for one.
        with users_of(etcd):
            with closing(open_lease(etcd.new_url("root:se%2Fcret@"), "a")) as lease:
                assert lease.acquire(0) == 1
            user = bare.replace("://", "://root:se%2Fcret@")
            files = f"?{cacert}&cert={named.cert}&key={named.key}"
            with (
                closing(open_lease(f"{user}{files}", "a")) as lease,
                pytest.raises(ClewError, match="CommonName"),
            ):
                lease.acquire(0)


@contextmanager
def users_of(etcd: EtcdProcess) -> Iterator[None]:
    """Have an etcd ask for a user and password meanwhile."""
    for what, question in (
        ("auth/user/add", {"name": "root", "password": "se/cret"}),
        ("auth/role/add", {"name": "root"}),
        ("auth/user/grant", {"user": "root", "role": "root"}),
        ("auth/enable", {}),
    ):
        etcd.ask(what, question)
    try:
        yield
    finally:
        token = etcd.ask("auth/authenticate", {"name": "root", "password": "se/cret"})
        etcd.ask("auth/disable", {}, token["token"])


def test_an_etcd_with_users_lets_in_who_shows_a_password(etcd_server: EtcdProcess) -> None:
    with users_of(etcd_server):
        with closing(open_lease(etcd_server.new_url("root:se%2Fcret@"), "a")) as lease:
            assert lease.acquire(0) == 1
            assert lease.renew()
            assert "cret" not in lease.shown
        for user in ("root:wrong@", ""):
            with closing(open_lease(etcd_server.new_url(user), "b")) as lease:
                with pytest.raises(ClewError) as refused:
                    lease.acquire(0)
                assert refused.value.code is ErrorCode.UNAUTHENTICATED
                assert "--lease" in (refused.value.hint or "")


def test_a_lease_that_is_told_in_strange_words_is_asked_for_again(tmp_path: Path) -> None:
    asked = threading.Semaphore(0)

    class Strange(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.release()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    async def want(url: str) -> int | None:
        where = Whereabouts(Standing.open(tmp_path), "http://a:7701")
        where.settle((0, 0))
        nobody = Peers([], own_url=where.url, key="")
        claims = Claims(where.standing, nobody, required=0, url=where.url)
        candidacy = Candidacy(where, claims, Changes(), url, 1.0)
        epoch = await candidacy.try_for_it()
        candidacy.begin(leads=False)
        try:
            for _ in range(3):
                assert await asyncio.to_thread(asked.acquire, timeout=SECONDS)
        finally:
            await candidacy.close()
        return epoch

    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            assert asyncio.run(want(f"etcd://127.0.0.1:{server.server_address[1]}")) is None
        finally:
            server.shutdown()
            thread.join()
