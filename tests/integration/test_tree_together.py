"""The client of Python and the server of clew, together: real sockets, keys and files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from clew.tree.client.aio import AsyncTrailsClient
from clew.tree.client.client import TrailsClient
from clew.tree.frames.info import TrailsConfig
from clew.tree.machine.app import Tier
from tests.integration.tree_house import House, open_house, run, until
from tests.integration.wire import ask

SECONDS_MAX = 150.0
"""A deadline, not an expectation: what hangs fails, what is slow on a busy machine does not."""

StartServer = Callable[..., ServerProcess]


async def root_of(house: House, tier: Tier) -> TrailsConfig:
    """Return the configuration of a root that this server lets in."""
    config = TrailsConfig.create("planner", house.url, sec_level=tier.value)
    if tier is Tier.OPEN:
        return config
    token = await house.schedule(config.app_id)
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    values |= {"join_token": token, "server_pub_key": house.door.pub_key()}
    return TrailsConfig(**values)


@pytest.mark.parametrize("tier", list(Tier))
def test_a_parent_spawns_steers_and_hears_of_its_child(tmp_path: Path, tier: Tier) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path, tier=tier) as house:
            config = await root_of(house, tier)
            async with AsyncTrailsClient.init_with(config) as parent:
                notices: list[Any] = []
                parent.on_notice(notices.append)
                child_config = await parent.spawn("worker", tags={"n": 1})
                assert house.app(child_config.app_id).status.value == "scheduled"
                child = AsyncTrailsClient.init_with(child_config)

                @child.on("double")
                async def _(payload: Any) -> dict[str, int]:
                    return {"doubled": payload["n"] * 2}

                child.status({"progress": 0.5})
                await house.until_status(child_config.app_id, "running")
                answer = await parent.send(
                    child_config.app_id, "double", {"n": 4}, wait_s=SECONDS_MAX
                )
                assert answer.is_over
                assert answer.targets[0].result == {"doubled": 8}
                child.result({"rows": 7})
                assert await child.shutdown(SECONDS_MAX)
                await house.until_status(child_config.app_id, "done")
                await until(lambda: [n for n in notices if n.payload == {"rows": 7}])
                assert house.app(child_config.app_id).path == (config.app_id, child_config.app_id)
            await house.until_status(config.app_id, "done")

    run(scenario())


@pytest.mark.parametrize("tier", [Tier.OPEN, Tier.SIGNED])
def test_a_cancel_runs_the_hooks_below_and_is_confirmed(tmp_path: Path, tier: Tier) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path, tier=tier) as house:
            config = await root_of(house, tier)
            async with AsyncTrailsClient.init_with(config) as root:
                middle_config = await root.spawn("middle")
                middle = AsyncTrailsClient.init_with(middle_config)
                assert await middle.wait_connected(SECONDS_MAX)
                leaf_config = await middle.spawn("leaf")
                leaf = AsyncTrailsClient.init_with(leaf_config)
                assert await leaf.wait_connected(SECONDS_MAX)
                reasons: list[tuple[str, str]] = []
                for client in (middle, leaf):
                    client.on_cancel(
                        5.0,
                        lambda context: reasons.append((context.reason, context.initiated_by)),
                        exits=False,
                    )
                answer = await root.cancel(
                    middle_config.app_id, reason="enough", wait_s=SECONDS_MAX
                )
                assert answer.is_over
                outcome = {each.app_id: each for each in answer.targets}
                assert {outcome[middle_config.app_id].app_status} == {"cancelled"}
                assert all(each.confirmed for each in answer.targets)
                assert reasons == [("enough", config.app_id)] * 2
                # Nothing joins below what was cancelled.
                with pytest.raises(ClewError):
                    await middle.spawn("late")
                await asyncio.gather(middle.shutdown(), leaf.shutdown())

    run(scenario())


def test_nobody_is_steered_from_below_or_from_beside(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            config = await root_of(house, Tier.OPEN)
            async with AsyncTrailsClient.init_with(config) as root:
                one, other = await root.spawn("one"), await root.spawn("other")
                async with AsyncTrailsClient.init_with(one) as client:
                    for target in (root.app_id, other.app_id):
                        with pytest.raises(ClewError) as caught:
                            await client.cancel(target or "")
                        assert caught.value.code in {ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN}
                assert house.app(other.app_id).status.value == "scheduled"

    run(scenario())


def test_a_block_of_a_child_is_cancelled_from_above_and_its_parent_goes_on(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            config = await root_of(house, Tier.OPEN)
            async with AsyncTrailsClient.init_with(config) as root:
                middle = await root.spawn("planner")
                async with AsyncTrailsClient.init_with(middle) as planner:
                    async with planner.child("worker") as child:
                        assert await child.wait_connected(SECONDS_MAX)
                        assert child.app_id is not None
                        cancelling = asyncio.create_task(
                            root.cancel(child.app_id, wait_s=SECONDS_MAX)
                        )
                        await asyncio.Event().wait()
                    answer = await cancelling
                    assert answer.targets[0].confirmed
                    assert (answer.targets[0].app_status, child.is_cancelled) == ("cancelled", True)
                    assert house.app(planner.app_id or "").status.value == "connected"

    run(scenario())


def test_an_app_that_ends_itself_takes_the_word_of_the_first_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            config = await root_of(house, Tier.OPEN)
            client = AsyncTrailsClient.init_with(config)
            client.error("it broke", {"at": 3})
            client.result("too late")
            assert await client.shutdown(SECONDS_MAX)
            app = await house.until_status(config.app_id, "error")
            rows = house.rows("SELECT msg_type, payload_json FROM messages")
            assert [row["msg_type"] for row in rows] == ["Error"]
            assert json.loads(rows[0]["payload_json"]) == {
                "message": "it broke",
                "detail": {"at": 3},
            }
            assert app.seq == 1

    run(scenario())


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_doubled_when_the_server_is_killed(
    start_server: StartServer,
) -> None:
    held = HeldPorts(1)
    (address,) = held.addresses
    server = start_server({"trails": address})
    clients = [
        TrailsClient.init_with(TrailsConfig.create(f"worker-{n}", f"ws://{address}"))
        for n in range(20)
    ]
    for client in clients:
        for number in range(30):
            client.status({"n": number})
    assert all(client.wait_connected(SECONDS_MAX) for client in clients)
    server.kill()
    for client in clients:
        client.status({"n": 30})
        client.result("all of it")
    back = start_server({"trails": address})
    for client in clients:
        assert client.shutdown(SECONDS_MAX)
    for client in clients:
        answer = ask(back.url, path=f"/api/v1/apps/{client.app_id}/messages?limit=100")
        assert answer.status == 200, answer.body
        messages = answer.document["messages"]
        assert sorted(each["seq"] for each in messages) == list(range(1, 33))
        app = ask(back.url, path=f"/api/v1/apps/{client.app_id}").document
        assert app["status"] == "done"
