"""The scenarios of the agent plane's contract against real servers, and the runner itself.

That the runner finds what is wrong is shown by a server that says yes to everything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from clew.testing.conformance.command import main
from clew.testing.conformance.report import write_line
from clew.testing.conformance.rest import Rest
from clew.testing.conformance.runner import run_scenarios
from clew.testing.conformance.scenario import Library, encode_schema, find_folder
from clew.testing.conformance.target import Target
from clew.testing.conformance.trial import Outcome, Verdict
from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from tests.conformance.registry_places import PLACES
from tests.integration.wire import ask

StartServer = Callable[..., ServerProcess]

ROOT = Path(__file__).parents[2]

SETTINGS = {"trails_resume_window": "0.5", "trails_restart_window": "8"}
"""Short, so that nobody waits; the second as long as a slow machine takes to look."""

OF_TRAILS = [
    "001_register",
    "002_status",
    "003_result",
    "004_error",
    "005_disconnect",
    "006_crash_detection",
    "007_reconnect",
]

NOT_ABOUT = {"open": {"048_unannounced"}, "signed": {"046_unknown_parent"}}


class Lives:
    """A server that is killed and started again at the same addresses, over the same folder."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        self._held = HeldPorts(2)
        trails, http = self._held.addresses
        self._settings = settings | {"trails": trails, "http": http}
        self._process = ServerProcess(folder, self._settings)
        self.url = self._process.trails_url
        self.http = self._process.url

    async def restart(self) -> None:
        await asyncio.to_thread(self._start_again)

    def _start_again(self) -> None:
        self._process.kill()
        self._process = ServerProcess(self._folder, self._settings)

    def close(self) -> None:
        self._process.kill()


def tell(outcomes: list[Outcome]) -> str:
    return "\n".join(write_line(each) for each in outcomes if each.verdict is Verdict.FAILED)


def names(outcomes: list[Outcome], verdict: Verdict) -> set[str]:
    return {each.name for each in outcomes if each.verdict is verdict}


