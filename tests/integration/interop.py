"""What both official SDKs are made to send, and how it must come back over REST, field by field."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.integration.wire import ask

SECONDS_MAX = 150.0
"""A deadline, not an expectation: starting an SDK takes a second, or ten on a busy machine."""

MS = 1_000_000


@dataclass(frozen=True)
class Sent:
    """What a sender made."""

    server: ServerProcess
    service: str
    start_ms: int
    trace_id: str
    root: str
    child: str

    def at(self, milliseconds: int) -> str:
        """Return a moment of the story as the documents write it."""
        return format_time((self.start_ms + milliseconds) * MS)

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask the server; attribute values keep their types."""
        query = urlencode({"attributes": "typed", **parameters})
        answer = ask(self.server.url, "GET", f"/api/v1/{path}?{query}")
        assert answer.status == 200, answer.body
        return answer.document

    def point(self, name: str) -> Any:
        """Return the one point of a metric."""
        points = self.get("metrics", service=self.service, name=name)["metrics"]
        assert len(points) == 1, points
        return points[0]


def run_sender(
    command: list[str],
    server: ServerProcess,
    endpoint: str,
    service: str,
    start_ms: int,
    folder: Path,
) -> Sent:
    """Run a sender to its end."""
    done = subprocess.run(
        [*command, endpoint, service, str(start_ms)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    return Sent(server, service, start_ms, made["trace_id"], made["root"], made["child"])


def check_spans(sent: Sent, *, link_state: str) -> None:
    """Spans: kinds, times, typed attributes, events, links, status, tree, resource and scope."""
    trace = sent.get(f"traces/{sent.trace_id}")["spans"]
    assert [span["span_id"] for span in trace] == [sent.root, sent.child]
    root, child = trace
    assert (root["operation"], root["kind"], root["status"]) == ("GET /orders", "server", "ok")
    assert (root["start_time"], root["end_time"]) == (sent.at(0), sent.at(50))
    assert (root["duration_ms"], root["self_time_ms"], root["depth"]) == (50.0, 30.0, 0)
    assert root["parent_span_id"] is None
    assert root["attributes"] == {
        "text": "naïve 日本",
        "whole": 42,
        "real": 0.25,
        "yes": True,
        "words": ["a", "b"],
        "numbers": [1, 2, 3],
    }
    assert root["events"] == [
        {
            "name": "cache.miss",
            "timestamp": sent.at(5),
            "attributes": {"key": "orders", "tries": 3},
        }
    ]
    assert root["links"] == [
        {
            "trace_id": "1111222233334444aaaabbbbccccdddd",
            "span_id": "5555666677778888",
            "trace_state": link_state,
            "attributes": {"link.reason": "follows", "link.rank": 2},
        }
    ]
    check_origin(sent, root)
    assert (child["parent_span_id"], child["kind"], child["depth"]) == (sent.root, "client", 1)
    assert (child["status"], child["status_message"]) == ("error", "query failed")
    (exception,) = child["events"]
    assert (exception["name"], exception["timestamp"]) == ("exception", sent.at(20))
    assert exception["attributes"] == {
        "exception.type": "TimeoutError",
        "exception.message": "too slow",
        "exception.stacktrace": "at query",
    }
    (orphan,) = sent.get("traces", service=sent.service, operation="consume")["spans"]
    assert orphan["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert orphan["parent_span_id"] == "b7ad6b7169203331"
    assert (orphan["kind"], orphan["duration_ms"]) == ("consumer", 1.0)


def check_origin(sent: Sent, record: Any) -> None:
    """Check resource and scope of a record."""
    resource = record["resource"]
    assert resource["service.name"] == sent.service == record["service"]
    assert resource["service.version"] == "1.2.3"
    assert resource["host.cores"] == 8
    assert resource["host.zones"] == ["a", "b"]
    assert (record["scope"]["name"], record["scope"]["version"]) == ("interop", "9.9")


def check_logs(sent: Sent) -> None:
    """Log records: times, severity, body of text and of structure, the span they belong to."""
    placed, low = sent.get("logs", service=sent.service)["logs"]
    assert low["body"] == "stock is low"
    assert (low["timestamp"], low["observed_timestamp"]) == (sent.at(15), sent.at(16))
    assert (low["severity"], low["severity_number"], low["severity_text"]) == ("warn", 13, "WARN")
    assert (low["trace_id"], low["span_id"]) == (sent.trace_id, sent.root)
    assert low["attributes"] == {"item": "lamp", "left": 2}
    check_origin(sent, low)
    assert placed["body"] == {"order": "o-1", "lines": [1, 2]}
    assert (placed["event_name"], placed["severity"]) == ("order.placed", "info")
    assert (placed["trace_id"], placed["span_id"]) == (None, None)


def check_metrics(sent: Sent) -> None:
    """Points of every kind: value, unit, temporality, monotony, buckets."""
    requests = sent.point("interop.requests")
    assert (requests["metric_type"], requests["value"], requests["unit"]) == ("sum", 7, "{request}")
    assert (requests["temporality"], requests["monotonic"]) == ("cumulative", True)
    assert requests["attributes"] == {"route": "/a"}
    active = sent.point("interop.active")
    assert (active["value"], active["monotonic"]) == (-3, False)
    ticks = sent.point("interop.ticks")
    assert (ticks["value"], ticks["monotonic"]) == (11, True)
    temperature = sent.point("interop.temperature")
    assert (temperature["metric_type"], temperature["value"]) == ("gauge", 21.5)
    assert temperature["attributes"] == {"room": "north"}
    latency = sent.point("interop.latency")
    assert (latency["metric_type"], latency["unit"]) == ("histogram", "ms")
    buckets = latency["histogram"]
    assert buckets["bounds"] == [1.0, 5.0, 10.0]
    assert buckets["counts"] == [1, 1, 1, 1]
    assert (buckets["count"], buckets["sum"]) == (4, 30.5)
    assert (buckets["min"], buckets["max"]) == (0.5, 20.0)
    sizes = sent.point("interop.sizes")
    assert sizes["metric_type"] == "histogram"
    assert (sizes["histogram"]["count"], sizes["histogram"]["sum"]) == (4, 1007.0)
    assert "scale" in sizes["histogram"]
    assert sum(sizes["histogram"]["counts"]) == 4
