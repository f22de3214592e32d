"""The official exporters, and the way out that each signal takes to them."""

from __future__ import annotations

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from clew.sdk.limits import EXPORT_S_MAX, METRIC_INTERVAL_MS, read_number, read_queue_limits
from clew.sdk.outbox import Outbox
from clew.sdk.quiet import LOGGER_NAME, Complaint, exporting, hush
from clew.sdk.run import Delivery

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

logger = logging.getLogger(LOGGER_NAME)

Record = TypeVar("Record")

HTTP: Final = "http/protobuf"

_HTTP_EXPORTERS: Final = {
    "traces": ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    "metrics": ("opentelemetry.exporter.otlp.proto.http.metric_exporter", "OTLPMetricExporter"),
    "logs": ("opentelemetry.exporter.otlp.proto.http._log_exporter", "OTLPLogExporter"),
}
_GRPC_EXPORTERS: Final = {
    "traces": ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "OTLPSpanExporter"),
    "metrics": ("opentelemetry.exporter.otlp.proto.grpc.metric_exporter", "OTLPMetricExporter"),
    "logs": ("opentelemetry.exporter.otlp.proto.grpc._log_exporter", "OTLPLogExporter"),
}


def make_exporter(signal: str, endpoint: str) -> Any | None:
    """Return the official exporter of a signal, None where the environment wants none.

    What the environment says (OTEL_EXPORTER_OTLP_*) is left to the exporter itself.
    """
    if "none" in os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", ""):
        return None
    protocol = _said(signal, "PROTOCOL") or HTTP
    is_grpc = protocol == "grpc"
    module, name = (_GRPC_EXPORTERS if is_grpc else _HTTP_EXPORTERS)[signal]
    try:
        kind = getattr(importlib.import_module(module), name)
    except ImportError:
        logger.warning(
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs opentelemetry-exporter-otlp-proto-grpc; "
            "%s are not exported",
            signal,
        )
        return None
    options: dict[str, Any] = {}
    if not _said(signal, "TIMEOUT"):
        options["timeout"] = EXPORT_S_MAX
    if not _said(signal, "ENDPOINT"):
        options["endpoint"] = endpoint if is_grpc else f"{endpoint}/v1/{signal}"
    api_key = _key_for(signal)
    if api_key:
        options["headers"] = {"authorization": f"Bearer {api_key}"}
    if not is_grpc and _stays_here(_said(signal, "ENDPOINT") or endpoint):
        options["session"] = _direct_session()
    exporter = kind(**options)
    hush(exporter)
    return exporter


class _Queued(Generic[Record]):
    """A way out with a queue: what its signal's processor is beside taking records."""

    def __init__(self, noun: str, prefix: str, exporter: Any, complaint: Complaint) -> None:
        sender = _Sender(noun, exporter, complaint)
        limits = read_queue_limits(prefix)

        def overflow() -> None:
            complaint.tell_overflow(noun, limits.records_max, f"{prefix}_MAX_QUEUE_SIZE")

        self._outbox: Outbox[Record] = Outbox(noun, limits, sender.send, sender.abandon, overflow)

    def delivery(self) -> Delivery:
        """Return what became of the records so far."""
        return self._outbox.delivery()

    def flush(self, timeout_s: float) -> bool:
        """Send what waits; return whether nothing waits any more."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Send what waits and stop."""
        self._outbox.close(timeout_s)

    def shutdown(self) -> None:
        """Close for the provider, which says no time."""
        self._outbox.close(EXPORT_S_MAX)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush for the provider."""
        return self._outbox.flush(timeout_millis / 1000)


class SpanOutlet(_Queued["ReadableSpan"], SpanProcessor):
    """Takes ended spans that are sampled."""

    def __init__(self, exporter: Any, complaint: Complaint) -> None:
        super().__init__("spans", "OTEL_BSP", exporter, complaint)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._outbox.put(span)


class LogOutlet(_Queued[ReadableLogRecord], LogRecordProcessor):
    """Takes log records."""

    def __init__(self, exporter: Any, complaint: Complaint) -> None:
        super().__init__("log records", "OTEL_BLRP", exporter, complaint)
        self._known: tuple[Resource | None, Resource] = (None, _Hashed(Resource.create()))

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a record, as exporters take it."""
        given, hashed = self._known
        if given is not log_record.resource and log_record.resource is not None:
            given, hashed = self._known = (log_record.resource, _Hashed(log_record.resource))
        self._outbox.put(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=hashed,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )


