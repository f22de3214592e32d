"""Summary, topology and samples as text: what a person sees, at any width, of any text."""

# ruff: noqa: E501 - tables are as wide as they are
from __future__ import annotations

from typing import Any
from unicodedata import category

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.cli.grid import Line, render
from clew.surfaces.cli.views.summary import first_items, summary_lines
from clew.surfaces.cli.views.topology import topology_legend, topology_lines
from clew.surfaces.cli.views.watch import sample_line
from clew.telemetry.analytics import documents as doc

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
WINDOW = {
    "start_time": "2026-11-21T03:00:00.000000000Z",
    "end_time": "2026-11-21T04:00:00.000000000Z",
    "seconds": 3600.0,
}

COST = {
    "usd": 0.25,
    "computed": True,
    "priced_tokens": 12_800,
    "unpriced_tokens": 0,
    "unpriced_models": [],
    "reported_usd": None,
    "reported_calls": 0,
    "prices": "a table",
    "prices_dated": None,
}


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def figures(spans: int, errors: int, p95: float, **names: str) -> dict[str, Any]:
    return {
        "span_count": spans,
        "error_count": errors,
        "error_rate": errors / spans if spans else 0.0,
        "rate_per_second": spans / 3600,
        "avg_ms": p95 / 3,
        "max_ms": p95 * 2,
        "p50_ms": p95 / 4,
        "p95_ms": p95,
        "p99_ms": p95 * 1.5,
        **names,
    }


def summary(name: str = "shop", **more: Any) -> doc.Summary:
    logs = {
        "total": 40,
        "fatal": 1,
        "error": 4,
        "warn": 6,
        "info": 30,
        "debug": 0,
        "trace": 0,
        "unset": 0,
    }
    model = {
        "call_count": 3,
        "error_count": 0,
        "input_tokens": 12_000,
        "output_tokens": 800,
        "cost_usd": 0.25,
    }
    known: dict[str, Any] = {
        "window": WINDOW,
        "window_seconds": 3600.0,
        "service_filter": None,
        "limit": 10,
        "quantile_error": 0.0,
        "traces": {**figures(36_000, 90, 120.0), "trace_count": 4000},
        "service_count": 1,
        "top_services": [figures(36_000, 90, 120.0, service=name)],
        "operation_count": 12,
        "slowest_operations": [figures(300, 0, 900.0, service=name, operation="GET /slow")],
        "error_operation_count": 0,
        "top_error_operations": [],
        "error_group_count": 1,
        "top_errors": [
            {
                "service": name,
                "operation": "POST /pay",
                "message": "card declined",
                "exception_type": "shop.errors.CardDeclined",
                "error_count": 90,
                "last_seen": "2026-11-21T03:59:01.000000000Z",
                "trace_id": TRACE,
                "span_id": "00f067aa0ba902b7",
            }
        ],
        "logs": logs,
        "log_service_count": 1,
        "logs_by_service": [{**logs, "service": name}],
        "metrics": {
            "point_count": 100,
            "unique_names": 1,
            "names": [
                {"name": "orders", "metric_type": "sum", "point_count": 100, "service_count": 1}
            ],
        },
        "genai": {
            **model,
            "tool_call_count": 5,
            "tool_error_count": 1,
            "conversation_count": 2,
            "cost": COST,
            "model_count": 1,
            "models": [{**model, "provider": "p", "model": "m-1", "p50_ms": 10.0, "p95_ms": 40.0}],
        },
    }
    return msgspec.convert({**known, **more}, doc.Summary)


def node(name: str, kind: str = "service") -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "system": "",
        "span_count": 1,
        "calls": 0,
        "errors": 0,
        "error_rate": 0.0,
    }


def edge(source: str, target: str, kind: str, calls: int) -> dict[str, Any]:
    return {
        "from": source,
        "to": target,
        "kind": kind,
        "calls": calls,
        "errors": calls // 10,
        "error_rate": 0.1,
        "rate_per_second": calls / 3600,
        "avg_duration_ms": 5.0,
        "p95_duration_ms": 15.0,
    }


def topology(*edges: dict[str, Any], nodes: list[dict[str, Any]], **more: Any) -> doc.Topology:
    known = {
        "window": WINDOW,
        "service_filter": None,
        "services": [each["name"] for each in nodes if each["kind"] == "service"],
        "nodes": nodes,
        "edges": list(edges),
        "count": len(edges),
        "total": len(edges),
        "truncated": False,
        "spans_examined": 100,
        "spans_with_parent_outside_window": 3,
        "links_to_spans_outside_window": 1,
        "margin_seconds": 900.0,
    }
    return msgspec.convert({**known, **more}, doc.Topology)


def text(lines: list[Line]) -> list[str]:
    return [render(line, colour=False) for line in lines]


