"""Random telemetry as OTLP/JSON, cut into requests: what shards and one whole server are given."""

from __future__ import annotations

import http.client
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SERVICES: Final = ("shop", "stock", "pay", "planner")
OPERATIONS: Final = {
    "shop": ("GET /cart", "POST /order", "render"),
    "stock": ("reserve", "SELECT items"),
    "pay": ("charge", "refund"),
    "planner": ("chat gpt-4o", "execute_tool search", "invoke_agent planner"),
}
SEVERITIES: Final = ((5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR"))
MS: Final = 1_000_000

NOT_COMPARED: Final = frozenset({"next", "elapsed_ms", "received_at", "example"})
"""What is of the server that answers: its cursors, what it took, when a record came to it, and
which of its records stands for a pattern."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: the path of its signal, and its body."""

    path: str
    body: dict[str, Any]


def send(url: str, pieces: Iterable[Piece]) -> None:
    """Send requests to a server's HTTP door, one after the other; each is acknowledged."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        for piece in pieces:
            body = json.dumps(piece.body)
            connection.request("POST", piece.path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, (answer.status, said)
    finally:
        connection.close()


def make_pieces(seed: int, start: int, traces: int) -> list[Piece]:
    """Return requests: a trace with its logs, points of metrics, events of objects, link sets.

    `start` is in Unix nanoseconds; what is made lies within the ten minutes after it. Some records
    share a time, and some spans come twice.
    """
    chance = random.Random(seed)
    pieces: list[Piece] = []
    for number in range(traces):
        pieces.append(_trace(chance, start, number))
        pieces.append(_logs(chance, start, number))
        if number % 3 == 0:
            pieces.append(_metrics(chance, start, number))
        if number % 2 == 0:
            pieces.append(_events(chance, start, number))
    return pieces


def divide(pieces: Sequence[Piece], shards: int, seed: int) -> list[list[Piece]]:
    """Return the requests of each shard; each goes to one of them."""
    chance = random.Random(seed)
    parts: list[list[Piece]] = [[] for _ in range(shards)]
    for piece in pieces:
        chance.choice(parts).append(piece)
    return parts


def scatter(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the same records with each span and each log record in a request of its own."""
    found: list[Piece] = []
    for piece in pieces:
        match piece.body:
            case {"resourceSpans": resources}:
                found += _alone(piece, "resourceSpans", "scopeSpans", "spans", resources)
            case {"resourceLogs": resources}:
                found += _alone(piece, "resourceLogs", "scopeLogs", "logRecords", resources)
            case _:
                found.append(piece)
    return found


def _alone(
    piece: Piece, resources: str, scopes: str, records: str, held: list[dict[str, Any]]
) -> Iterable[Piece]:
    for one in held:
        for scope in one[scopes]:
            for record in scope[records]:
                lone = {"resource": one["resource"], scopes: [{records: [record]}]}
                yield Piece(piece.path, {resources: [lone]})


def make_change(seed: int, start: int) -> list[Piece]:
    """Return spans and log records of services that are not in the second five minutes as before.

    `start` as in `make_pieces`.
    """
    chance = random.Random(seed)
    pieces = []
    for number in range(80):
        is_after = number >= 40
        at = start + (number % 40 * 7 + 300 * is_after) * 1000 * MS
        span = {
            "traceId": f"{0xC0000 + number:032x}",
            "spanId": f"{0xC0000 + number:016x}",
            "name": chance.choice(("quote", "rate")),
            "kind": 2,
            "startTimeUnixNano": str(at),
            "endTimeUnixNano": str(at + (900 if is_after else 20) * MS + chance.randrange(MS)),
            "attributes": _attributes({"version": "v2" if is_after else "v1"}),
            "status": {"code": 2, "message": "no rate"} if is_after and number % 3 else {},
        }
        spans = {"resource": _resource("rates"), "scopeSpans": [{"spans": [span]}]}
        pieces.append(Piece("/v1/traces", {"resourceSpans": [spans]}))
        text = f"rate {number} was lost" if is_after else f"rate {number} was found"
        record = {
            "timeUnixNano": str(at),
            "severityNumber": 17 if is_after else 9,
            "body": {"stringValue": text},
            "traceId": span["traceId"],
        }
        logs = {"resource": _resource("rates"), "scopeLogs": [{"logRecords": [record]}]}
        pieces.append(Piece("/v1/logs", {"resourceLogs": [logs]}))
    return pieces


def compared(document: Any) -> Any:
    """Return a document without what is of the server, and lists of equal times in one order."""
    if isinstance(document, dict):
        return {
            name: compared(value) for name, value in document.items() if name not in NOT_COMPARED
        }
    if isinstance(document, list):
        items = [compared(item) for item in document]
        if items and isinstance(items[0], dict):
            times = [item.get("timestamp") or item.get("start_time") for item in items]
            if None not in times:
                order = sorted(
                    range(len(items)),
                    key=lambda place: (times[place], json.dumps(items[place], sort_keys=True)),
                )
                return [items[place] for place in order]
        return items
    return document


def trace_id(number: int) -> str:
    """Return the id of a trace by its number."""
    return f"{number + 1:032x}"


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}


def _resource(service: str) -> dict[str, Any]:
    return {
        "attributes": _attributes({"service.name": service, "host.name": f"{service}-1", "pid": 7})
    }


def _trace(chance: random.Random, start: int, number: int) -> Piece:
    by_service: dict[str, list[dict[str, Any]]] = {}
    # Steps of a quarter of a second, so that times meet.
    began = start + chance.randrange(2400) * 250 * MS
    parent = ""
    for place in range(chance.randrange(1, 7)):
        service = chance.choice(SERVICES)
        operation = chance.choice(OPERATIONS[service])
        span_id = f"{(number + 1) * 100 + place:016x}"
        at = began + place * chance.choice((0, 3, 250)) * MS
        length = chance.choice((1, 5, 40, 333, 2500)) * MS + chance.randrange(1000)
        failed = chance.random() < 0.2
        span = {
            "traceId": trace_id(number),
            "spanId": span_id,
            "parentSpanId": parent,
            "name": operation,
            "kind": chance.choice((1, 2, 3, 4, 5)),
            "startTimeUnixNano": str(at),
            "endTimeUnixNano": str(at + length),
            "attributes": _attributes(_span_attributes(chance, service, operation, number)),
            "status": {"code": 2, "message": "it broke"} if failed else {},
            "events": _span_events(chance, at, failed=failed),
            "links": _span_links(chance, number),
        }
        by_service.setdefault(service, []).append(span)
        if chance.random() < 0.05:
            by_service[service].append(span)
        parent = span_id if chance.random() < 0.7 else parent
    return Piece(
        "/v1/traces",
        {
            "resourceSpans": [
                {"resource": _resource(service), "scopeSpans": [{"spans": spans}]}
                for service, spans in by_service.items()
            ]
        },
    )


def _span_attributes(
    chance: random.Random, service: str, operation: str, number: int
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "http.route": chance.choice(("/cart", "/order", "/pay")),
        "tenant": f"t{chance.randrange(5)}",
        "retries": chance.randrange(3),
        "ratio": chance.random(),
    }
    if service == "stock":
        values |= {"db.system": "postgresql", "db.namespace": "items", "peer.service": "items"}
    if service == "pay":
        values |= {"messaging.system": "kafka", "messaging.destination.name": "orders"}
    if service == "planner":
        values |= {
            "gen_ai.operation.name": operation.split(maxsplit=1)[0],
            "gen_ai.request.model": chance.choice(("gpt-4o", "claude-3-5-sonnet-20241022")),
            "gen_ai.system": "openai",
            "gen_ai.usage.input_tokens": chance.randrange(2000),
            "gen_ai.usage.output_tokens": chance.randrange(500),
            "gen_ai.agent.name": chance.choice(("planner", "scout")),
            "gen_ai.tool.name": "search",
            "gen_ai.conversation.id": f"c{number % 7}",
        }
        # What a span does not name itself it has from those above it, and from its trace.
        if number % 3 and not operation.startswith("invoke_agent"):
            del values["gen_ai.agent.name"]
        if number % 2 and not operation.startswith("chat"):
            del values["gen_ai.conversation.id"]
    if chance.random() < 0.3:
        values |= {"trails.app.id": f"{number % 5 + 1:08d}-0000-4000-8000-000000000000"}
    if chance.random() < 0.5:
        values |= {"tracelink.trace_id": str(1000 + number), "tracelink.stream_id": str(number % 3)}
    return values


def _span_events(chance: random.Random, at: int, *, failed: bool) -> list[dict[str, Any]]:
    events = []
    if failed and chance.random() < 0.7:
        events.append(
            {
                "name": "exception",
                "timeUnixNano": str(at + 10),
                "attributes": _attributes(
                    {
                        "exception.type": chance.choice(("TimeoutError", "ValueError")),
                        "exception.message": f"failed after {chance.randrange(90)} tries",
                    }
                ),
            }
        )
    if chance.random() < 0.2:
        events.append({"name": "retry", "timeUnixNano": str(at + 20), "attributes": []})
    return events


def _span_links(chance: random.Random, number: int) -> list[dict[str, Any]]:
    if number == 0 or chance.random() < 0.8:
        return []
    other = chance.randrange(number)
    return [{"traceId": trace_id(other), "spanId": f"{(other + 1) * 100:016x}", "attributes": []}]


def _logs(chance: random.Random, start: int, number: int) -> Piece:
    service = chance.choice(SERVICES)
    records = []
    for _ in range(chance.randrange(1, 8)):
        severity, text = chance.choice(SEVERITIES)
        record = {
            "timeUnixNano": str(start + chance.randrange(2400) * 250 * MS),
            "severityNumber": severity,
            "severityText": text,
            "body": {
                "stringValue": chance.choice(
                    (
                        f"order {chance.randrange(10_000)} was placed",
                        f"connection to 10.0.0.{chance.randrange(9)} timed out",
                        "cache is cold",
                    )
                )
            },
            "attributes": _attributes({"tenant": f"t{chance.randrange(5)}"}),
        }
        if chance.random() < 0.6:
            record |= {"traceId": trace_id(number), "spanId": f"{(number + 1) * 100:016x}"}
        records.append(record)
    return Piece(
        "/v1/logs",
        {
            "resourceLogs": [
                {"resource": _resource(service), "scopeLogs": [{"logRecords": records}]}
            ]
        },
    )


def _metrics(chance: random.Random, start: int, number: int) -> Piece:
    service = chance.choice(SERVICES)
    at = str(start + chance.randrange(2400) * 250 * MS)
    route = _attributes({"http.route": chance.choice(("/cart", "/order"))})
    gauge = {"timeUnixNano": at, "asDouble": chance.random() * 100, "attributes": route}
    total = {
        "startTimeUnixNano": str(start),
        "timeUnixNano": at,
        "asInt": str(chance.randrange(1000)),
        "attributes": route,
    }
    counts = [chance.randrange(20) for _ in range(4)]
    spread = {
        "startTimeUnixNano": str(start),
        "timeUnixNano": at,
        "count": str(sum(counts)),
        "sum": sum(counts) * 1.5,
        "bucketCounts": [str(count) for count in counts],
        "explicitBounds": [1.0, 10.0, 100.0],
        "attributes": route,
    }
    metrics = [
        {"name": "queue.length", "unit": "1", "gauge": {"dataPoints": [gauge]}},
        {
            "name": "orders",
            "unit": "1",
            "sum": {"dataPoints": [total], "aggregationTemporality": 1, "isMonotonic": True},
        },
        {
            "name": "http.server.duration",
            "unit": "ms",
            "histogram": {"dataPoints": [spread], "aggregationTemporality": 1},
        },
    ]
    return Piece(
        "/v1/metrics",
        {
            "resourceMetrics": [
                {"resource": _resource(service), "scopeMetrics": [{"metrics": metrics}]}
            ]
        },
    )


def _events(chance: random.Random, start: int, number: int) -> Piece:
    # Each object is told of by one writer, in the order of its numbers.
    subject = number % 6
    records = []
    for step in range(chance.randrange(1, 4)):
        at = start + (number * 4 + step) * 100 * MS
        values = {
            "trilog.event.type": "state_change",
            "trilog.event.id": f"e{number}-{step}",
            "trilog.obj.type": "Cart",
            "trilog.obj.id": f"cart_{subject}",
            "trilog.seq": number * 10 + step,
            "trilog.field.items": chance.randrange(10),
            "trilog.field.total": round(chance.random() * 100, 2),
        }
        records.append(
            {
                "timeUnixNano": str(at),
                "severityNumber": 9,
                "severityText": "INFO",
                "body": {"stringValue": "cart changed"},
                "attributes": _attributes(values),
                "traceId": trace_id(number),
                "spanId": f"{(number + 1) * 100:016x}",
            }
        )
    return Piece(
        "/v1/logs",
        {"resourceLogs": [{"resource": _resource("shop"), "scopeLogs": [{"logRecords": records}]}]},
    )
