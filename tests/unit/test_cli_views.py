"""Tables as text: what a person sees of a document, at a width."""

# ruff: noqa: E501 - tables are as wide as they are
from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.cli.grid import Line, line_width, render
from clew.surfaces.cli.views.metrics import detail_lines, series_table
from clew.surfaces.cli.views.services import service_table
from clew.surfaces.cli.views.spans import span_table, trace_table
from clew.surfaces.cli.views.sql import row_table
from clew.surfaces.cli.views.trace import trace_lines
from clew.surfaces.cli.views.tree import walk
from clew.telemetry import documents as doc

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
START_S = 1_795_230_000


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def at(milliseconds: float) -> str:
    from clew.base.times import format_time

    return format_time(START_S * 1_000_000_000 + int(milliseconds * 1_000_000))


def span(
    name: str, start: float, end: float, number: int, parent: int = 0, **more: Any
) -> doc.Span:
    known: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "parent_span_id": f"{parent:016x}" if parent else None,
        "service": "shop",
        "operation": name,
        "start_time": at(start),
        "end_time": at(end),
        "duration_ms": end - start,
        "status": "unset",
        "status_message": "",
        "kind": "internal",
        "trace_state": "",
        "attributes": {},
        "events": [],
        "links": [],
        "resource": {},
        "scope": doc.Scope(name="", version="", attributes={}),
        "self_time_ms": 1.0,
        "critical_path": False,
    }
    return doc.Span(**(known | more))


def trace(spans: list[doc.Span], **more: Any) -> doc.Trace:
    known: dict[str, Any] = {
        "trace_id": TRACE,
        "span_count": len(spans),
        "error_count": sum(each.status == "error" for each in spans),
        "services": sorted({each.service for each in spans}),
        "start_time": at(0),
        "end_time": at(100),
        "duration_ms": 100.0,
        "spans": spans,
        "missing_parents": [],
        "count": len(spans),
        "total": len(spans),
        "truncated": False,
    }
    return doc.Trace(**(known | more))


def shown(lines: list[Line]) -> str:
    return "\n".join(render(line, colour=False) for line in lines)


def page(text: str) -> str:
    return text.strip("\n")


def test_a_trace_is_drawn_as_a_tree_with_a_waterfall() -> None:
    failed = doc.SpanEvent(
        name="exception",
        timestamp=at(60),
        attributes={"exception.type": "CardDeclined", "exception.message": "no funds"},
    )
    log = doc.LogRecord(
        timestamp=at(25),
        observed_timestamp=None,
        trace_id=TRACE,
        span_id=f"{3:016x}",
        severity="warn",
        severity_number=13,
        severity_text="WARN",
        body="slow bank",
        event_name="",
        service="pay",
        attributes={},
        resource={},
        scope=doc.Scope(name="", version="", attributes={}),
    )
    document = trace(
        [
            span("POST /checkout", 0, 100, 1, critical_path=True),
            span("load cart", 0, 10, 2, 1),
            span(
                *("charge", 20, 80, 3, 1),
                critical_path=True,
                service="pay",
                status="error",
                status_message="declined",
                events=[failed],
            ),
            span("bank", 30, 70, 4, 3, service="pay"),
        ]
    )
    assert shown(trace_lines(document, [log], 80)) == page("""
trace 4bf92f3577b34da6a3ce929d0e0e4736
4 spans · 100 ms · 1 error · 2026-11-21 03:00:00.000 UTC
services pay, shop

operation, service   0                                100 ms  duration      self
POST /checkout shop  ███████████████████████████████████████    100 ms   1.00 ms
├─load cart shop     ░░░░                                      10.0 ms   1.00 ms
╰─✗ charge pay              █████████████████████████          60.0 ms   1.00 ms
  │   declined
  │   ▸ warn slow bank  +25.0 ms
  │   ! CardDeclined: no funds  +60.0 ms
  ╰─bank pay                    ░░░░░░░░░░░░░░░░░              40.0 ms   1.00 ms
""")


def test_a_parent_that_is_not_here_is_marked() -> None:
    document = trace([span("work", 0, 100, 2, 9)], missing_parents=[f"{9:016x}"])
    assert "? work shop" in shown(trace_lines(document, [], 80))


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=14),
    st.integers(40, 200),
)
def test_whatever_parents_spans_claim_each_is_drawn_once_and_fits(
    claims: list[tuple[int, int]], width: int
) -> None:
    spans = [
        span(f"s{place}", place, place + 5, number, parent)
        for place, (number, parent) in enumerate(claims)
    ]
    nodes = list(walk(spans))
    assert sorted(id(node.span) for node in nodes) == sorted(id(each) for each in spans)
    seen: set[str] = set()
    for node in nodes:
        if node.depth:
            assert node.span.parent_span_id in seen
        seen.add(node.span.span_id)
    lines = trace_lines(trace(spans), [], width)
    assert all(line_width(line) <= max(width, 60) for line in lines[4:])


