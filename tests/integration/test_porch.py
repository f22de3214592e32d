"""What a server of a group answers while its doors are shut, and how others hear it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from clew.app.configuration.values import Address
from clew.app.group import peers as peers_of_group
from clew.app.group.peers import CANDIDATE, Peers, Told
from clew.app.group.porch import Porch, refuse_while_shut
from clew.app.sockets import take
from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server
from clew.store.replication.wire import POSITION_PATH
from tests.integration import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LEADER = "http://127.0.0.1:1"
KEY = "ck_peer"
TOLD = Told(epoch=3, node_id="b", leader="a", leader_url=LEADER, role=CANDIDATE, last=7)


def stand(work: Callable[[Porch, str], Awaitable[None]], *, position: Told | None = TOLD) -> None:
    """Do something with a porch that is open, and with its address."""

    async def run() -> None:
        taken = take(Address("127.0.0.1", 0), "--http")
        porch = Porch(
            tell_position=lambda: position,
            tell_group=lambda: {"role": "standby"},
            refuse=lambda: refuse_while_shut(LEADER),
            hosts=("127.0.0.1",),
            key=KEY,
        )
        await porch.open([taken])
        try:
            await work(porch, f"http://127.0.0.1:{taken.getsockname()[1]}")
        finally:
            await porch.end()

    asyncio.run(run())


def refusal(server: Server, path: str) -> ClewError:
    """Return what a write is refused with."""
    with server, pytest.raises(ClewError) as caught:
        server.post(path, b"x" * 100_000, "application/json")
    return caught.value


def test_who_asks_at_a_shut_door_is_told_at_once_and_a_write_is_sent_to_the_leader() -> None:
    async def ask(porch: Porch, url: str) -> None:
        porch.is_guarded = False

        def check() -> None:
            with Server(url) as server:
                assert server.get("/healthz").body == b"ok\n"
                assert msgspec.json.decode(server.get(POSITION_PATH).body, type=Told) == TOLD
                assert b"standby" in server.get("/internal/cluster").body
            refused = refusal(Server(url), "/v1/traces")
            assert refused.code is ErrorCode.UNAVAILABLE
            assert LEADER in refused.message
            # A person who opens the page is shown one, which asks again by itself.
            seen = wire.ask(url, headers={"accept": "text/html,*/*;q=0.8"})
            assert (seen.status, seen.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert b"http-equiv" in seen.body
            assert f"; {LEADER} leads".encode() in seen.body

        await asyncio.to_thread(check)

    stand(ask)


def test_with_keys_in_use_only_the_key_of_the_group_is_told_anything() -> None:
    async def ask(_porch: Porch, url: str) -> None:
        def check() -> None:
            with Server(url, api_key=KEY) as server:
                assert server.get(POSITION_PATH).body
            for key in (None, "ck_other"):
                for path in (POSITION_PATH, "/internal/cluster"):
                    with Server(url, api_key=key) as server, pytest.raises(ClewError):
                        server.get(path)

        await asyncio.to_thread(check)

    stand(ask)


def test_a_server_that_says_nothing_is_not_waited_for_when_enough_have_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever answers has the time to, and a wait for the other one would take too long.
    for name in ("ANSWER_SECONDS_MAX", "CONNECT_SECONDS_MAX", "ALL_SECONDS_MAX"):
        monkeypatch.setattr(peers_of_group, name, 600.0)

    async def ask(porch: Porch, url: str) -> None:
        porch.is_guarded = False
        with ExitStack() as stack:
            silent = stack.enter_context(closing(take(Address("127.0.0.1", 0), "--http")))
            port = silent.getsockname()[1]
            peers = Peers([f"http://127.0.0.1:{port}", url], own_url="http://x", key="")
            first, second = await peers.ask(enough=1)
        assert first.told is None
        assert first.error is not None
        assert first.error.code is ErrorCode.TIMEOUT
        assert second.told == TOLD

    stand(ask)


def test_a_claim_is_not_taken_at_a_shut_door() -> None:
    async def ask(porch: Porch, url: str) -> None:
        porch.is_guarded = False
        (heard,) = await Peers([url], own_url="http://x", key="").claim(4, "me", (3, 9), enough=0)
        assert heard.told is None

    stand(ask, position=None)
