"""Spans as plain values, what summary and topology must say of them, and the same spans as OTLP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conformance.query_requests import entries

MINUTE: Final = 60 * 10**9
MARGIN: Final = 15 * MINUTE
KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")

Key = tuple[int, int]


@dataclass(frozen=True)
class Made:
    """A span; times are nanoseconds from the start of the window, 0 is no parent."""

    trace: int
    number: int
    parent: int
    service: str
    operation: str
    kind: str
    at: int
    duration: int
    failed: bool
    message: str = ""
    exception: str = ""
    links: tuple[Key, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.trace, self.number

    @property
    def references(self) -> dict[Key, bool]:
        """Parent and linked spans, each once; true for what is only linked."""
        found = {(self.trace, self.parent): False} if self.parent else {}
        for link in self.links:
            found.setdefault(link, True)
        return found


def to_request(spans: Iterable[Made], start: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for made in spans:
        group = request.resource_spans.add()
        group.resource.attributes.extend(entries({"service.name": made.service}))
        events = []
        failure = Status(code=Status.STATUS_CODE_ERROR, message=made.message)
        if made.exception:
            attributes = entries({"exception.type": made.exception})
            events = [Span.Event(name="log"), Span.Event(name="exception", attributes=attributes)]
        group.scope_spans.add(
            spans=[
                Span(
                    trace_id=made.trace.to_bytes(16, "big"),
                    span_id=made.number.to_bytes(8, "big"),
                    parent_span_id=made.parent.to_bytes(8, "big") if made.parent else b"",
                    name=made.operation,
                    kind=Span.SpanKind.ValueType(KINDS.index(made.kind)),
                    start_time_unix_nano=start + made.at,
                    end_time_unix_nano=start + made.at + made.duration,
                    status=failure if made.failed else None,
                    events=events,
                    links=[
                        Span.Link(
                            trace_id=trace.to_bytes(16, "big"), span_id=number.to_bytes(8, "big")
                        )
                        for trace, number in made.links
                    ],
                    attributes=entries(made.attributes),
                )
            ]
        )
    return request


def quantile(durations: list[int], level: float) -> float:
    ordered = sorted(durations)
    return ordered[int(level * len(ordered))] / 1e6 if ordered else 0.0


def figures(spans: list[Made], seconds: float) -> dict[str, Any]:
    durations = [span.duration for span in spans]
    errors = sum(span.failed for span in spans)
    return {
        "span_count": len(spans),
        "error_count": errors,
        "error_rate": errors / len(spans) if spans else 0.0,
        "rate_per_second": len(spans) / seconds,
        "avg_ms": sum(durations) / len(spans) / 1e6 if spans else 0.0,
        "max_ms": max(durations, default=0) / 1e6,
        "p50_ms": quantile(durations, 0.5),
        "p95_ms": quantile(durations, 0.95),
        "p99_ms": quantile(durations, 0.99),
    }


def grouped(spans: Iterable[Made], key: Callable[[Made], Any]) -> dict[Any, list[Made]]:
    groups = defaultdict(list)
    for span in spans:
        groups[key(span)].append(span)
    return dict(groups)


@dataclass
class Graph:
    """Edges as ``(from, to, kind) → (calls, errors, average, p95)``, and what was not found."""

    edges: dict[tuple[str, str, str], tuple[int, int, float, float]]
    missing: dict[str, int]


def draw_graph(spans: list[Made], length: int) -> Graph:
    """Return the graph of the window ``[0, length)`` by looking at each pair of spans."""
    window = [span for span in spans if 0 <= span.at < length]
    around = [span for span in spans if -MARGIN <= span.at < length + MARGIN]
    known = {span.key: span for span in around}
    found: dict[tuple[str, str, str], list[Made]] = defaultdict(list)
    missing = {"call": 0, "link": 0}
    for child in window:
        for key, is_link in child.references.items():
            origin = known.get(key)
            if origin is None:
                missing["link" if is_link else "call"] += 1
            elif _is_across(origin, child):
                is_message = origin.kind == "producer" or child.kind == "consumer"
                kind = "messaging" if is_message else "link" if is_link else "call"
                found[origin.service, child.service, kind].append(child)
    services = {span.service for span in window}
    answered = {
        key
        for child in around
        for key in child.references
        if key in known and _is_across(known[key], child)
    }
    for span in window:
        kind, name = _peer(span)
        if not name:
            continue
        edge_kind = "messaging" if kind == "queue" else "call"
        if _receives(span):
            origins = [known[key] for key in span.references if key in known]
            if not any(_is_across(origin, span) for origin in origins):
                edge_kind = "unanswered" if name in services else "messaging"
                found[name, span.service, edge_kind].append(span)
        elif span.kind in {"client", "producer"} and span.key not in answered:
            edge_kind = "unanswered" if name in services else edge_kind
            found[span.service, name, edge_kind].append(span)
    edges = {
        edge: (
            len(each),
            sum(span.failed for span in each),
            sum(span.duration for span in each) / len(each) / 1e6,
            quantile([span.duration for span in each], 0.95),
        )
        for edge, each in found.items()
    }
    return Graph(edges, missing)


def _is_across(origin: Made, child: Made) -> bool:
    return origin.service != child.service or (
        origin.kind in {"client", "producer"} and child.kind in {"server", "consumer"}
    )


def _receives(span: Made) -> bool:
    operation = span.attributes.get("messaging.operation", "")
    return span.kind == "consumer" or (
        span.kind == "client" and operation in {"receive", "process"}
    )


def _peer(span: Made) -> tuple[str, str]:
    said = span.attributes
    address = said.get("peer.service") or said.get("server.address") or ""
    if system := said.get("messaging.system"):
        return "queue", "/".join(
            filter(None, [system, said.get("messaging.destination.name") or address])
        )
    if system := said.get("db.system"):
        return "database", "/".join(filter(None, [system, address or said.get("db.name")]))
    return "external", address or urlsplit(said.get("url.full", "")).hostname or ""
