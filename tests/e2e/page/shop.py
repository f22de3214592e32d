"""A shop with a morning that went wrong: what the page is shown in tests, always the same.

All of it is told at fixed times of yesterday's morning (UTC), which no retention has taken yet, and
by fixed ids, so that two runs show the same. Only the tree runs now: nobody can connect yesterday.
"""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from tests.e2e.telemetry import MS, Trace, send, to_attributes
from tests.integration.fingerprints import fingerprint, request_of
from tests.integration.link_bodies import descriptor_bytes, set_bytes

if TYPE_CHECKING:
    from clew.testing.server import ServerProcess

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND

MORNING: Final = (time.time_ns() // (86_400 * SECOND) - 1) * 86_400 * SECOND + 600 * MINUTE
"""Ten o'clock, yesterday: what is looked at begins here."""

NOON: Final = MORNING + 45 * MINUTE
"""When somebody looks at it: the page's clock stands still here."""

RANGE: Final = f"start={format_time(MORNING)[:19]}Z&end={format_time(NOON)[:19]}Z"
"""What the address of every page holds."""

NIGHT: Final = MORNING - 240 * MINUTE
"""When whoever means harm sent what he sent; the morning's pictures show nothing of it."""

NIGHT_RANGE: Final = (
    f"start={format_time(NIGHT)[:19]}Z&end={format_time(NIGHT + 600 * SECOND)[:19]}Z"
)

HOSTILE: Final = (
    "<script>window.owned=1</script><img src=x onerror=window.owned=2>"
    "\u202egnp.exe\u202c \x1b[2J\x07\x00 ${window.owned=3} {{7*7}} javascript:window.owned=4 "
)
"""What telemetry may hold: markup, a turn of direction, orders to a terminal, templates."""

REGISTRY: Final = {
    "registry": {"name": "shop", "version": "1.0.0"},
    "objects": {
        "ShoppingCart": {
            "name": "ShoppingCart",
            "prefix": "shopping_cart",
            "fields": {
                "item_count": {"name": "item_count", "type": "integer", "min_value": 0},
                "total": {"name": "total", "type": "float", "min_value": 0},
                "paid": {"name": "paid", "type": "float"},
                "status": {"name": "status", "type": "string"},
            },
            "invariants": [{"name": "covered", "expression": "paid <= total"}],
        }
    },
}

CART: Final = "cart_17"

OUTPUT: Final = 7_220_000_000_000_000_400
"""The detection whose origin is asked for; made of a fused frame, of a camera's and a lidar's."""

FUSED: Final = OUTPUT - 100
CAMERA: Final = OUTPUT - 200
LIDAR: Final = OUTPUT - 201


class Told(Trace):
    """A trace whose id is always the same."""

    @property
    def trace_id(self) -> str:
        return f"5eed0000000000{self.number:018x}"


@dataclass(frozen=True, slots=True)
class Shop:
    """The server that knows of it all, and the ids that journeys go to."""

    server: ServerProcess
    slow: str
    slow_span: str
    broken: str
    broken_span: str
    agent: str


def open_shop(server: ServerProcess) -> Shop:
    """Tell a server of the morning."""
    ask(server, "PUT", "/api/v1/registry", REGISTRY)
    _send_visits(server)
    _send_agents(server)
    _send_metrics(server)
    slow, slow_span = _send_slow(server)
    broken, broken_span = _send_cart(server)
    _send_lineage(server)
    return Shop(server, slow, slow_span, broken, broken_span, Told("research", 900).trace_id)


def ask(server: ServerProcess, method: str, path: str, body: Any = None) -> Any:
    """Ask REST, and return its document."""
    request = urllib.request.Request(
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=150) as response:
        return json.load(response)


def _send_visits(server: ServerProcess) -> None:
    """Visits of forty minutes; every seventh purchase by one provider fails."""
    visits: dict[str, list[Told]] = {}
    for number in range(96):
        start = MORNING + number * 25 * SECOND
        if number % 3:
            visit = Told("catalog", number, start)
            took = 18 + (number * 37) % 60
            root = visit.span(
                "GET /products", 0, took, attributes={"http.response.status_code": 200}
            )
            visit.span("SELECT products", 3, took - 4, root, attributes={"db.system": "postgresql"})
        else:
            visit = Told("checkout", number, start)
            failed = number % 21 == 0
            took = 120 + (number * 53) % 90
            provider = "acme" if failed or number % 2 else "globe"
            tier = "gold" if failed else "base"
            attributes = {"payment.provider": provider, "customer.tier": tier}
            bad: dict[str, Any] = (
                {"status": {"code": 2, "message": "card declined by provider"}} if failed else {}
            )
            root = visit.span("POST /checkout", 0, took, attributes=attributes, **bad)
            stock = visit.span("reserve stock", 4, 30, root)
            pay = visit.span("charge card", 32, took - 6, root, attributes=attributes, **bad)
            visit.log(f"charging {number} EUR by {provider}", 33, pay)
            calls = ("inventory", "POST /reserve", stock, 8), ("payments", "POST /charge", pay, 40)
            for service, operation, parent, at in calls:
                inside = Told(service, number, start)
                until = 28 if service == "inventory" else took - 8
                inside.span(operation, at, until, parent, kind=2, **bad if at == 40 else {})
                # An id of its own in a trace that two services tell of.
                inside.spans[0]["spanId"] = f"{at << 32 | number:016x}"
                visits.setdefault(service, []).append(inside)
            if failed:
                visit.log("provider answered 402: card declined", took - 8, pay, severity=17)
        visits.setdefault(visit.service, []).append(visit)
    # A request for each service, not for each visit: every one of them waits for a disk.
    for service, told in visits.items():
        whole = Told(service, 0)
        whole.spans = [span for each in told for span in each.spans]
        whole.logs = [log for each in told for log in each.logs]
        whole.send(server)


def _send_slow(server: ServerProcess) -> tuple[str, str]:
    """The purchase that took four seconds, because of one statement."""
    slow = Told("checkout", 501, MORNING + 31 * MINUTE)
    root = slow.span("POST /checkout", 0, 4212, attributes={"customer.tier": "gold"})
    stock = slow.span("reserve stock", 6, 3980, root)
    lock = slow.span(
        "SELECT stock FOR UPDATE",
        12,
        3968,
        stock,
        attributes={"db.system": "postgresql", "db.query.text": "SELECT … FOR UPDATE", "rows": 1},
        events=[
            {
                "timeUnixNano": str(slow.start_ns + 3000 * MS),
                "name": "lock wait",
                "attributes": to_attributes({"blocked.by": "nightly export"}),
            }
        ],
        links=[{"traceId": Told("export", 502).trace_id, "spanId": f"{1:016x}"}],
    )
    slow.span("charge card", 3990, 4190, root, attributes={"payment.provider": "globe"})
    slow.log("waiting for the lock of row 4711", 1000, lock, severity=13)
    slow.send(server)
    export = Told("export", 502, MORNING + 30 * MINUTE)
    export.span("nightly export", 0, 64_000)
    export.send(server)
    return slow.trace_id, lock


def _send_cart(server: ServerProcess) -> tuple[str, str]:
    """A cart's morning; a refund that came twice leaves it paid for more than it holds."""
    changes: list[tuple[int, dict[str, Any]]] = [
        (2, {"item_count": 1, "total": 19.9, "status": "open"}),
        (8, {"item_count": 2, "total": 49.8}),
        (17, {"item_count": 3, "total": 89.7}),
        (24, {"paid": 89.7, "status": "paid"}),
        (30, {"paid": 129.5}),
        (36, {"status": "shipped"}),
    ]
    ids = ("", "")
    records = []
    for seq, (minute, fields) in enumerate(changes):
        trace = Told("carts", 600 + seq, MORNING + minute * MINUTE)
        span = trace.span("apply payment" if "paid" in fields else "update cart", 0, 24)
        trace.send(server)
        # To the nanosecond, as programs tell it: some a little before a microsecond, some after.
        at = MORNING + minute * MINUTE + 10 * MS + 123 + 321 * seq
        record = fingerprint("state_change", CART, at, seq, fields)
        records.append(record | {"trace_id": trace.trace_id, "span_id": span})
        if minute == 30:
            ids = (trace.trace_id, span)
    for other in range(1, 9):
        at = MORNING + other * 4 * MINUTE
        fields = {"item_count": other, "total": 10.0 * other, "status": "open"}
        records.append(fingerprint("state_change", f"cart_{other}", at, 0, fields))
    wrong = {"item_count": "three"}
    records.append(fingerprint("state_change", "cart_9", MORNING + 12 * MINUTE, 0, wrong))
    _send_fingerprints(server, *records)
    return ids


def _send_fingerprints(server: ServerProcess, *records: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{server.otlp_url}/v1/logs",
        request_of(records, {"service.name": "carts"}),
        {"content-type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=150) as response:
        assert response.status == 200


def _send_agents(server: ServerProcess) -> None:
    """A run of an agent that asks a model and a tool, and a cheaper one."""
    for number, (agent, model, tokens) in enumerate(
        (("researcher", "gpt-4o", 42_000), ("planner", "gpt-4o-mini", 3_000))
    ):
        run = Told("research", 900 + number, MORNING + (20 + number) * MINUTE)
        named = {"gen_ai.agent.name": agent, "gen_ai.system": "openai"}
        root = run.span(
            f"invoke_agent {agent}",
            *(0, 9_400),
            attributes=named | {"gen_ai.operation.name": "invoke_agent"},
        )
        asked = [{"role": "user", "parts": [{"type": "text", "content": "Which plugs are loose?"}]}]
        said = [{"role": "assistant", "parts": [{"type": "text", "content": "Two: 4 and 11."}]}]
        model_call = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": tokens // 20,
            "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps(said),
        }
        run.span(f"chat {model}", 40, 4_100, root, attributes=named | model_call)
        run.span(
            "execute_tool search",
            *(4_150, 5_900, root),
            attributes=named
            | {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        )
        run.span(f"chat {model}", 5_950, 9_300, root, attributes=named | model_call)
        run.send(server)


def _send_metrics(server: ServerProcess) -> None:
    """A gauge and a counter, a point a minute."""
    gauge, counter = [], []
    for minute in range(45):
        at = {"timeUnixNano": str(MORNING + minute * MINUTE)}
        depth = 4 + (minute * 7) % 11 + (30 if 30 <= minute < 34 else 0)
        gauge.append(at | {"asInt": str(depth)})
        counter.append(
            at | {"startTimeUnixNano": str(MORNING - MINUTE), "asInt": str(minute * minute)}
        )
    items: list[dict[str, Any]] = [
        {"name": "shop.queue.depth", "unit": "{order}", "gauge": {"dataPoints": gauge}},
        {
            "name": "shop.orders",
            "unit": "{order}",
            "sum": {"dataPoints": counter, "aggregationTemporality": 2, "isMonotonic": True},
        },
    ]
    send(server, "metrics", "checkout", "scopeMetrics", "metrics", items)


def _send_lineage(server: ServerProcess) -> None:
    """Frames of two sensors, fused, and what was detected in them."""
    stages: tuple[tuple[int, str, str, float], ...] = (
        (CAMERA, "camera", "grab frame", 12),
        (LIDAR, "lidar", "sweep", 31),
        (FUSED, "fusion", "fuse", 44),
        (OUTPUT, "detector", "detect", 71),
    )
    body = b""
    for stream, (trace_id, service, operation, took) in enumerate(stages, 1):
        at = MORNING + 40 * MINUTE + stream * 50 * MS
        body += descriptor_bytes(trace_id, stream_id=stream, seq=stream, at=at)
        stage = Told(service, 700 + stream, at)
        stage.span(operation, 0, took, attributes={"tracelink.trace_id": str(trace_id)})
        stage.send(server)
    body += set_bytes(FUSED, [CAMERA, LIDAR], stream_id=3, seq=3)
    body += set_bytes(OUTPUT, [FUSED], stream_id=4, seq=4)
    request = urllib.request.Request(
        f"{server.url}/api/v1/links", body, {"content-type": "application/octet-stream"}
    )
    with urllib.request.urlopen(request, timeout=150) as response:
        assert response.status == 200


def send_hostile(server: ServerProcess) -> str:
    """Send text that means harm in every place that a page shows; return the trace."""
    trace = Told(HOSTILE, 800, NIGHT + 5 * MINUTE)
    harm = {"harm": HOSTILE, f"key {HOSTILE}": HOSTILE, "huge": "W" * 60_000}
    bad: dict[str, Any] = {"status": {"code": 2, "message": HOSTILE}}
    event = {"timeUnixNano": str(trace.start_ns), "name": HOSTILE, "attributes": []}
    root = trace.span(HOSTILE, 0, 50, attributes=harm, events=[event], **bad)
    trace.log(HOSTILE + "L" * 60_000, 1, root, severity=17)
    trace.send(server)
    record = fingerprint("state_change", f"cart {HOSTILE}", trace.start_ns, 0, {"status": HOSTILE})
    _send_fingerprints(server, record | {"trace_id": trace.trace_id, "span_id": root})
    comment = {"body": HOSTILE, "author": HOSTILE.replace("\x00", "")[:60]}
    ask(server, "POST", f"/api/v1/traces/{trace.trace_id}/comments", comment)
    return trace.trace_id
