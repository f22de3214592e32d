"""A made-up company's telemetry with a planted fault: ten minutes of trouble after an hour without.

Every incident has the same cast: a storefront that calls orders, which call inventory (with a
database) and payments; an assistant with tools; and `reports`, a loud neighbour whose traffic
grows in the very minutes of the trouble, which always failed now and then, is slow by nature, and
never is the cause. What is random comes from the incident's seed.
"""

from __future__ import annotations

import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew.testing.server import ServerProcess

MINUTE_NS: Final = 60_000_000_000
MS: Final = 1_000_000
QUIET_MINUTES: Final = 60
BAD_MINUTES: Final = 10
ORDERS_PER_MINUTE: Final = 12
RUNS_PER_MINUTE: Final = 2
REPORTS_PER_MINUTE: Final = 10
HOSTS: Final = ("node-1", "node-2", "node-3", "node-4")
TENANTS: Final = ("acme", "birch", "cedar", "dune", "elm")
VERSIONS: Final = {"payments": "2.0.4", "orders": "5.1.0", "inventory": "1.9.2"}
BATCH_SPANS: Final = 2000

Text = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong in the bad minutes. Every field is a knob of the made-up company."""

    name: str
    slow_stock_ms: float = 0.0
    bad_version: str | None = None
    failing_tool: str | None = None
    bad_host: str | None = None
    bad_tenant: str | None = None
    louder: int = 3


@dataclass
class Made:
    """One span before it is sent: times are nanoseconds since the epoch."""

    service: str
    name: str
    start: int
    end: int
    trace_id: bytes
    span_id: bytes
    parent: bytes
    attributes: Text = field(default_factory=dict)
    resource: Text = field(default_factory=dict)
    error: str = ""
    kind: Span.SpanKind.ValueType = Span.SPAN_KIND_INTERNAL


class Company:
    """Makes the spans and log lines of one incident that begins at `start_ns`."""

    def __init__(self, fault: Fault, start_ns: int, seed: int) -> None:
        self.fault = fault
        self.start_ns = start_ns
        self.trouble_ns = start_ns + QUIET_MINUTES * MINUTE_NS
        self.end_ns = self.trouble_ns + BAD_MINUTES * MINUTE_NS
        self._random = random.Random(seed)
        self.spans: list[Made] = []
        self.logs: list[tuple[Made, str, int]] = []

    def send(self, server: ServerProcess) -> None:
        """Make and send everything, once."""
        for minute in range(QUIET_MINUTES + BAD_MINUTES):
            self._make_minute(self.start_ns + minute * MINUTE_NS, is_bad=minute >= QUIET_MINUTES)
        for request in self._trace_requests():
            _post(server, "traces", request.SerializeToString())
        _post(server, "logs", self._log_request().SerializeToString())

    def _make_minute(self, start: int, *, is_bad: bool) -> None:
        for _ in range(ORDERS_PER_MINUTE):
            self._order(self._moment(start), is_bad=is_bad)
        for _ in range(RUNS_PER_MINUTE):
            self._run(self._moment(start), is_bad=is_bad)
        for _ in range(REPORTS_PER_MINUTE * (self.fault.louder if is_bad else 1)):
            self._report(self._moment(start))

    def _moment(self, start: int) -> int:
        return start + self._random.randrange(MINUTE_NS - 10_000 * MS)

    def _ms(self, mean: float) -> float:
        return mean * self._random.lognormvariate(0.0, 0.25)

    def _order(self, at: int, *, is_bad: bool) -> None:
        """Storefront → orders → inventory → database, then payments → bank."""
        fault = self.fault
        tenant = self._random.choice(TENANTS)
        root = self._open("storefront", "POST /order", at, None, Span.SPAN_KIND_SERVER)
        root.attributes["tenant"] = tenant
        order = self._open("orders", "place order", at + 2 * MS, root, Span.SPAN_KIND_SERVER)
        stock = self._open("inventory", "GET /stock", at + 4 * MS, order, Span.SPAN_KIND_SERVER)
        query = self._open("inventory", "SELECT stock", at + 5 * MS, stock, Span.SPAN_KIND_CLIENT)
        query.attributes |= {"db.system.name": "postgresql", "server.address": "pg-stock"}
        slow = fault.slow_stock_ms if is_bad else 0.0
        self._close(query, self._ms(12.0) + (self._ms(slow) if slow else 0.0))
        self._close_after(stock, query)
        charge = self._open(
            "payments", "POST /charge", stock.end + MS, order, Span.SPAN_KIND_SERVER
        )
        charge.attributes["tenant"] = tenant
        host = self._random.choice(HOSTS)
        charge.resource["host.name"] = host
        bank = self._open("payments", "POST bank", charge.start + MS, charge, Span.SPAN_KIND_CLIENT)
        bank.resource = charge.resource
        bank.attributes["server.address"] = "bank.example"
        is_slow_host = is_bad and host == fault.bad_host
        self._close(bank, self._ms(600.0 if is_slow_host else 40.0))
        self._close_after(charge, bank)
        if is_bad and fault.bad_version is not None and self._random.random() < 0.5:
            charge.resource["service.version"] = fault.bad_version
            if self._random.random() < 0.7:
                self._fail(charge, "ValueError: currency is missing")
        if is_bad and tenant == fault.bad_tenant:
            self._fail(charge, "PermissionError: merchant account is suspended")
        self._close_after(order, charge)
        self._close_after(root, order)
        if charge.error:
            self._fail(order, "payment failed", has_log=False)
            self._fail(root, "500 Internal Server Error", has_log=False)
        else:
            self.logs.append((order, f"order of {tenant} placed", 9))

    def _run(self, at: int, *, is_bad: bool) -> None:
        """One run of the assistant: it plans, uses its tools, and answers."""
        root = self._open("assistant", "invoke_agent planner", at, None)
        root.attributes |= {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "planner",
            "gen_ai.provider.name": "example",
        }
        last = self._chat(root, root.start + MS)
        for tool in ("search_flights", "book_hotel"):
            is_failing = is_bad and tool == self.fault.failing_tool
            for _ in range(6 if is_failing else 1):
                last = self._tool(root, tool, last.end + MS, is_failing=is_failing)
                last = self._chat(root, last.end + MS)
        self._close_after(root, last)

    def _chat(self, root: Made, at: int) -> Made:
        span = self._open("assistant", "chat large-1", at, root, Span.SPAN_KIND_CLIENT)
        span.attributes |= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "example",
            "gen_ai.request.model": "large-1",
            "gen_ai.usage.input_tokens": "900",
            "gen_ai.usage.output_tokens": "60",
        }
        self._close(span, self._ms(300.0))
        return span

    def _tool(self, root: Made, tool: str, at: int, *, is_failing: bool) -> Made:
        span = self._open("assistant", f"execute_tool {tool}", at, root)
        span.attributes |= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.arguments": '{"to": "Lisbon"}',
        }
        self._close(span, self._ms(80.0))
        if is_failing:
            self._fail(span, "KeyError: 'departure_date'")
        return span

    def _report(self, at: int) -> None:
        """The neighbour: long, busy, and failing now and then as it always did."""
        root = self._open("reports", "build report", at, None)
        end = at
        for _ in range(4):
            query = self._open("reports", "SELECT sales", end + MS, root, Span.SPAN_KIND_CLIENT)
            query.attributes |= {"db.system.name": "postgresql", "server.address": "pg-reports"}
            self._close(query, self._ms(250.0))
            end = query.end
        self._close(root, (end - at) / MS + 1)
        if self._random.random() < 0.1:
            self._fail(root, "TimeoutError: report took too long")

    def _open(
        self,
        service: str,
        name: str,
        at: int,
        parent: Made | None,
        kind: Span.SpanKind.ValueType = Span.SPAN_KIND_INTERNAL,
    ) -> Made:
        trace_id = self._random.randbytes(16) if parent is None else parent.trace_id
        resource = {"service.version": VERSIONS.get(service, "1.0.0"), "host.name": "node-1"}
        span = Made(
            *(service, name, at, at, trace_id, self._random.randbytes(8)),
            b"" if parent is None else parent.span_id,
            resource=resource,
            kind=kind,
        )
        self.spans.append(span)
        return span

    def _close(self, span: Made, length_ms: float) -> None:
        span.end = span.start + int(length_ms * MS)

    def _close_after(self, span: Made, child: Made) -> None:
        span.end = child.end + int(self._ms(1.0) * MS)

    def _fail(self, span: Made, message: str, *, has_log: bool = True) -> None:
        span.error = message
        if has_log:
            self.logs.append((span, f"{span.name} failed: {message}", 17))

    def _trace_requests(self) -> Iterator[ExportTraceServiceRequest]:
        for first in range(0, len(self.spans), BATCH_SPANS):
            request = ExportTraceServiceRequest()
            for made in self.spans[first : first + BATCH_SPANS]:
                resource = request.resource_spans.add()
                names = {"service.name": made.service, **made.resource}
                for key, value in names.items():
                    resource.resource.attributes.add(key=key).value.string_value = value
                span = resource.scope_spans.add().spans.add(
                    trace_id=made.trace_id,
                    span_id=made.span_id,
                    parent_span_id=made.parent,
                    name=made.name,
                    kind=made.kind,
                    start_time_unix_nano=made.start,
                    end_time_unix_nano=made.end,
                )
                for key, value in made.attributes.items():
                    _set(span, key, value)
                if made.error:
                    span.status.code = 2
                    span.status.message = made.error
            yield request

    def _log_request(self) -> ExportLogsServiceRequest:
        request = ExportLogsServiceRequest()
        for made, body, severity in self.logs:
            resource = request.resource_logs.add()
            resource.resource.attributes.add(key="service.name").value.string_value = made.service
            record = resource.scope_logs.add().log_records.add(
                time_unix_nano=made.end,
                severity_number=severity,
                trace_id=made.trace_id,
                span_id=made.span_id,
            )
            record.body.string_value = body
        return request


def _set(span: Span, key: str, value: str) -> None:
    attribute = span.attributes.add(key=key).value
    if key.startswith("gen_ai.usage."):
        attribute.int_value = int(value)
    else:
        attribute.string_value = value


def _post(server: ServerProcess, signal: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{server.url}/v1/{signal}", body, {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200
