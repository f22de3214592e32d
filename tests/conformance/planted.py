"""Seven hours of made-up telemetry, steady unless a test plants something into the last one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.telemetry.otlp.signal import Signal
from tests.conformance.query_requests import NOW, SECOND, log, logs_request, span, traces_request

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.conformance.query_store import HeldStore

HOUR: Final = 3600 * SECOND
HOURS: Final = 7
ERROR: Final = {"code": 2}
WORDS: Final = ("order accepted", "order shipped to warehouse", "cache miss for price list")


@dataclass
class Planted:
    """Telemetry of some services up to `now`; ids are told apart by a running number."""

    seed: int = 1
    now: int = NOW
    spans: dict[str, list[Span]] = field(default_factory=dict)
    logs: dict[str, list[LogRecord]] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def add_spans(
        self,
        service: str,
        operation: str,
        count: int,
        *,
        hours: tuple[float, float] = (HOURS, 0),
        failing: float = 0.02,
        ms: float = 20.0,
        attributes: dict[str, Any] | None = None,
    ) -> list[Span]:
        """Add spans at even distances between so many hours ago and so many."""
        first, last = (self.now - round(ago * HOUR) for ago in hours)
        added = []
        for place in range(count):
            self._number += 1
            at = first + (last - first) * (2 * place + 1) // (2 * count)
            duration = round(ms * 1e6 * self.chance.lognormvariate(0, 0.4))
            added.append(
                span(
                    self._number,
                    trace=self._number,
                    at=at,
                    duration=duration,
                    name=operation,
                    attributes=attributes,
                    status=ERROR if self.chance.random() < failing else {},
                )
            )
        self.spans.setdefault(service, []).extend(added)
        return added

    def add_logs(
        self,
        service: str,
        text: str,
        count: int,
        *,
        hours: tuple[float, float] = (HOURS, 0),
        severity: int = 9,
        trace: int = 0,
    ) -> None:
        """Add log records at even distances; ``{n}`` in the text is a number of their own."""
        first, last = (self.now - round(ago * HOUR) for ago in hours)
        for place in range(count):
            at = first + (last - first) * (2 * place + 1) // (2 * count)
            body = text.replace("{n}", str(self.chance.randrange(10**6)))
            more: dict[str, Any] = {"trace_id": trace.to_bytes(16, "big")} if trace else {}
            record = log(body, at=at, severity_number=severity, **more)
            self.logs.setdefault(service, []).append(record)

    def add_steady(self, service: str) -> None:
        """Add a service that does the same all the time, spans of two operations and logs."""
        self.add_spans(service, "read", 40 * HOURS)
        self.add_spans(service, "write", 30 * HOURS, failing=0.1, ms=80)
        for words in WORDS:
            self.add_logs(service, f"{words} {{n}}", 10 * HOURS)
        self.add_logs(service, "request {n} failed", 4 * HOURS, severity=17)

    def add_noisy(self, service: str) -> None:
        """Add a service whose traffic, failures and durations swing all the time."""
        for quarter in range(4 * HOURS):
            hours = (HOURS - quarter / 4, HOURS - (quarter + 1) / 4)
            self.add_spans(
                service,
                "batch",
                self.chance.choice((5, 20, 60)),
                hours=hours,
                failing=self.chance.choice((0.0, 0.1, 0.5)),
                ms=self.chance.choice((10, 50, 200)),
            )

    def send(self, store: HeldStore, place: str = "hot") -> None:
        """Put everything into a store; its rows are hot, in the engine, or in both places."""
        for service, spans in self.spans.items():
            half = len(spans) // 2
            store.add(Signal.TRACES, traces_request(spans[:half], service))
            if place == "mixed":
                store.flush()
            store.add(Signal.TRACES, traces_request(spans[half:], service))
        for service, records in self.logs.items():
            store.add(Signal.LOGS, logs_request(records, service))
        if place == "flushed":
            store.flush()
