"""The pages about asking and about running the twin do what they say, from top to bottom.

Each page is one program against a fresh server: its Python, and its commands where they stand.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from tests.guides import GUIDE, read_blocks, run_page
from tests.integration.wire import ask

if TYPE_CHECKING:
    from clew.testing.server import ServerProcess
    from tests.conftest import StartServer

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="the pages ask REST by curl"),
]


def follow(page: str, folder: Path, server: ServerProcess) -> str:
    """Follow a page; return what it prints."""
    done = run_page(GUIDE / page, folder, {"CLEW_SERVER": server.url}, with_shell=True)
    assert done.returncode == 0, done.stderr
    # Notes of commands go to stderr as JSON; anything else there would be a complaint.
    notes = re.sub(r'^\{"note": .*\}\n', "", done.stderr, flags=re.MULTILINE)
    assert notes == ""
    return done.stdout


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


async def call_tools(server: ServerProcess, calls: list[dict[str, Any]]) -> list[Any]:
    async with Client(f"{server.url}/mcp") as client:
        answers = [await client.call_tool(each["tool"], each["arguments"]) for each in calls]
    assert [each.is_error for each in answers] == [False] * len(calls)
    return [each.structured_content for each in answers]


def test_every_question_of_the_page_is_answered_at_every_door(
    tmp_path: Path, start_server: StartServer
) -> None:
    server = start_server()
    follow("queries.md", tmp_path, server)
    trace_id = get(server, "objects/ShoppingCart/cart_7")["last_event"]["trace_id"]
    blocks = [block for kind, block in read_blocks(GUIDE / "queries.md") if kind == "json"]
    calls = [json.loads(block.replace("{trace_id}", trace_id)) for block in blocks]
    assert len(calls) >= 7
    assert all(asyncio.run(call_tools(server, calls)))


def test_the_twin_is_run_as_the_page_says(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server()
    follow("deployment.md", tmp_path, server)
    (rejected,) = get(server, "rejected")["events"]
    assert [each["code"] for each in rejected["issues"]] == ["INVALID_VALUE"]
    cart = get(server, "objects/ShoppingCart/cart_7")
    assert (cart["state"]["item_count"], cart["version"]) == (2, 1)
    stored = get(server, "registry/versions")["registries"]
    assert [each["name"] for each in stored] == ["shop"]


def test_processes_are_followed_as_the_page_says(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server()
    follow("processes.md", tmp_path, server)
    stuck = get(server, "processes?status=stuck")["processes"]
    assert [(each["type"], each["id"]) for each in stuck] == [("NightlyImport", "import-1")]
    blocks = [block for kind, block in read_blocks(GUIDE / "processes.md") if kind == "json"]
    found, told = asyncio.run(call_tools(server, [json.loads(block) for block in blocks]))
    assert [row[1] for row in found["processes"]["rows"]] == ["import-1"]
    assert [row[1] for row in told["phases"]["rows"]] == ["basket", "payment", "shipping"]
