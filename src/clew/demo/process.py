"""``python -m clew.demo.process NAME SEED``: one part of the demo as a process of its own.

Whom it depends on it is told on stdin, so that all parts can start at once. A service says on
stdout where it listens and serves until its stdin is closed; the assistant says a line after each
conversation. At the end each sends what telemetry it still holds and says how much
of it was lost, so nothing outlives the demo, even when the demo is killed.

Each traces its stages, with a node id that the server lends it; link sets go with the rest of the
telemetry.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import clew
from clew import lineage
from clew.base.errors import ClewError
from clew.demo.agent import Assistant
from clew.demo.payments import make_payments
from clew.demo.service import run
from clew.demo.shop import make_shop
from clew.demo.system import EXPORT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

VERSIONS = {"payments": "2.0.1", "shop": "1.4.2", "assistant": "0.3.0"}


def main(arguments: Sequence[str]) -> None:
    """Be the part that the arguments name."""
    name, seed = arguments
    watched = clew.init(
        name,
        attributes={
            "service.version": VERSIONS[name],
            "deployment.environment.name": "demo",
        },
    )
    logging.getLogger().setLevel(logging.INFO)
    # The handler of clew is enough: what the demo's parts log belongs to the server, not here.
    logging.lastResort = None
    with tracing():
        match name:
            case "payments":
                run(make_payments(int(seed)), say)
            case "shop":
                run(make_shop(int(seed), payments_port=hear()["port"]), say)
            case _:
                told = hear()
                converse(Assistant(int(seed), told["port"]), told["count"])
    watched.result()
    watched.shutdown(EXPORT_S_MAX)
    say({"dropped": watched.dropped})


@contextmanager
def tracing() -> Iterator[None]:
    """Trace the stages of this process, each in a span; not where the server lends no node id."""
    try:
        lease = lineage.ServerLease()
    except ClewError as error:
        logger.warning("the lineage of what is made here is not traced: %s", error)
        yield
        return
    with lease, lineage.enable_tracing(lease=lease, to="otlp", spans=True):
        yield


def converse(assistant: Assistant, count: int) -> None:
    """Hold conversations and say so."""
    for number in range(count):
        held = assistant.converse(number)
        say({"ordered": held.is_ordered, "answer_id": str(held.answer_id)})


def hear() -> dict[str, Any]:
    """Return what the demo tells us: a line of JSON, once the others are there."""
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    return told


def say(what: dict[str, Any]) -> None:
    """Tell the demo something, one line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
