"""Sends the telemetry that `interop` describes, through the official SDK for Python.

``python -m tests.integration.python_sender grpc|http/protobuf ENDPOINT SERVICE START_MS`` says on
stdout what it made.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

MS = 1_000_000

SECONDS_MAX = 60
"""For one answer: an exporter that gives up after its own ten seconds has lost what it had."""


class Sender:
    """One run of the sender."""

    def __init__(self, protocol: str, endpoint: str, service: str, start_ms: int) -> None:
        self._protocol = protocol
        self._endpoint = endpoint
        self._start = start_ms * MS
        self._resource = Resource(
            {
                "service.name": service,
                "service.version": "1.2.3",
                "host.cores": 8,
                "host.zones": ["a", "b"],
            }
        )

    def exporter(self, module: str, kind: str, signal: str) -> Any:
        """Return the official exporter of a signal."""
        place = "grpc" if self._protocol == "grpc" else "http"
        found = getattr(
            importlib.import_module(f"opentelemetry.exporter.otlp.proto.{place}.{module}"), kind
        )
        if place == "grpc":
            return found(endpoint=self._endpoint, insecure=True, timeout=SECONDS_MAX)
        return found(endpoint=f"{self._endpoint}/v1/{signal}", timeout=SECONDS_MAX)

    def at(self, milliseconds: int) -> int:
        """Return a moment of the story in nanoseconds."""
        return self._start + milliseconds * MS

    def send_spans(self) -> dict[str, str]:
        """Send spans; return their ids."""
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        exporter = self.exporter("trace_exporter", "OTLPSpanExporter", "traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("interop", "9.9", attributes={"scope.level": 5})
        linked = SpanContext(
            int("1111222233334444aaaabbbbccccdddd", 16),
            int("5555666677778888", 16),
            is_remote=True,
            trace_flags=TraceFlags(1),
            trace_state=TraceState([("vendor", "one")]),
        )
        root = tracer.start_span(
            "GET /orders",
            context=Context(),
            kind=SpanKind.SERVER,
            start_time=self.at(0),
            links=[Link(linked, {"link.reason": "follows", "link.rank": 2})],
            attributes={
                "text": "naïve 日本",
                "whole": 42,
                "real": 0.25,
                "yes": True,
                "words": ["a", "b"],
                "numbers": [1, 2, 3],
            },
        )
        root.add_event("cache.miss", {"key": "orders", "tries": 3}, self.at(5))
        self.inside = trace.set_span_in_context(root, Context())
        child = tracer.start_span(
            "SELECT orders", self.inside, SpanKind.CLIENT, start_time=self.at(10)
        )
        child.add_event(
            "exception",
            {
                "exception.type": "TimeoutError",
                "exception.message": "too slow",
                "exception.stacktrace": "at query",
            },
            self.at(20),
        )
        child.set_status(Status(StatusCode.ERROR, "query failed"))
        child.end(self.at(30))
        root.set_status(Status(StatusCode.OK))
        root.end(self.at(50))
        remote = SpanContext(
            int("0af7651916cd43dd8448eb211c80319c", 16),
            int("b7ad6b7169203331", 16),
            is_remote=True,
            trace_flags=TraceFlags(1),
        )
        orphan = tracer.start_span(
            "consume",
            trace.set_span_in_context(NonRecordingSpan(remote), Context()),
            SpanKind.CONSUMER,
            start_time=self.at(0),
        )
        orphan.end(self.at(1))
        provider.shutdown()
        return {
            "trace_id": f"{root.get_span_context().trace_id:032x}",
            "root": f"{root.get_span_context().span_id:016x}",
            "child": f"{child.get_span_context().span_id:016x}",
        }

    def send_logs(self) -> None:
        """Send log records."""
        provider = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        exporter = self.exporter("_log_exporter", "OTLPLogExporter", "logs")
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        logger = provider.get_logger("interop", "9.9")
        logger.emit(
            LogRecord(
                timestamp=self.at(15),
                observed_timestamp=self.at(16),
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                body="stock is low",
                attributes={"item": "lamp", "left": 2},
                context=self.inside,
            )
        )
        logger.emit(
            LogRecord(
                timestamp=self.at(17),
                severity_number=SeverityNumber.INFO,
                event_name="order.placed",
                body={"order": "o-1", "lines": [1, 2]},
                context=Context(),
            )
        )
        provider.shutdown()

    def send_metrics(self) -> None:
        """Send points of every kind that the SDK can make."""
        exporter = self.exporter("metric_exporter", "OTLPMetricExporter", "metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider(
            [reader],
            resource=self._resource,
            shutdown_on_exit=False,
            views=[
                View(
                    instrument_name="interop.sizes",
                    aggregation=ExponentialBucketHistogramAggregation(max_size=20),
                )
            ],
        )
        meter = provider.get_meter("interop", "9.9")
        requests = meter.create_counter("interop.requests", "{request}", "Requests")
        assert isinstance(requests, Counter)
        requests.add(7, {"route": "/a"}, self.inside)
        meter.create_up_down_counter("interop.active").add(-3)
        latency = meter.create_histogram(
            "interop.latency", "ms", explicit_bucket_boundaries_advisory=[1, 5, 10]
        )
        for value in (0.5, 3.0, 7.0, 20.0):
            latency.record(value, {"route": "/a"}, self.inside)
        sizes = meter.create_histogram("interop.sizes", "By")
        for size in (1, 2, 4, 1000):
            sizes.record(size)
        meter.create_gauge("interop.temperature", "Cel").set(21.5, {"room": "north"})
        from opentelemetry.metrics import Observation

        meter.create_observable_counter("interop.ticks", [lambda _: [Observation(11)]])
        provider.shutdown()


def main(arguments: list[str]) -> None:
    """Send everything."""
    protocol, endpoint, service, start_ms = arguments
    sender = Sender(protocol, endpoint, service, int(start_ms))
    made = sender.send_spans()
    sender.send_logs()
    sender.send_metrics()
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
