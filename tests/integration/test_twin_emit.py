"""From a program's words to what the server knows of the object: no set-up, no mock."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.integration.wire import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.testing.server import ServerProcess

SECONDS_MAX = 60.0

SCHEMA = """
from clew.twin.dsl import Object, Process, Integer, Float, String, List

class ShoppingCart(Object):
    "A user's shopping cart"
    item_count = Integer(default=0)
    total_value = Float(default=0.0)
    items = List(String())
    status = String(default="active")
"""

QUICK_START = (
    SCHEMA
    + """
from opentelemetry import baggage, context
from clew.twin.context import anchor, TriLogLogger

logger = TriLogLogger(__name__)

# Anchor to a specific object
with anchor("cart_123", ShoppingCart):
    # All logs automatically inherit the object ID
    logger.state_change(item_count=5, total_value=99.99)
    logger.event("item_added", item_id="SKU-001")
"""
)


def run_program(program: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in which nothing but the test decides, warnings being errors."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=clean | dict(environ),
    )


def get(server: ServerProcess, path: str) -> Any:
    answer = ask(server.url, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return answer.document


def test_the_quick_start_needs_no_set_up(server: ServerProcess) -> None:
    done = run_program(QUICK_START, {"CLEW_SERVER": server.url})
    assert (done.returncode, done.stderr) == (0, "")
    twin = get(server, "objects/ShoppingCart/cart_123")
    assert twin["state"] == {"item_count": 5, "total_value": 99.99}
    assert (twin["exists"], twin["version"], twin["warnings"]) == (True, 1, [])
