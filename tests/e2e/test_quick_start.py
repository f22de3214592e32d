"""The quick start of the specification runs as it is written, the root of its imports apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from clew.base.times import format_time
from tests.integration.fingerprints import MORNING, request_of, state_change

if TYPE_CHECKING:
    from clew.testing.server import ServerProcess

SECONDS_MAX = 60.0
"""A deadline, not an expectation."""

SCHEMA: Final = '''\
# schema.py
from trilog.dsl import Object, Process, Integer, Float, String, List

class ShoppingCart(Object):
    """A user's shopping cart"""
    item_count = Integer(default=0)
    total_value = Float(default=0.0)
    items = List(String())
    status = String(default="active")

class CheckoutFlow(Process):
    """Distributed workflow for purchasing"""
    pass
'''

EXPORT: Final = """\
from trilog.dsl import Registry

registry = Registry()
registry.register(ShoppingCart)
registry.register(CheckoutFlow)
registry.export("registry.json")
"""

INSTRUMENT: Final = """\
from opentelemetry import baggage, context
from trilog.context import anchor, TriLogLogger

logger = TriLogLogger(__name__)

# Anchor to a specific object
with anchor("cart_123", ShoppingCart):
    # All logs automatically inherit the object ID
    logger.state_change(item_count=5, total_value=99.99)
    logger.event("item_added", item_id="SKU-001")
"""

RECONSTRUCT: Final = """\
from trilog.engine import Reconstructor

reconstructor = Reconstructor(clickhouse_client)

# Get cart state at a specific time
cart_twin = reconstructor.reconstruct(
    obj_id="cart_123",
    target_time="2024-01-15T10:30:00Z"
)
print(f"Cart had {cart_twin.item_count} items worth ${cart_twin.total_value}")
"""

CLIENT: Final = 'import os\n\nclickhouse_client = os.environ["CLEW_SERVER"]\n'
"""What the quick start leaves to its reader: the client, which is the server's address here."""

CLASSES: Final = "from schema import CheckoutFlow, ShoppingCart\n"
"""What steps in files of their own need of the first one."""

NOW: Final = "\nprint(reconstructor.reconstruct('cart_123').to_dict())\n"


def write(folder: Path, name: str, *parts: str) -> None:
    (folder / name).write_text("".join(parts).replace("from trilog.", "from clew.twin."))


def run(folder: Path, name: str, server: ServerProcess) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "CLEW_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environ | {"CLEW_SERVER": server.url},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_steps_run_as_files_and_a_cart_that_was_not_there_yet_has_nothing(
    tmp_path: Path, server: ServerProcess
) -> None:
    write(tmp_path, "schema.py", SCHEMA)
    write(tmp_path, "export.py", CLASSES, EXPORT)
    write(tmp_path, "instrument.py", CLASSES, INSTRUMENT)
    write(tmp_path, "reconstruct.py", CLIENT, RECONSTRUCT, NOW)
    assert run(tmp_path, "export.py", server) == ""
    assert (tmp_path / "registry.json").exists()
    assert run(tmp_path, "instrument.py", server) == ""
    then, now = run(tmp_path, "reconstruct.py", server).splitlines()
    assert then == "Cart had None items worth $None"
    assert "'state': {'item_count': 5, 'total_value': 99.99}" in now


def test_the_steps_run_as_one_program_which_sees_what_it_said_itself(
    tmp_path: Path, server: ServerProcess
) -> None:
    write(tmp_path, "all.py", CLIENT, SCHEMA, EXPORT, INSTRUMENT, RECONSTRUCT, NOW)
    then, now = run(tmp_path, "all.py", server).splitlines()
    assert then == "Cart had None items worth $None"
    assert "'item_count': 5" in now
    assert "item_id" not in now


def test_a_cart_that_was_there_in_the_past_had_what_it_had(
    tmp_path: Path, server: ServerProcess
) -> None:
    sent = [
        state_change("cart_456", MORNING, 1, item_count=3, total_value=59.97),
        state_change("cart_456", MORNING + 10**9, 2, item_count=4),
    ]
    answer = httpx.post(
        f"{server.otlp_url}/v1/logs",
        content=request_of(sent),
        headers={"content-type": "application/x-protobuf"},
    )
    assert (answer.status_code, answer.content) == (200, b"")
    asked = RECONSTRUCT.replace("2024-01-15T10:30:00Z", format_time(MORNING)[:19] + "Z")
    write(tmp_path, "schema.py", SCHEMA)
    write(tmp_path, "past.py", CLIENT, CLASSES, asked.replace("cart_123", "cart_456"))
    assert run(tmp_path, "past.py", server) == "Cart had 3 items worth $59.97\n"
