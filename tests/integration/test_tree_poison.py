"""What one caller sends can make nobody else's work impossible, nor that of the tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from clew.access.caller import LOCAL
from clew.access.registry import AccessRegistry
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.ws.limits import LinkLimits
from clew.tree.frames.keys import Signer
from clew.tree.machine.app import Tier
from clew.tree.parameters import NewChild, NewCommand
from clew.tree.service import TreeService
from tests.integration.tree_house import (
    House,
    message,
    new_id,
    open_house,
    registration,
    run,
    sign,
    until,
)

BEYOND_DOUBLE = b'{"n": 9007199254740993}'


@asynccontextmanager
async def open_tree(
    folder: Path, tier: Tier = Tier.OPEN
) -> AsyncIterator[tuple[House, TreeService]]:
    async with open_house(folder, tier=tier) as house:
        access = AccessRegistry.open(house.database, house.clock.now)
        service = TreeService(house.database, house.keeper, access, house.clock.now)
        try:
            yield house, service
        finally:
            service.close()


@pytest.mark.parametrize(
    "payload",
    [
        b'"\xff\xfe"',
        b"[" * 200 + b"]" * 200,
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b"1" * 5000,
        b"1e999",
    ],
    ids=["not UTF-8", "deep", "a key twice", "half a pair", "5000 digits", "infinite"],
)
def test_a_payload_that_not_everybody_reads_is_refused_and_stops_nobody(
    tmp_path: Path, payload: bytes
) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_tree(tmp_path) as (house, service), house.client() as client:
            await client.register(app_id)
            command = NewCommand(action="load", payload=msgspec.Raw(payload))
            with pytest.raises(ClewError) as refused:
                await service.command(LOCAL, app_id, command, 0)
            assert refused.value.code in {ErrorCode.INVALID_ARGUMENT, ErrorCode.TOO_LARGE}
            assert (await client.say(app_id, 1))["type"] == "ack"
            assert house.keeper.counters.failures == 0

    run(scenario())


def test_tags_are_in_memory_and_have_a_bound(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (_, service):
            for tags in ("x" * 20000, {"a": msgspec.json.decode("[" * 40 + "]" * 40)}):
                for child in (
                    NewChild(app_name="job", tags=tags),
                    NewChild(app_name="job", originator=tags),
                ):
                    with pytest.raises(ClewError) as refused:
                        await service.schedule(LOCAL, child, None)
                    assert refused.value.code is ErrorCode.TOO_LARGE

    run(scenario())


def test_a_command_that_cannot_be_signed_fails_and_cuts_nobody_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, key = new_id(), Signer()
        async with (
            open_tree(tmp_path, Tier.SIGNED) as (house, service),
            house.client() as client,
        ):
            token = await house.schedule(app_id)
            nonce = (await client.hear())["nonce"]
            frame = registration(app_id, child_pub_key=key.pub_key, join_token=token, nonce=nonce)
            assert (await client.ask(**sign(frame, key)))["type"] == "registered"
            command = NewCommand(action="load", payload=msgspec.Raw(BEYOND_DOUBLE))
            told = await service.command(LOCAL, app_id, command, 30)
            assert told.over
            assert told.targets[0].status == "failed"
            assert "could not be signed" in str(told.targets[0].error)
            assert (await client.say(app_id, 1))["type"] == "ack"
            assert house.keeper.counters.failures == 0

    run(scenario())


def test_an_app_that_proved_itself_unasked_is_cut_off_by_no_command(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, key = new_id(), Signer()
        async with open_tree(tmp_path) as (house, service), house.client("?challenge") as client:
            nonce = (await client.hear())["nonce"]
            frame = registration(app_id, child_pub_key=key.pub_key, nonce=nonce)
            assert (await client.ask(**sign(frame, key)))["type"] == "registered"
            command = NewCommand(action="load", payload=msgspec.Raw(BEYOND_DOUBLE))
            await service.command(LOCAL, app_id, command, 0)
            assert (await client.say(app_id, 1))["type"] == "ack"
            assert house.keeper.counters.failures == 0

    run(scenario())


def test_a_record_that_cannot_be_read_does_not_end_the_keeper_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tree.keeper.keeper.RELOAD_SECONDS", 0.01)

    async def write(house: House, sql: str) -> None:
        await asyncio.wrap_future(house.database.submit(lambda writing: writing.run(sql)))

    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            client = await house.stay()
            await client.register(app_id)
            kept = house.app(app_id)
            await write(house, "UPDATE apps SET orphans_json = 'nothing', version = version + 1")
            await client.send(**message(app_id, 1))
            await client.closed()
            await until(lambda: "cannot be loaded" in caplog.text)
            assert not house.keeper.is_well
            await write(house, f"UPDATE apps SET orphans_json = '{{}}', seq = {kept.seq}")
            await until(lambda: house.keeper.is_well)
            async with house.client() as again:
                assert (await again.register(app_id))["type"] == "registered"

    run(scenario())


def test_apps_that_were_refused_leave_nothing_on_their_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        key, limits = Signer(), LinkLimits(registrations_per_second=1e6)
        async with (
            open_house(tmp_path, limits=limits, tier=Tier.SIGNED) as house,
            house.client() as client,
        ):
            nonce = (await client.hear())["nonce"]
            app_id = new_id()
            token = await house.schedule(app_id)
            frame = registration(app_id, child_pub_key=key.pub_key, join_token=token, nonce=nonce)
            assert (await client.ask(**sign(frame, key)))["type"] == "registered"
            for _ in range(50):
                frame = registration(new_id(), child_pub_key=key.pub_key, nonce=nonce)
                assert (await client.ask(**sign(frame, key)))["code"] == "unauthorised"
            (connection,) = house.door._connections
            session = connection._session
            assert session is not None
            assert not session._proved
            assert session.identities == 1
            said = message(app_id, 1, "Result") | {"nonce": nonce}
            assert (await client.ask(**said))["code"] == "unauthorised"
            assert (await client.ask(**sign(said, key)))["type"] == "ack"
            await client.send(**sign({"type": "disconnect", "app_id": app_id, "nonce": nonce}, key))
            await until(lambda: session.identities == 0)

    run(scenario())
