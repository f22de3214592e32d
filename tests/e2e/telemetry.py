"""Telemetry with known contents, sent as OTLP/JSON by hand."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from clew.testing.server import ServerProcess

MS = 1_000_000

SECONDS_MAX = 150.0
"""A deadline, not an expectation."""


@dataclass
class Trace:
    """A trace of one service: spans are added by name, times are milliseconds from its start."""

    service: str
    number: int
    start_ns: int = field(default_factory=time.time_ns)
    spans: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        # Distinct among tests, which share a server.
        return f"{abs(hash(self.service)) % 16**12:016x}{self.number:016x}"

    def span(
        self, name: str, start_ms: float, end_ms: float, parent: str | None = None, **more: Any
    ) -> str:
        """Add a span and return its id."""
        span_id = f"{len(self.spans) + 1:016x}"
        attributes = more.pop("attributes", {})
        self.spans.append(
            {
                "traceId": self.trace_id,
                "spanId": span_id,
                "name": name,
                "kind": 1,
                "startTimeUnixNano": str(self.start_ns + int(start_ms * MS)),
                "endTimeUnixNano": str(self.start_ns + int(end_ms * MS)),
                "attributes": to_attributes(attributes),
                **({"parentSpanId": parent} if parent else {}),
                **more,
            }
        )
        return span_id

    def log(self, body: str, at_ms: float, span_id: str, severity: int = 9) -> None:
        """Add a log record of a span."""
        self.logs.append(
            {
                "timeUnixNano": str(self.start_ns + int(at_ms * MS)),
                "severityNumber": severity,
                "body": {"stringValue": body},
                "traceId": self.trace_id,
                "spanId": span_id,
            }
        )

    def send(self, server: ServerProcess) -> None:
        """Send everything."""
        if self.spans:
            send(
                *(server, "traces", self.service, "scopeSpans", "spans", self.spans),
                resource=self.resource,
            )
        if self.logs:
            send(
                *(server, "logs", self.service, "scopeLogs", "logRecords", self.logs),
                resource=self.resource,
            )


def to_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": to_value(value)} for key, value in values.items()]


def to_value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": value}


def send(
    server: ServerProcess,
    signal: str,
    service: str,
    scopes: str,
    records: str,
    items: list[dict[str, Any]],
    *,
    resource: dict[str, Any] | None = None,
) -> None:
    """Send records of one signal."""
    named = {"service.name": service, **(resource or {})}
    outer = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}
    document = {
        outer[signal]: [
            {
                "resource": {"attributes": to_attributes(named)},
                scopes: [{"scope": {"name": "test"}, records: items}],
            }
        ]
    }
    request = urllib.request.Request(
        f"{server.url}/v1/{signal}",
        json.dumps(document).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as response:
        assert response.status == 200
