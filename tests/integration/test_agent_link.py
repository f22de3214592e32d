"""An agent whose app is announced late, over a real server: how the app above stands decides."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clew.remote.http import Server
from clew.testing.server import ServerProcess
from clew.tree.agent.announcing import Announcement
from clew.tree.agent.link import AgentLink
from clew.tree.agent.process import Exit
from clew.tree.client.identity import describe_process
from clew.tree.frames.info import TrailsConfig
from clew.tree.frames.outbound import ProcessSignal
from clew.tree.parameters import CancelParameters, NewChild
from clew.tree.remote import TreeClient
from tests.e2e.terminal import environment
from tests.integration.scripted_peer import ScriptedPeer
from tests.integration.test_tree_rest import peer

SECONDS_MAX = 60

QUICK = """
import sys

from clew.app.main import main
from clew.tree.agent import supervisor

supervisor.STRANGER_S_MAX, supervisor.REPORT_S_MAX = 0.0, 1000.0
sys.argv = ["clew", "exec", "--join", "--", "sh", "-c", "exit 3"]
sys.exit(main())
"""
"""Has no patience at all with a server that is away."""


class Late:
    """A command that was started while no server answered, below an app of the tree."""

    def __init__(self, server: ServerProcess, parent: TrailsConfig) -> None:
        self.ordered: list[ProcessSignal | None] = []
        self.warned: list[str] = []
        announcement = Announcement(name="late", server_url=server.url, parent=parent)
        self.link = AgentLink(
            announcement, describe_process(), self.ordered.append, self.warned.append
        )

    async def run(self) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            await self.link.run()


def announce(tree: TreeClient) -> TrailsConfig:
    scheduled = tree.schedule(NewChild(app_name="above")).document()
    assert scheduled.trails_info is not None
    return TrailsConfig.decode(scheduled.trails_info)


@pytest.fixture
def tree(server: ServerProcess) -> Iterator[TreeClient]:
    with Server(server.url) as opened:
        yield TreeClient(opened)


def test_what_is_above_was_cancelled_meanwhile_and_so_is_the_command(
    server: ServerProcess, tree: TreeClient
) -> None:
    parent = announce(tree)
    tree.cancel(parent.app_id, CancelParameters(grace_ms=0))
    late = Late(server, parent)
    asyncio.run(late.run())
    assert (late.ordered, late.warned) == ([None], [])


def test_what_is_above_is_being_cancelled_and_the_command_goes_with_it(
    server: ServerProcess, tree: TreeClient
) -> None:
    parent = announce(tree)
    with peer(server) as app:
        app.join(parent.app_id, app_name="above")
        tree.cancel(parent.app_id, CancelParameters(grace_ms=500))
        late = Late(server, parent)
        asyncio.run(late.run())
    assert tree.get_app(parent.app_id).document().status == "cancelled"
    assert (late.ordered, late.warned) == ([None], [])


def test_what_is_above_has_ended_by_itself_and_the_command_goes_on_outside_of_the_tree(
    server: ServerProcess, tree: TreeClient
) -> None:
    parent = announce(tree)
    with peer(server) as app:
        app.join(parent.app_id, app_name="above")
        app.say(parent.app_id, "Result", {})
    late = Late(server, parent)
    asyncio.run(late.run())
    assert late.ordered == []
    assert len(late.warned) == 1
    assert "the parent has ended: done" in late.warned[0]


def test_an_announcement_whose_answer_was_lost_is_made_again_and_counts(
    server: ServerProcess, tree: TreeClient
) -> None:
    late = Late(server, announce(tree))
    announcement = late.link.announcement
    before = announcement.config
    announcement.announce()
    answered = announcement.config
    # As if that answer had not come: the server has the app, and its agent what it had before.
    announcement.config, announcement.is_announced = before, False
    announcement.announce()
    assert announcement.config == answered
    assert announcement.config.socket_url() == server.trails_url
    late.link.report(Exit(code=3, signal=None))
    asyncio.run(late.run())
    app = tree.get_app(before.app_id).document()
    assert (app.status, app.exit_code, late.warned) == ("error", 3, [])


def test_a_command_that_joined_by_itself_before_it_was_announced_still_gets_its_agent(
    server: ServerProcess, tree: TreeClient
) -> None:
    parent = announce(tree)
    late = Late(server, parent)
    with peer(server) as app:
        app.join(parent.app_id, app_name="above")
        app_id = late.link.announcement.config.app_id
        app.join(app_id, parent.app_id, app_name="late")
        late.link.report(Exit(code=3, signal=None))
        asyncio.run(late.run())
    found = tree.get_app(app_id).document()
    assert (found.status, found.exit_code, late.warned) == ("error", 3, [])


def test_a_server_that_is_slow_to_let_an_agent_in_hears_of_the_end_of_a_quick_command() -> None:
    with ScriptedPeer() as slow:
        environ = environment("http://127.0.0.1:1", {"TRAILS_INFO": slow.config().encode()})
        agent = subprocess.Popen([sys.executable, "-c", QUICK], env=environ)
        with agent:
            talk = slow.talk()
            app_id = talk.expect("attach")["app_id"]
            # The command is long over by now, or will be while this is answered.
            talk.send("attached", app_id=app_id, durable_seq=0)
            assert [talk.expect("exited")["exit_code"] for _ in range(2)] == [3, 3]
            talk.send("error", code="not_registered", message="it has ended", app_id=app_id)
            assert agent.wait(SECONDS_MAX) == 3


def test_a_server_that_is_away_keeps_no_command_from_its_end() -> None:
    with ScriptedPeer() as left:
        config = left.config()
    environ = environment("http://127.0.0.1:1", {"TRAILS_INFO": config.encode()})
    done = subprocess.run([sys.executable, "-c", QUICK], env=environ, timeout=SECONDS_MAX)
    assert done.returncode == 3
