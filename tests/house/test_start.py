"""What a start waits for: nothing that only some questions need is loaded before the first one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SECONDS_MAX = 150.0

# What `clew serve` imports before it is ready, every door open.
STARTED = """
import json, sys
import clew.app.main, clew.surfaces.cli.program, clew.app.serving, clew.app.server
import clew.app.store, clew.store.engine.chdb, clew.app.doors
import clew.surfaces.grpc.export, clew.surfaces.grpc.jaeger, clew.surfaces.grpc.server
print(json.dumps(sorted(sys.modules)))
"""

LATER = {
    "clew.surfaces.cli.doctor",
    "clew.surfaces.cli.flags",
    "clew.surfaces.grpc._gen",
    "clew.surfaces.rest.openapi",
    "clew.telemetry.otlp.encode",
    "clew.telemetry.otlp.json_codec",
    "clew.telemetry.otlp.messages",
    "clew.telemetry.otlp.reference",
    # Its descriptors take a tenth of a second.
    "google.protobuf.descriptor",
    "pandas",
    "pyarrow.compute",
    # What models cost and what agents speak come with pydantic, twenty megabytes.
    "genai_prices",
    "mcp",
    "pydantic",
}


def test_a_start_loads_nothing_that_can_wait() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, timeout=SECONDS_MAX
    )
    assert done.returncode == 0, done.stderr
    assert not LATER & set(json.loads(done.stdout))


# What the first anchor brings with it stands in its own line: until then nobody pays for it.
EMITTING = """
import json, sys
{statement}
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import clew", ("clew.twin", "opentelemetry", "msgspec", "asyncio")),
        ("import clew.twin", ("clew.twin.", "opentelemetry", "msgspec", "asyncio")),
        (
            "from clew.twin import Object, Integer, Registry, anchor, TriLogLogger, tracked",
            ("opentelemetry", "asyncio", "http.client", "urllib.request"),
        ),
        (
            "from clew.twin.context import *; anchor('c', 'Cart'); TriLogLogger('x')",
            ("opentelemetry", "asyncio", "http.client", "urllib.request"),
        ),
        (
            "from clew.twin.context import anchor\nwith anchor('c'): pass",
            ("opentelemetry.sdk", "opentelemetry.exporter", "requests"),
        ),
    ],
)
def test_the_twin_is_loaded_by_whoever_uses_it_and_opentelemetry_by_the_first_anchor(
    statement: str, absent: tuple[str, ...]
) -> None:
    program = EMITTING.format(statement=statement)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS_MAX
    )
    assert done.returncode == 0, done.stderr
    loaded = [name for name in json.loads(done.stdout) if name.startswith(absent)]
    assert loaded == []
