"""The agent plane as a client of TRAILS' open tier meets it: real frames over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from clew.surfaces.ws.limits import LinkLimits
from clew.tree.frames.codes import CloseCode
from clew.tree.frames.keys import Signer
from clew.tree.machine.app import Status, Tier
from tests.integration.tree_house import (
    KEY,
    House,
    message,
    new_id,
    open_house,
    registration,
    run,
    sign,
    until,
)

CHILD = """
import json, os, signal, sys
from websockets.sync.client import connect
with connect(sys.argv[1], open_timeout=150, compression=None) as socket:
    socket.send(sys.argv[2])
    print(json.loads(socket.recv())["type"], flush=True)
    socket.send(sys.argv[3])
    print(json.loads(socket.recv())["type"], flush=True)
    signal.pause()
"""


async def start_child(house: House, app_id: str) -> asyncio.subprocess.Process:
    """Start a process that registers, says a Status, and then waits."""
    import json

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        house.url,
        json.dumps(registration(app_id)),
        json.dumps(message(app_id, 1)),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"registered\n"
    assert await process.stdout.readline() == b"ack\n"
    return process


def test_an_app_registers_says_what_it_does_and_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            answer = await client.register(app_id)
            assert answer["type"] == "registered"
            assert answer["app_id"] == app_id
            assert answer["server_pub_key"].startswith("ed25519:")
            assert house.app(app_id).status is Status.CONNECTED
            assert (await client.say(app_id, 1))["seq"] == 1
            assert house.app(app_id).status is Status.RUNNING
            answer = await client.say(app_id, 2, "Result", {"rows": 100_000})
            assert (answer["type"], answer["seq"]) == ("ack", 2)
            ended = house.app(app_id)
            assert ended.status is Status.DONE
            kept = house.rows("SELECT seq, msg_type FROM messages ORDER BY id")
            assert kept == [
                {"seq": 1, "msg_type": "Status"},
                {"seq": 2, "msg_type": "Result"},
            ]

    run(scenario())


def test_what_was_acknowledged_is_acknowledged_again_and_kept_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            for _ in range(3):
                assert (await client.say(app_id, 1))["type"] == "ack"
            assert len(house.rows("SELECT id FROM messages")) == 1

    run(scenario())


@pytest.mark.slow
def test_a_killed_process_counts_as_crashed_once_its_window_is_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            process = await start_child(house, app_id)
            process.kill()
            await process.wait()
            await house.until_status(app_id, "reconnecting")
            house.clock.advance(1.9)
            assert not house.rows("SELECT * FROM crashes")
            house.clock.advance(0.2)
            await house.until_status(app_id, "crashed")
            crash = house.rows("SELECT crash_type, recovered_at FROM crashes")
            assert crash == [{"crash_type": "connection_drop", "recovered_at": None}]

    run(scenario())


def test_an_app_that_returns_in_time_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            async with house.client() as client:
                await client.register(app_id)
                await client.say(app_id, 1)
                client.socket.transport.abort()
            await house.until_status(app_id, "reconnecting")
            async with house.client() as client:
                answer = await client.ask(
                    type="re_register", app_id=app_id, last_seq=0, pub_key=KEY, sig=None
                )
                assert answer["type"] == "registered"
                assert answer["durable_seq"] == 1
                assert house.app(app_id).status is Status.RUNNING
                assert (await client.say(app_id, 1))["type"] == "ack"
                assert (await client.say(app_id, 2))["type"] == "ack"
            assert len(house.rows("SELECT id FROM messages")) == 2

    run(scenario())


@pytest.mark.slow
def test_a_restart_of_the_server_keeps_everything(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, done_id = new_id(), new_id()
        async with open_house(tmp_path) as house:
            async with house.client() as other:
                await other.register(done_id)
                await other.say(done_id, 1, "Result")
            client = await house.stay()
            await client.register(app_id)
            await client.say(app_id, 1)
        code, reason = await client.closed()
        assert code == CloseCode.RESTART
        assert "retry_after_ms=" in (reason or "")
        async with open_house(tmp_path, clock=house.clock) as house, house.client() as client:
            assert house.app(app_id).status is Status.RECONNECTING
            assert house.app(done_id).status is Status.DONE
            answer = await client.ask(type="re_register", app_id=app_id, last_seq=1, pub_key=KEY)
            assert (answer["type"], answer["durable_seq"]) == ("registered", 1)
            assert house.app(app_id).status is Status.RUNNING

    run(scenario())


def test_many_apps_share_one_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        parent, *children = (new_id() for _ in range(20))
        async with open_house(tmp_path) as house:
            async with house.client() as client:
                await client.register(parent)
                for child in children:
                    assert (await client.register(child, parent))["type"] == "registered"
                assert (await client.say(children[0], 1, "Result"))["app_id"] == children[0]
                assert (await client.say(children[1], 1))["app_id"] == children[1]
            await house.until_status(children[1], "reconnecting")
            assert house.app(children[0]).status is Status.DONE
            assert house.app(children[1]).path == (parent, children[1])

    run(scenario())


def test_an_app_commands_what_is_below_it_and_hears_what_came_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        parent, child, sibling = new_id(), new_id(), new_id()
        async with (
            open_house(tmp_path) as house,
            house.client() as above,
            house.client() as below,
            house.client() as beside,
        ):
            await above.register(parent)
            await below.register(child, parent)
            await beside.register(sibling, parent)
            order = {"type": "issue", "correlation_id": "c-1", "action": "checkpoint"}
            said = await above.ask(**order, app_id=parent, target_id=child, payload={"to": "disk"})
            assert (said["type"], said["is_over"]) == ("issued", False)
            heard = await below.hear()
            assert (heard["type"], heard["action"]) == ("control", "checkpoint")
            assert heard["payload"] == {"to": "disk"}
            await below.send(
                type="control_ack",
                app_id=child,
                correlation_id=heard["correlation_id"],
                action="checkpoint",
                ack=True,
                result={"applied": True},
            )
            over = await above.hear()
            assert (over["type"], over["is_over"]) == ("issued", True)
            assert over["targets"][0]["status"] == "done"
            assert over["targets"][0]["result"] == {"applied": True}
            refused = await beside.ask(**order, app_id=sibling, target_id=child)
            assert (refused["type"], refused["code"]) == ("error", "not_found")
            # Nobody commands in the name of an app that speaks elsewhere.
            refused = await beside.ask(**order, app_id=parent, target_id=child)
            assert refused["code"] == "not_registered"
            await until(lambda: house.denials)
            (denial,) = house.denials
            assert (denial.action, denial.caller, denial.app_id) == ("command", sibling, child)
            assert (denial.source_ip, denial.correlation_id) == ("127.0.0.1", "c-1")
            assert (denial.user_agent or "").startswith("Python/")

    run(scenario())


def test_a_child_is_announced_before_it_joins(tmp_path: Path) -> None:
    async def scenario() -> None:
        parent, child = new_id(), new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(parent)
            said = await client.ask(type="spawn", app_id=parent, child_id=child, app_name="worker")
            assert said["type"] == "spawned"
            assert house.app(child).status is Status.SCHEDULED
            async with house.client() as worker:
                joined = await worker.register(child, parent, join_token=said["join_token"])
                assert joined["type"] == "registered"

    run(scenario())


def test_in_the_signed_tier_an_app_proves_itself_and_signs_what_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, key, stranger = new_id(), Signer(), Signer()
        async with open_house(tmp_path, tier=Tier.SIGNED) as house:
            announced = await house.schedule(app_id)
            async with house.client() as thief:
                nonce = (await thief.hear())["nonce"]
                frame = registration(
                    app_id, child_pub_key=stranger.pub_key, join_token="guessed", nonce=nonce
                )
                assert (await thief.ask(**sign(frame, stranger)))["code"] == "unauthorised"
                assert (await thief.closed())[0] == CloseCode.UNAUTHORISED
            await until(lambda: house.denials)
            assert (house.denials[0].action, house.denials[0].source_ip) == (
                "register",
                "127.0.0.1",
            )
            assert house.denials[0].user_agent
            async with house.client() as client:
                nonce = (await client.hear())["nonce"]
                frame = registration(
                    app_id, child_pub_key=key.pub_key, join_token=announced, nonce=nonce
                )
                assert (await client.ask(**sign(frame, key)))["type"] == "registered"
                # A status may come bare, an end of the app may not.
                assert (await client.say(app_id, 1))["type"] == "ack"
                assert (await client.say(app_id, 2, "Result"))["code"] == "unauthorised"
                said = message(app_id, 2, "Result") | {"nonce": nonce}
                assert (await client.ask(**sign(said, stranger)))["code"] == "unauthorised"
                assert (await client.ask(**sign(said, key)))["type"] == "ack"
            assert house.app(app_id).status is Status.DONE

    run(scenario())


def test_a_proof_for_one_socket_is_none_for_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, key = new_id(), Signer()
        async with open_house(tmp_path, tier=Tier.SIGNED) as house:
            token = await house.schedule(app_id)
            async with house.client() as client, house.client() as other:
                nonce = (await client.hear())["nonce"]
                await other.hear()
                frame = sign(
                    registration(app_id, child_pub_key=key.pub_key, join_token=token, nonce=nonce),
                    key,
                )
                assert (await other.ask(**frame))["code"] == "unauthorised"
                assert (await client.ask(**frame))["type"] == "registered"

    run(scenario())


def test_a_goodbye_ends_an_app_without_a_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            async with house.client() as client:
                await client.register(app_id)
                await client.send(type="disconnect", app_id=app_id, reason="completed")
            await house.until_status(app_id, "done")
            house.clock.advance(10)
            assert not house.rows("SELECT * FROM crashes")

    run(scenario())


def test_what_comes_before_a_registration_ends_the_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house:
            # No app has ended here: whoever says that speaks another protocol, or none.
            codes = {
                '{"type":"message"}': CloseCode.BAD_VERSION,
                "not json": CloseCode.BAD_VERSION,
                '{"type":"nothing"}': CloseCode.BAD_VERSION,
                "[" * 5000: CloseCode.TOO_LARGE,
            }
            for text, code in codes.items():
                async with house.client() as client:
                    await client.socket.send(text)
                    assert (await client.hear())["type"] == "error"
                    assert (await client.closed())[0] == code

    run(scenario())


def test_a_socket_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        limits = LinkLimits(first_frame_seconds=0.05)
        async with open_house(tmp_path, limits=limits) as house, house.client() as client:
            assert (await client.closed())[0] == CloseCode.NORMAL

    run(scenario())
