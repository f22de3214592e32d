"""The command lines of the guide to the tree run as they stand there; its words are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from clew.testing.server import ServerProcess
from clew.tree.documents import WatchEvent
from clew.tree.machine import happenings
from tests.e2e.terminal import SECONDS_MAX, environment
from tests.integration.test_tree_rest import Peer, peer, watch_url
from tests.integration.tree_house import new_id
from tests.sockets import connect

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide" / "tree.md").read_text()
REFERENCE = (DOCS / "reference" / "watch.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE + REFERENCE, re.MULTILINE | re.DOTALL)

# Nobody answers here, and what is watched has no end.
EXPECTED = {"clew send planner reconfigure": 1, "curl": 28}


def raise_tree(app: Peer) -> None:
    root = new_id()
    app.join(root, app_name="planner")
    app.say(root, "Status", {"progress": 0.5})
    ended = new_id()
    for name, app_id in (("worker-0", new_id()), ("worker-1", ended)):
        app.join(app_id, root, app_name=name)
        app.say(app_id, "Status", {"done": 1, "total": 3})
    app.say(ended, "Result", {})


def crash(server: ServerProcess) -> None:
    """Have an app crash, and wait until it is known."""
    app_id = new_id()
    with peer(server) as dying:
        dying.join(app_id, app_name="worker-3")
    with connect(f"{watch_url(server)}?after=0&app_id={app_id}&kind=crash") as feed:
        feed.recv(SECONDS_MAX)
        assert json.loads(feed.recv(SECONDS_MAX))["kind"] == "crash"


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_lines_of_the_pages_run(block: str, tmp_path: Path) -> None:
    (tmp_path / "clew").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clew.app.main "$@"\n')
    (tmp_path / "worker.sh").write_text('#!/bin/sh\ntest -n "$TRAILS_INFO"\n')
    for program in ("clew", "worker.sh"):
        (tmp_path / program).chmod(0o755)
    settings = {"trails_resume_window": "0.05"}
    with ServerProcess(tmp_path / "data", settings) as server, peer(server) as app:
        raise_tree(app)
        crash(server)
        environ = environment(server.url)
        environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
        for line in block.splitlines():
            expected = next((code for begin, code in EXPECTED.items() if line.startswith(begin)), 0)
            ran = subprocess.run(
                ["sh", "-c", line.partition("   #")[0]],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
                stdin=subprocess.DEVNULL,
            )
            assert ran.returncode == expected, (line, ran.stdout, ran.stderr)


def test_the_pages_have_lines() -> None:
    assert len(BLOCKS) >= 7


def test_the_event_of_the_reference_is_one() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```", REFERENCE, re.MULTILINE | re.DOTALL)
    event = msgspec.json.decode(text, type=WatchEvent)
    document = msgspec.json.decode(event.document, type=happenings.TransitionDocument)
    assert json.loads(msgspec.json.encode(document)) == json.loads(bytes(event.document))


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("transition", happenings.TransitionDocument),
        ("message", happenings.MessageDocument),
        ("command", happenings.CommandDocument),
        ("crash", happenings.CrashDocument),
        ("denied", happenings.DeniedDocument),
    ],
)
def test_the_reference_names_every_field_of_every_event(
    kind: str, document: type[msgspec.Struct]
) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \| (.*) \|$", REFERENCE, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`\??", re.sub(r"\([^)]*\)", "", row)))
    assert named == {field.encode_name for field in msgspec.structs.fields(document)}
    optional = set(re.findall(r"`(\w+)`\?", re.sub(r" \([^)]*\)", "", row)))
    assert optional == {
        field.encode_name
        for field in msgspec.structs.fields(document)
        if not field.required and field.encode_name != "from"
    }