class _Hashed(Resource):
    """A resource that knows its hash: exporters ask for it with every record, to group them.

    OpenTelemetry's own writes itself out as JSON each time, a tenth of what a record costs.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__(dict(resource.attributes), resource.schema_url)
        self._hash = super().__hash__()

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def __hash__(self) -> int:
        return self._hash


class MetricOutlet:
    """Collects metrics at intervals; there is no queue, the newest values are what counts."""

    def __init__(self, exporter: MetricExporter, complaint: Complaint) -> None:
        self._exporter = _CountingMetricExporter(exporter, complaint)
        interval_ms = read_number("OTEL_METRIC_EXPORT_INTERVAL", METRIC_INTERVAL_MS)
        self.reader = PeriodicExportingMetricReader(
            self._exporter, export_interval_millis=interval_ms
        )
        self._is_closed = False

    def delivery(self) -> Delivery:
        """Return what became of the points so far."""
        return Delivery("points", self._exporter.sent, self._exporter.dropped, 0)

    def flush(self, timeout_s: float) -> bool:
        """Collect and send now."""
        before = self._exporter.dropped
        self.reader.force_flush(timeout_s * 1000)
        return self._exporter.dropped == before

    def close(self, timeout_s: float) -> None:
        """Collect and send a last time, and stop."""
        if not self._is_closed:
            self._is_closed = True
            self.reader.shutdown(timeout_s * 1000)


class _Sender:
    """Gives batches to an exporter, quietly, and tells of the first loss."""

    def __init__(self, noun: str, exporter: Any, complaint: Complaint) -> None:
        self._noun = noun
        self._exporter = exporter
        self._complaint = complaint

    def send(self, batch: list[Any]) -> bool:
        """Return whether the server took a batch."""
        with exporting():
            try:
                # Every signal's result has a member SUCCESS; they are otherwise unrelated types.
                is_taken = bool(self._exporter.export(batch).name == "SUCCESS")
            except Exception:  # noqa: BLE001 - an exporter's fault must not end the sender
                is_taken = False
        if not is_taken:
            self._complaint.tell(self._noun, len(batch))
        return is_taken

    def abandon(self, lost: int) -> None:
        """Make a running export give up its retries; so many records will not arrive.

        The process may be over before that export says that it failed, so it is told here.
        """
        self._complaint.tell(self._noun, lost)
        with exporting():
            self._exporter.shutdown()


class _CountingMetricExporter(MetricExporter):
    """An exporter that works quietly, counts, and tells of the first loss."""

    def __init__(self, exporter: Any, complaint: Complaint) -> None:
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,  # noqa: SLF001
            preferred_aggregation=exporter._preferred_aggregation,  # noqa: SLF001
        )
        self._exporter = exporter
        self._complaint = complaint
        self.sent = 0
        self.dropped = 0

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export, and count the points."""
        count = _count_points(metrics_data)
        with exporting():
            try:
                result: MetricExportResult = self._exporter.export(
                    metrics_data, timeout_millis=timeout_millis, **kwargs
                )
            except Exception:  # noqa: BLE001 - an exporter's fault must not end the reader
                result = MetricExportResult.FAILURE
        if result is MetricExportResult.SUCCESS:
            self.sent += count
        else:
            self.dropped += count
            self._complaint.tell("points", count)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the exporter down; its retries end."""
        with exporting():
            self._exporter.shutdown(timeout_millis=max(0.0, timeout_millis), **kwargs)


def _count_points(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _key_for(signal: str) -> str | None:
    """Return the API key to show, None where there is none, or the environment says what to send.

    Where the environment names the address and it is another machine's, it is shown to the one that
    CLEW_SERVER names alone: it might be anybody's.
    """
    api_key = os.environ.get("CLEW_API_KEY", "").strip()
    if not api_key or _said(signal, "HEADERS"):
        return None
    named = _said(signal, "ENDPOINT")
    if not named or _stays_here(named) or _host(named) == _host(os.environ.get("CLEW_SERVER", "")):
        return api_key
    return None


def _host(address: str) -> str | None:
    return urlsplit(address if "://" in address else f"http://{address}").hostname


def _said(signal: str, what: str) -> str:
    """Return what the environment says of a signal's exporter, or of all of them."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", "")
    return own or os.environ.get(f"OTEL_EXPORTER_OTLP_{what}", "")


def _stays_here(url: str) -> bool:
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _direct_session() -> Any:
    """Return a session that ignores proxies: none of them reaches this machine's loopback."""
    import requests

    session = requests.Session()
    session.trust_env = False
    return session