def test_a_chain_of_ten_thousand_spans_is_drawn() -> None:
    spans = [span(f"s{n}", 0, 1, n, n - 1) for n in range(1, 10_001)]
    nodes = list(walk(spans))
    assert nodes[-1].depth == 9_999
    text = shown(trace_lines(trace(spans[:300]), [], 80))
    assert "⋯299 s300 shop" in text


def test_spans_are_one_a_line_and_narrow_screens_lose_columns_not_ids() -> None:
    document = doc.SpanList(
        spans=[
            span("GET /products with a long name", 0, 1.5, 1, kind="server"),
            span("query", 0, 1234.5, 2, 1, status="error"),
        ],
        count=2,
        truncated=False,
    )
    assert shown(span_table(document, 80)) == page("""
start        service  operation       duration  trace id
03:00:00  ·  shop     GET /products…   1.50 ms  4bf92f3577b34da6a3ce929d0e0e4736
03:00:00  ✗  shop     query             1.23 s  4bf92f3577b34da6a3ce929d0e0e4736
""")
    assert shown(span_table(document, 140)) == page("""
start                  service  operation                       kind      duration  trace id                          span id
03:00:00.000  ·        shop     GET /products with a long name  server     1.50 ms  4bf92f3577b34da6a3ce929d0e0e4736  0000000000000001
03:00:00.000  ✗ error  shop     query                           internal    1.23 s  4bf92f3577b34da6a3ce929d0e0e4736  0000000000000002
""")


def test_traces_are_one_a_line() -> None:
    document = doc.TraceList(
        traces=[
            doc.TraceSummary(
                trace_id=TRACE,
                service="shop",
                operation="POST /checkout",
                start_time=at(0),
                duration_ms=12.0,
                span_count=7,
                error_count=2,
                services=["shop", "pay"],
            )
        ],
        count=1,
        truncated=False,
    )
    assert shown(trace_table(document, 120)) == page("""
start            service  operation       duration  spans  errors  services   trace id
03:00:00.000  ✗  shop     POST /checkout   12.0 ms      7       2  shop, pay  4bf92f3577b34da6a3ce929d0e0e4736
""")


def test_services_show_rates_errors_and_durations() -> None:
    service = doc.ServiceStats(
        name="shop",
        span_count=12_345,
        trace_count=100,
        error_count=617,
        error_rate=0.05,
        rate_per_second=3.4,
        avg_duration_ms=20.0,
        p50_ms=1.0,
        p95_ms=90.0,
        p99_ms=2000.0,
        log_count=7,
        last_seen=at(0),
    )
    document = doc.ServiceList(
        services=[service],
        count=1,
        total=1,
        truncated=False,
        start_time=at(0),
        end_time=at(1000),
    )
    assert shown(service_table(document, 120)) == page("""
service   spans  traces  errors   rate      avg      p50      p95     p99  logs  last seen
shop     12,345     100   5.0 %  3.4/s  20.0 ms  1.00 ms  90.0 ms  2.00 s     7  03:00:00
""")


def test_a_metric_shows_what_is_known_and_its_course() -> None:
    detail = doc.MetricDetail(
        name="http.duration",
        metric_type="histogram",
        unit="s",
        description="",
        point_count=20,
        series_count=4,
        services=["shop"],
        label_keys=["route"],
        value_min=0.5,
        value_max=3.0,
        latest_timestamp=None,
        points_with_histogram_buckets=20,
        histogram_quantile_available=True,
        recent_points=[],
    )
    assert shown(detail_lines(detail)) == page("""
metric    http.duration
type      histogram
unit      s
points    20 in 4 series
services  shop
labels    route
range     0.5 to 3
""")
    points = [doc.SeriesPoint(at(n), float(n)) for n in range(4)]
    series = doc.Series(
        metric="m", labels={"route": "/a"}, points=points, value=3.0, timestamp=None
    )
    document = doc.SeriesList(
        series=[series],
        count=1,
        total=1,
        truncated=False,
        step_seconds=1.0,
        aggregate="avg",
        start_time=at(0),
        end_time=at(4),
    )
    assert shown(series_table(document, 80)) == page("""
series    over time  min  max  last
route=/a  ▁▃▆█         0    3     3
""")


def test_rows_of_sql_have_numbers_to_the_right_and_nothing_for_null() -> None:
    answer = msgspec.convert(
        {
            "rows": [{"name": "a\nb", "n": 1}, {"name": None, "n": 1000}],
            "columns": [
                {"name": "name", "type": "Nullable(String)"},
                {"name": "n", "type": "UInt64"},
            ],
            "count": 2,
            "truncated": False,
            "elapsed_ms": 1.0,
        },
        doc.SqlAnswer,
    )
    assert shown(row_table(answer, 80)) == "name     n\na\\nb     1\n-     1000"
