"""Tools over made-up documents: what a server rarely says is still told, and told right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clew.base.errors import ClewError
from clew.surfaces.mcp.tool import Tool
from clew.surfaces.mcp.tools.changes import DIFF, LOG_PATTERNS
from clew.surfaces.mcp.tools.details import SPAN_DETAILS
from clew.telemetry.analytics.reports import Changes

TRACE_ID = "0" * 31 + "1"
SPAN_ID = "0" * 15 + "1"
TIME = "2026-01-01T00:00:00Z"
WINDOW = {"start_time": TIME, "end_time": TIME, "seconds": 0.0}


class Recorded:
    """Answers every question with one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def ask(self, _path: str, kind: type[Any], *_: object) -> Any:
        return msgspec.convert(self.document, kind)


def answer(tool: Tool, document: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    recorded: Any = Recorded(document)
    return tool.call(recorded, arguments).document


def details(attributes: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    span: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "parent_span_id": None,
        "service": "shop",
        "operation": "pay",
        "start_time": TIME,
        "end_time": TIME,
        "duration_ms": 0.0,
        "status": "ok",
        "status_message": "",
        "kind": "server",
        "trace_state": "",
        "attributes": attributes,
        "events": [],
        "links": [],
        "resource": {},
        "scope": {"name": "", "version": "", "attributes": {}},
    }
    trace = {
        "trace_id": TRACE_ID,
        "span_count": 1,
        "error_count": 0,
        "services": ["shop"],
        "start_time": TIME,
        "end_time": TIME,
        "duration_ms": 0.0,
        "spans": [span],
        "missing_parents": [],
        "count": 1,
        "total": 1,
        "truncated": False,
    }
    told = answer(SPAN_DETAILS, trace, trace_id=TRACE_ID, span_ids=[SPAN_ID], fields=fields)
    shown: dict[str, Any] = told["spans"][0]
    return shown


@pytest.mark.parametrize("attributes", [{"a": "1", "": "2"}, {"": "2", "a": "1"}, {"": "2"}])
def test_an_attribute_without_a_name_is_told_like_any_other(attributes: dict[str, Any]) -> None:
    assert details(attributes, ["attributes"])["attributes"] == attributes


@pytest.mark.parametrize("fields", [["attributes."], ["attributes", "attributes."]])
def test_a_field_that_names_no_attribute_is_refused(fields: list[str]) -> None:
    with pytest.raises(ClewError, match="names no attribute") as raised:
        details({"a": "1"}, fields)
    assert raised.value.code == "invalid_argument"


def test_a_difference_tells_of_values_that_were_not_compared() -> None:
    change = {"current": 1.0, "baseline": 1.0, "delta": 0.0, "ratio": 1.0}
    totals = {"spans": 9, "errors": 1, "logs": 0, "log_errors": 0}
    spans = {"description": "failed", "window": WINDOW, "spans": 9}
    report: dict[str, Any] = {
        "window": WINDOW,
        "baseline": WINDOW,
        "service_filter": None,
        "metrics": dict.fromkeys(Changes.__struct_fields__, change),
        "totals": {"current": totals, "baseline": totals},
        "bad": spans,
        "good": spans,
        "values": [],
        "count": 0,
        "total": 0,
        "truncated": True,
        "values_compared": 5,
        "values_left_out": 7,
        "keys_collapsed": ["user.id", "order.id"],
        "note": None,
    }
    assert answer(DIFF, report)["left_out"] == [
        {"what": "values of the fewest bad spans, not compared", "count": 7},
        {"what": "keys of too many values, compared by presence alone", "count": 2},
    ]
    whole = {**report, "truncated": False, "values_left_out": 0, "keys_collapsed": []}
    assert "left_out" not in answer(DIFF, whole)


def test_log_patterns_tell_of_records_in_no_pattern() -> None:
    found: dict[str, Any] = {
        "window": WINDOW,
        "patterns": [],
        "count": 0,
        "total": 0,
        "truncated": True,
        "log_records": 9,
        "log_records_grouped": 5,
    }
    assert answer(LOG_PATTERNS, found)["left_out"] == [
        {"what": "log records in no pattern, too many to be told apart", "count": 4}
    ]
    whole = {**found, "truncated": False, "log_records_grouped": 9}
    assert "left_out" not in answer(LOG_PATTERNS, whole)
