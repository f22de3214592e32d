"""Tools over made-up documents: what a server rarely says is still told, and told right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clew.base.errors import ClewError
from clew.surfaces.mcp.tool import Tool
from clew.surfaces.mcp.tools.details import SPAN_DETAILS

TRACE_ID = "0" * 31 + "1"
SPAN_ID = "0" * 15 + "1"
TIME = "2026-01-01T00:00:00Z"


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
