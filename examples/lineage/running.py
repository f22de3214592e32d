"""What every example begins with: telemetry to the server, and tracing with a node id of its."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import clew
from clew import lineage

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def run_traced(name: str) -> Iterator[None]:
    """Trace what happens inside, each stage as a span; all of it is sent at the end."""
    run = clew.init(name)
    with lineage.ServerLease() as lease, lineage.enable_tracing(lease=lease, spans=True):
        yield
    run.shutdown()
