"""What an event of an object costs the program that says it, beside a plain OpenTelemetry record.

Every way goes through the same queue and the same exporter to a process that discards what comes.
The ways take turns within each round, so that a change in the machine's mood hits all of them; the
figure is the median of the rounds, the ratio that of the same round. `call_us` is CPU of the thread
that emits, `cpu_us` that of the whole process until the last record is sent.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource

from bench.figures import median_of
from clew.sdk.exporters import LogOutlet, make_exporter
from clew.sdk.quiet import Complaint
from clew.twin.anchoring.scope import anchor
from clew.twin.dsl import Float, Integer, Object, Registry, String
from clew.twin.logger.logger import TriLogLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry._logs import Logger

    from bench.machine import Session

RECORDS: Final = 1_000
"""Of one turn: two batches, far fewer than the queue holds. Many short turns find the machine in
every mood, and each ratio in one."""

FLUSH_S_MAX: Final = 60.0

REGISTRY: Final = Registry("bench")


@REGISTRY.register
class ShoppingCart(Object):
    """The one of the quick start."""

    item_count = Integer(default=0, min_value=0)
    total_value = Float(default=0.0)
    status = String(default="active", choices=["active", "paid"])


def run(session: Session) -> None:
    """Measure every way through one exporter."""
    rounds = 5 if session.quick else 61
    with _discarding() as url:
        exporter = make_exporter("logs", url)
        if exporter is None:
            raise AssertionError("the environment wants no logs to be exported")
        outlet = LogOutlet(exporter, Complaint(url))
        provider = LoggerProvider(
            Resource.create({"service.name": "bench"}), shutdown_on_exit=False
        )
        provider.add_log_record_processor(outlet)
        spent = _measure(_ways(provider), outlet, rounds)
        outlet.close(FLUSH_S_MAX)
    delivery = outlet.delivery()
    if delivery.dropped or delivery.sent != RECORDS * len(spent) * (rounds + 1):
        raise AssertionError(f"not all of the records were sent: {delivery}")
    for way, (calls, totals) in spent.items():
        session.add(f"emit.{way}.call_us", median_of(calls, "µs"))
        session.add(f"emit.{way}.cpu_us", median_of(totals, "µs"))
    for peer in ("otel_record", "otel_same_record"):
        for way in ("validated", "unvalidated"):
            pairs = zip(spent[way][1], spent[peer][1], strict=True)
            ratios = [ours / theirs for ours, theirs in pairs]
            session.add(f"emit.{way}.of_{peer}", median_of(ratios, "x"))


def _ways(provider: LoggerProvider) -> dict[str, Callable[[], None]]:
    checked = TriLogLogger("bench", provider=provider)
    unchecked = TriLogLogger("bench", validation="off", provider=provider)
    plain = provider.get_logger("bench")
    return {
        "validated": lambda: _say(checked),
        "unvalidated": lambda: _say(unchecked),
        "otel_record": lambda: _emit(plain, NOTHING),
        "otel_same_record": lambda: _emit(plain, SAME),
    }


NOTHING: Final[dict[str, str | int]] = {}

SAME: Final[dict[str, str | int]] = {
    "trilog.log.category": "state_change",
    "trilog.log.timestamp": "2026-11-21T03:00:00.123456789Z",
    "trilog.event.type": "state_change",
    "trilog.event.id": "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d",
    "trilog.event.seq": 1234,
    "trilog.anchor.depth": 0,
    "trilog.registry.checksum": "0123456789abcdef",
}
"""What an event says besides who changed and how, as a plain record would say it."""


def _say(logger: TriLogLogger) -> None:
    with anchor("cart_123", ShoppingCart):
        for number in range(RECORDS):
            logger.state_change(item_count=number, total_value=99.99, status="active")


def _emit(logger: Logger, besides: dict[str, str | int]) -> None:
    for number in range(RECORDS):
        now = time.time_ns()
        logger.emit(
            LogRecord(
                timestamp=now,
                observed_timestamp=now,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body="State change: item_count, total_value, status",
                attributes={
                    "trilog.obj.id": "cart_123",
                    "trilog.obj.type": "ShoppingCart",
                    "shopping_cart.item_count": number,
                    "shopping_cart.total_value": 99.99,
                    "shopping_cart.status": "active",
                    **besides,
                },
            )
        )


def _measure(
    ways: dict[str, Callable[[], None]], outlet: LogOutlet, rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return µs of each call and of all of the process, round by round, after a warm-up."""
    spent: dict[str, tuple[list[float], list[float]]] = {way: ([], []) for way in ways}
    for number in range(rounds + 1):
        for way, emit in ways.items():
            called, total = time.thread_time(), time.process_time()
            emit()
            called = time.thread_time() - called
            if not outlet.flush(FLUSH_S_MAX):
                raise AssertionError("the records are not sent in time")
            total = time.process_time() - total
            if number:
                spent[way][0].append(called / RECORDS * 1e6)
                spent[way][1].append(total / RECORDS * 1e6)
    return spent


@contextmanager
def _discarding() -> Iterator[str]:
    """Start who takes what is sent; give its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.discard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise AssertionError("it has pipes")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait()