@pytest.fixture(params=PLACES)
def registry(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite"
    url: str = request.getfixturevalue("postgres_server").new_url()
    return url


@pytest.fixture(params=["open", "signed"])
def lives(request: pytest.FixtureRequest, tmp_path: Path, registry: str) -> Iterator[Lives]:
    settings = SETTINGS | {"trails_tier": request.param, "registry": registry}
    lives = Lives(tmp_path / "data", settings)
    try:
        yield lives
    finally:
        lives.close()


@pytest.mark.slow
def test_a_server_keeps_every_promise_of_the_contract(lives: Lives) -> None:
    async def run() -> tuple[Target, list[Outcome]]:
        target = Target(lives.url, Rest(lives.http, None), restart=lives.restart)
        await target.open()
        library = Library(find_folder())
        return target, await run_scenarios(target, library, list(library))

    target, outcomes = asyncio.run(run())
    assert not names(outcomes, Verdict.FAILED), tell(outcomes)
    assert names(outcomes, Verdict.SKIPPED) == NOT_ABOUT[target.tier]
    assert not any(each.left_out for each in outcomes)
    assert (target.windows.resume_ms, target.windows.restart_ms) == (500, 8000)


def test_the_scenarios_of_trails_are_there_and_many_more() -> None:
    library = list(Library(find_folder()))
    written = [each.name for each in library]
    assert written[: len(OF_TRAILS)] == OF_TRAILS
    assert not any(each.extension for each in library[: len(OF_TRAILS)])
    assert len(written) >= len(OF_TRAILS) + 20
    assert all(each.promise and each.description for each in library)


def test_the_schema_is_that_of_the_scenarios_today() -> None:
    written = (ROOT / "contracts/trails/scenarios/scenario.schema.json").read_bytes()
    assert written == encode_schema(), "run: python -m clew.testing.conformance --schema"


def test_the_command_line_says_what_passed_and_what_it_left_out(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"ws://{server.addresses['trails']}"
    asked = [address, "--format", "table", "--scenario", "003", "007", "046", "048"]
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("003_result" in line and "checks of state left out" in line for line in lines)
    assert any("007_reconnect: nobody here can restart the server" in line for line in lines)
    assert any("046_unknown_parent: it asks over HTTP" in line for line in lines)
    assert any("048_unannounced: it is not about the tier open" in line for line in lines)
    assert lines[-1].startswith("1 passed, 0 failed, 3 skipped")
    assert main([address, "--http", server.url, "--format", "json", "--scenario", "046"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["tier"]) == (1, "open")


@pytest.mark.slow
def test_frames_alone_show_most_of_it_where_there_is_no_http_door(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"ws://{server.addresses['trails']}", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] > 50
    assert report["left_out"]


def test_a_scenario_that_fails_tells_at_which_step_and_what_was_said(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"ws://{server.addresses['trails']}"
    asked = [address, "--http", server.url, "--scenario", "007", "--restart-hook", "exit 3"]
    assert main([*asked, "--format", "table"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAILED  007_reconnect: step 2, server_action")
    assert "the restart hook ended with 3" in lines[0]
    assert any(line.startswith('    > app: {"type":"register"') for line in lines)
    assert lines[-1].startswith("0 passed, 1 failed, 0 skipped")


@pytest.mark.slow
def test_a_server_with_keys_is_asked_with_one(
    start_server: StartServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server()
    body = b'{"name": "admin", "role": "admin"}'
    made = ask(
        server.url, "POST", "/api/v1/keys", body, {"content-type": "application/json"}
    ).document
    asked = [server.trails_url, "--http", server.url, "--scenario", "003", "063"]
    assert main(asked) == 3
    assert "--api-key" in capsys.readouterr().err
    assert main([*asked, "--format", "json", "--api-key", made["api_key"]]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["left_out"]) == (2, 0)


def test_wrong_names_and_absent_servers_have_exit_codes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ws://127.0.0.1:1", "--scenario", "nothing"]) == 3
    assert main(["ws://127.0.0.1:1", "--scenarios", str(tmp_path)]) == 3
    assert main(["ftp://127.0.0.1:1"]) == 3
    assert main(["ws://127.0.0.1:1"]) == 4
    (tmp_path / "001_wrong.json").write_text(
        '{"name": "001_wrong", "steps": [{"action": "dance"}]}'
    )
    assert main(["ws://127.0.0.1:1", "--scenarios", str(tmp_path)]) == 3
    assert "001_wrong.json is no scenario" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 3


@asynccontextmanager
async def agree() -> AsyncIterator[str]:
    """A server that takes everybody for who they say, and says yes to everything."""

    async def answer(socket: ServerConnection) -> None:
        async for text in socket:
            frame = json.loads(text) if isinstance(text, str) and text.startswith("{") else {}
            app_id = frame.get("app_id")
            match frame.get("type"):
                case "register" | "re_register":
                    said = {"type": "registered", "server_pub_key": "ed25519:", "epoch": 1}
                case "message":
                    said = {"type": "ack", "seq": frame["header"]["seq"]}
                case "spawn":
                    said = {"type": "spawned", "child_id": frame["child_id"]}
                case _:
                    said = {"type": "error", "code": "invalid_frame"}
            await socket.send(json.dumps({"app_id": app_id} | said))

    async with serve(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


def test_a_server_that_agrees_to_everything_is_found_out() -> None:
    async def run() -> list[Outcome]:
        async with agree() as url:
            target = Target(url)
            await target.open()
            library = Library(find_folder())
            chosen = library.pick(["001", "003", "036", "042", "050", "056"])
            return await run_scenarios(target, library, chosen)

    outcomes = asyncio.run(run())
    assert names(outcomes, Verdict.PASSED) == {"001_register", "003_result"}, tell(outcomes)
    for outcome in outcomes:
        if outcome.verdict is Verdict.FAILED:
            assert outcome.reason.startswith("step ")
            assert any(line.startswith("> ") for line in outcome.transcript)
    hijack = next(each for each in outcomes if each.name == "042_reregister_hijack")
    assert 'type is "registered", not "error"' in hijack.reason
