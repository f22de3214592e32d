"""The steps of the specification's quick start run, the root of the imports apart.

Its names and calls are the contract; its words are not ours. So does our own page about the twin
run, against what `make run` starts.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx
import pytest

from clew.base.times import NS_PER_S, parse_time
from tests.e2e.terminal import environment
from tests.guides import run_page
from tests.integration.fingerprints import request_of, state_change

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_MAX = 150.0
"""A deadline, not an expectation."""

SCHEMA: Final = """\
from trilog.dsl import Object, Process, Integer, Float, String, List

class ShoppingCart(Object):
    item_count = Integer(default=0)
    total_value = Float(default=0.0)
    items = List(String())
    status = String(default="active")

class CheckoutFlow(Process):
    pass
"""

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
with anchor("cart_123", ShoppingCart):
    logger.state_change(item_count=5, total_value=99.99)
    logger.event("item_added", item_id="SKU-001")
"""

RECONSTRUCT: Final = """\
from trilog.engine import Reconstructor

reconstructor = Reconstructor(clickhouse_client)
cart_twin = reconstructor.reconstruct(obj_id="cart_123", target_time="2024-01-15T10:30:00Z")
print(f"{cart_twin.item_count}, {cart_twin.total_value}")
"""

CLIENT: Final = 'import os\n\nclickhouse_client = os.environ["CLEW_SERVER"]\n'
"""What the quick start leaves to its reader: the client, which is the server's address here."""

CLASSES: Final = "from schema import CheckoutFlow, ShoppingCart\n"
"""What steps in files of their own need of the first one."""

NOW: Final = "\nprint(reconstructor.reconstruct('cart_123').to_dict())\n"


ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "guide" / "twin.md"


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """What `make run` starts, the set-up being done; it keeps events of any age."""
    folder = tmp_path_factory.mktemp("run")
    doors = ("http", "otlp-http", "otlp-grpc", "trails", "links")
    flags = f"--data-dir {folder / 'data'} --retention-logs off "
    flags += " ".join(f"--{door} 127.0.0.1:0" for door in doors)
    process = subprocess.Popen(
        ["make", "-o", ".make/server", f"VENV={sys.prefix}", f"ARGS={flags}", "run"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(None),
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        banner = ""
        for line in process.stderr:
            banner += line
            if "clew is ready" in line:
                break
        addresses = re.findall(r"http://127\.0\.0\.1:\d+", banner)
        assert len(addresses) > 1, banner
        yield FrontDoor(*addresses[:2])
        # As Ctrl-C does: make passes on a SIGTERM, and two of them mean "at once".
        os.killpg(process.pid, signal.SIGINT)
        assert "closed" in process.stderr.read()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


class FrontDoor(NamedTuple):
    """Where a server listens."""

    url: str
    otlp_url: str


def write(folder: Path, name: str, *parts: str) -> None:
    (folder / name).write_text("".join(parts).replace("from trilog.", "from clew.twin."))


def run(folder: Path, name: str, door: FrontDoor) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment(door.url),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_steps_run_as_files_and_a_cart_that_was_not_there_yet_has_nothing(
    tmp_path: Path, front_door: FrontDoor
) -> None:
    write(tmp_path, "schema.py", SCHEMA)
    write(tmp_path, "export.py", CLASSES, EXPORT)
    write(tmp_path, "instrument.py", CLASSES, INSTRUMENT)
    write(tmp_path, "reconstruct.py", CLIENT, RECONSTRUCT, NOW)
    assert run(tmp_path, "export.py", front_door) == ""
    assert (tmp_path / "registry.json").exists()
    assert run(tmp_path, "instrument.py", front_door) == ""
    then, now = run(tmp_path, "reconstruct.py", front_door).splitlines()
    assert then == "None, None"
    assert "'state': {'item_count': 5, 'total_value': 99.99}" in now


def test_the_steps_run_as_one_program_which_sees_what_it_said_itself(
    tmp_path: Path, front_door: FrontDoor
) -> None:
    write(tmp_path, "all.py", CLIENT, SCHEMA, EXPORT, INSTRUMENT, RECONSTRUCT, NOW)
    then, now = run(tmp_path, "all.py", front_door).splitlines()
    assert then == "None, None"
    assert "'item_count': 5" in now
    assert "item_id" not in now


def test_a_cart_that_was_there_at_the_time_of_the_quick_start_had_what_it_had(
    tmp_path: Path, front_door: FrontDoor
) -> None:
    asked = parse_time("2024-01-15T10:30:00Z", now=0)
    sent = [
        state_change("cart_123", asked - NS_PER_S, 1, item_count=4),
        state_change("cart_123", asked, 2, item_count=5, total_value=99.99),
        state_change("cart_123", asked + 1, 3, item_count=6),
    ]
    answer = httpx.post(
        f"{front_door.otlp_url}/v1/logs",
        content=request_of(sent),
        headers={"content-type": "application/x-protobuf"},
        timeout=SECONDS_MAX,
    )
    assert (answer.status_code, answer.content) == (200, b"")
    write(tmp_path, "schema.py", SCHEMA)
    write(tmp_path, "past.py", CLIENT, CLASSES, RECONSTRUCT)
    assert run(tmp_path, "past.py", front_door) == "5, 99.99\n"


def test_the_page_of_the_guide_runs_from_top_to_bottom(
    tmp_path: Path, front_door: FrontDoor
) -> None:
    done = run_page(PAGE, tmp_path, {"CLEW_SERVER": front_door.url})
    assert (done.returncode, done.stderr) == (0, "")
    assert "updated ['total_value']" in done.stdout
    assert (tmp_path / "registry.json").exists()