def test_a_summary_begins_with_its_totals_and_then_says_what_stands_out() -> None:
    assert text(summary_lines(summary(), 110)) == [
        "spans    36,000 · 4000 traces · 10/s · 0.2 % errors · p50 30.0 ms · p95 120 ms · p99 180 ms · max 240 ms",
        "logs     40 · 1 fatal · 3 error · 6 warn",
        "metrics  100 points · 1 name",
        "models   3 calls · 0 failed · 12,000 tokens in · 800 out · $0.2500 · 5 tool calls (1 failed)",
        "",
        "services",
        "service   spans  rate  errors      p50     p95     p99     max",
        "shop     36,000  10/s   0.2 %  30.0 ms  120 ms  180 ms  240 ms",
        "",
        "errors",
        "count  service  operation  error                        last      newest trace",
        "   90  shop     POST /pay  CardDeclined: card declined  03:59:01  4bf92f3577b34da6a3ce929d0e0e4736",
        "",
        "slowest operations  1 of 12",
        "service  operation  spans       rate  errors     p50     p95     p99     max",
        "shop     GET /slow    300  0.08333/s     0 %  225 ms  900 ms  1.35 s  1.80 s",
        "",
        "logs",
        "service  fatal  error  warn  info  all",
        "shop         1      4     6    30   40",
        "",
        "metrics",
        "metric  type  points  services",
        "orders  sum      100         1",
        "",
        "models",
        "model  calls  failed      p95   input  output     cost",
        "m-1        3       0  40.0 ms  12,000     800  $0.2500",
        "",
        "from 2026-11-21 03:00:00.000 UTC · to 2026-11-21 04:00:00.000 UTC",
    ]


def test_a_summary_of_nothing_says_so() -> None:
    nothing = dict.fromkeys(
        ("total", "fatal", "error", "warn", "info", "debug", "trace", "unset"), 0
    )
    empty = summary(
        traces={**figures(0, 0, 0.0), "trace_count": 0},
        top_services=[],
        slowest_operations=[],
        top_errors=[],
        logs=nothing,
        logs_by_service=[],
        metrics={"point_count": 0, "unique_names": 0, "names": []},
        genai={
            "call_count": 0,
            "error_count": 0,
            "tool_call_count": 0,
            "tool_error_count": 0,
            "conversation_count": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_usd": None,
            "cost": COST,
            "model_count": 0,
            "models": [],
        },
    )
    assert text(summary_lines(empty, 80))[0] == "nothing came in"


def test_the_first_items_are_those_of_every_list() -> None:
    shown = first_items(summary(), 0)
    assert shown.limit == 0
    lists = (shown.top_services, shown.top_errors, shown.logs_by_service, shown.metrics.names)
    assert not any(lists)
    assert not shown.genai.models
    assert shown.traces == summary().traces


def test_a_graph_names_each_caller_once_and_who_stands_alone() -> None:
    document = topology(
        edge("web", "shop", "call", 100),
        edge("shop", "postgresql/db", "call", 80),
        edge("shop", "mail", "messaging", 40),
        nodes=[
            node("web"),
            node("shop"),
            node("mail"),
            node("cron"),
            node("postgresql/db", "database"),
        ],
    )
    assert text(topology_lines(document, 100)) == [
        "from  to               kind       calls  errors      avg      p95",
        "shop  → postgresql/db  database      80  10.0 %  5.00 ms  15.0 ms",
        "      ⇢ mail           messaging     40  10.0 %  5.00 ms  15.0 ms",
        "web   → shop           call         100  10.0 %  5.00 ms  15.0 ms",
        "",
        "alone: cron",
    ]
    assert topology_legend(document).endswith(
        "3 spans without their parent, 1 link to spans that are not here"
    )


def test_a_sample_is_one_line_with_what_rose_and_fell() -> None:
    sample = {
        "at": WINDOW["end_time"],
        "spans": 1200,
        "rate_per_second": 20.0,
        "errors": 6,
        "error_rate": 0.005,
        "p50_ms": 3.0,
        "p95_ms": None,
        "logs": 0,
        "genai_calls": 0,
        "delta": {"spans": 100, "errors": -1, "rate_per_second": -0.01},
        "met": ["errors > 5"],
    }
    assert render(sample_line(sample, 200), colour=False) == (
        "04:00:00     1200 spans▲       20/s     6 errors (0.5 %)▼  p50 3.00 ms         p95 -   met: errors > 5"
    )


@given(st.text(max_size=30), st.integers(40, 160))
def test_no_control_character_of_a_text_reaches_a_terminal(name: str, width: int) -> None:
    lines = summary_lines(summary(name), width)
    lines += topology_lines(
        topology(edge(name, "b", "link", 1), nodes=[node(name), node("b")]), width
    )
    assert not any(category(each) == "Cc" for line in text(lines) for each in line)
