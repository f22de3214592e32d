"""The page about anchors and the logger does what it says, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clew.twin.context as context
from clew.twin.context import TriLogLogger
from tests.guides import GUIDE, read_program, run_page
from tests.integration.wire import ask

if TYPE_CHECKING:
    from clew.testing.server import ServerProcess
    from tests.conftest import StartServer

PAGE = GUIDE / "context.md"


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


def test_the_page_runs_and_the_server_knows_what_it_said(
    tmp_path: Path, start_server: StartServer
) -> None:
    server = start_server()
    done = run_page(PAGE, tmp_path, {"CLEW_SERVER": server.url})
    assert done.returncode == 0, done.stderr
    # A person sees what was logged by a plain logger, and that no more was said.
    assert done.stderr.splitlines() == ["the card was declined", "paid after all"]
    cart = get(server, "objects/ShoppingCart/cart_7")
    assert cart["state"] == {"item_count": 5, "total_value": 0.0, "voucher": "[redacted]"}
    assert get(server, "objects/ShoppingCart/cart_8")["state"]["item_count"] == 0
    tracked = get(server, "objects/ShoppingCart/cart_9")
    assert (tracked["state"]["item_count"], tracked["version"]) == (2, 2)
    names = [each["name"] for each in get(server, "objects/ShoppingCart/cart_7/timeline")["events"]]
    assert names.count("order_placed") == 1


def test_the_page_tells_of_every_method_and_of_every_name_that_programs_use() -> None:
    page = PAGE.read_text()
    methods = {name for name in vars(TriLogLogger) if not name.startswith("_")} - {"emit"}
    told = set(re.findall(r"`([a-z_]+)[`(]", page))
    assert methods <= told
    # What is a type of a value is read where it is met.
    values = {"AnchorContext", "Tracked", "get_current_obj_type"}
    missing = {name for name in context.__all__ if name not in page} - values
    assert not missing
    assert read_program(PAGE).count("assert ") > 15
