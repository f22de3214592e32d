"""Logs and metrics that go with the spans of `bench.data`: same services, same hours.

One log record for each five spans; ten series of each of four metrics a service, one point each ten
seconds. The messages are built once and their times and values set anew for each request.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from bench.data import FILL_START_NS, SERVICES, service_name, text_attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

NS_PER_LOG = 18_000_000
LOGS_PER_REQUEST = 500
CODES = 10_000
"""Each log body names one of so many codes: the rare word that the text search looks for."""

NS_PER_POINT = 10_000_000_000
SERIES_PER_METRIC = 10
GAUGE, COUNTER, HISTOGRAM, LEVEL = "process.memory", "http.requests", "http.duration", "queue.depth"
_BOUNDS = (5, 10, 25, 50, 100, 250, 500, 1000)

_SENTENCES = (
    "order accepted and handed to the warehouse",
    "payment declined by the gateway, will try again",
    "cache miss while reading the price list",
    "slow query on the customers table took longer than expected",
    "message consumed from the queue and acknowledged",
    "connection to upstream closed before the answer was complete",
)


def log_code(number: int) -> str:
    """Return the word that about one log in ten thousand holds."""
    return f"code-{number:04}"


@dataclass
class LogRequests:
    """Log requests of 500 records each; each request comes from one service."""

    start_ns: int = FILL_START_NS
    seed: int = 1
    _message: Any = field(default_factory=logs_service_pb2.ExportLogsServiceRequest)

    def requests(self, records: int) -> Iterator[bytes]:
        """Yield requests that hold so many records together, in order of time."""
        source = random.Random(self.seed)
        resource = self._message.resource_logs.add()
        resource.resource.attributes.append(text_attribute("service.name", ""))
        resource.resource.attributes.append(text_attribute("host.name", "node-07.example.net"))
        scope = resource.scope_logs.add()
        scope.scope.name = "shop.logging"
        for _ in range(LOGS_PER_REQUEST):
            record = scope.log_records.add(severity_number=9, severity_text="INFO")
            for key in ("thread.name", "code.file.path", "user.id"):
                record.attributes.append(text_attribute(key, ""))
        name = resource.resource.attributes[0].value
        for number in range(records // LOGS_PER_REQUEST):
            name.string_value = service_name(number % SERVICES)
            at = self.start_ns + number * LOGS_PER_REQUEST * NS_PER_LOG
            self._fill(source, scope.log_records, at)
            yield self._message.SerializeToString()

    @staticmethod
    def _fill(source: random.Random, records: Any, at: int) -> None:
        for position, record in enumerate(records):
            record.time_unix_nano = at + position * NS_PER_LOG
            record.observed_time_unix_nano = record.time_unix_nano + 1_000_000
            sentence = source.choice(_SENTENCES)
            record.body.string_value = (
                f"{sentence}, {log_code(source.randrange(CODES))} after {source.randrange(900)} ms"
            )
            record.trace_id, record.span_id = source.randbytes(16), source.randbytes(8)
            failed = source.random() < 0.02
            record.severity_number = 17 if failed else 9
            record.severity_text = "ERROR" if failed else "INFO"
            thread, path, user = record.attributes
            thread.value.string_value = f"worker-{source.randrange(16)}"
            path.value.string_value = f"shop/orders/handler_{source.randrange(40)}.go"
            user.value.string_value = f"user-{source.randrange(50_000)}"


@dataclass
class MetricRequests:
    """Metric requests: all series of all services at one moment, 400 points each."""

    start_ns: int = FILL_START_NS
    seed: int = 1
    _message: Any = field(default_factory=metrics_service_pb2.ExportMetricsServiceRequest)

    def requests(self, steps: int) -> Iterator[bytes]:
        """Yield a request for each of so many moments, ten seconds apart."""
        source = random.Random(self.seed)
        points = [point for service in range(SERVICES) for point in self._add_service(service)]
        for step in range(steps):
            at = self.start_ns + step * NS_PER_POINT
            for kind, point in points:
                point.time_unix_nano = at
                _measure(source, kind, point)
            yield self._message.SerializeToString()

    def _add_service(self, service: int) -> list[tuple[str, Any]]:
        """Add a service with its series; return their points, told by metric."""
        resource = self._message.resource_metrics.add()
        resource.resource.attributes.append(text_attribute("service.name", service_name(service)))
        scope = resource.scope_metrics.add()
        scope.scope.name = "shop.metrics"
        points = []
        for name, unit in ((GAUGE, "By"), (COUNTER, "1"), (HISTOGRAM, "ms"), (LEVEL, "1")):
            metric = scope.metrics.add(name=name, unit=unit, description=f"{name} of the shop")
            kind = {COUNTER: "sum", HISTOGRAM: "histogram"}.get(name, "gauge")
            data = getattr(metric, kind)
            if kind != "gauge":
                data.aggregation_temporality = 2
            if kind == "sum":
                data.is_monotonic = True
            for series in range(SERIES_PER_METRIC):
                point = data.data_points.add(start_time_unix_nano=self.start_ns)
                point.attributes.append(text_attribute("route", f"/shop/{series}"))
                point.attributes.append(text_attribute("region", f"region-{series % 3}"))
                points.append((kind, point))
        return points


def _measure(source: random.Random, kind: str, point: Any) -> None:
    """Move a point on to its next value."""
    if kind == "gauge":
        point.as_double = 100 + source.random() * 10
    elif kind == "sum":
        point.as_int += source.randrange(50)
    else:
        if not point.explicit_bounds:
            point.explicit_bounds.extend(_BOUNDS)
            point.bucket_counts.extend([0] * (len(_BOUNDS) + 1))
        bucket = source.randrange(len(_BOUNDS) + 1)
        point.bucket_counts[bucket] += 1
        point.count += 1
        point.sum += _BOUNDS[min(bucket, len(_BOUNDS) - 1)]
