"""What a table of found records says about where the text stands."""

from __future__ import annotations

from typing import Any

from clew.surfaces.cli.grid import line_width, render
from clew.surfaces.cli.views.logs import log_table
from clew.surfaces.cli.views.spans import span_table
from clew.telemetry import documents as doc
from tests.unit.test_cli_views import span


def below(document: doc.SpanList, text: str, width: int = 80) -> list[str]:
    """Return the lines below the first span's row."""
    lines = span_table(document, width, text=text)
    assert all(line_width(line) <= width for line in lines[2:])
    return [render(line, colour=False) for line in lines[2:]]


def spans(**more: Any) -> doc.SpanList:
    return doc.SpanList(spans=[span("pay", 0, 1, 1, **more)], count=1, truncated=False)


def test_below_a_span_stands_the_field_and_the_text_around_what_was_found() -> None:
    prompt = "[" + "x" * 50 + " why was the PAYMENT declined by the bank of last resort and then?"
    found = below(spans(attributes={"other": "no", "gen_ai.input.messages": prompt}), "payment")
    assert found == [
        "  gen_ai.input.messages: …xxxxxxxxxxx why was the PAYMENT declined by the bank …"
    ]


def test_a_row_that_shows_the_text_itself_has_no_line_below() -> None:
    assert below(spans(attributes={"a": "pay"}), "PAY") == []


def test_events_status_messages_and_numbers_are_told_as_filters_name_them() -> None:
    event = doc.SpanEvent(name="boom", timestamp="", attributes={"exception.message": "no funds"})
    assert below(spans(events=[event]), "boom") == ["  event: boom"]
    assert below(spans(events=[event]), "FUNDS") == ["  event.exception.message: no funds"]
    assert below(spans(status_message="a.b(c"), ".b(") == ["  status_message: a.b(c"]
    assert below(spans(attributes={"n": 9803}), "980") == ["  n: 9803"]


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    hostile = {"\x1b[2Jkey": "\x1b]0;title\x07 needle \x1b[31m\u202e"}
    (line,) = below(spans(attributes=hostile), "needle")
    assert line == "  \\x1b[2Jkey: \\x1b]0;title\\x07 needle \\x1b[31m\\u202e"


def test_a_record_whose_body_shows_the_text_has_no_line_and_one_found_by_an_attribute_has() -> None:
    def record(body: str, **attributes: str) -> doc.LogRecord:
        return doc.LogRecord(
            timestamp="2026-11-21T03:00:00.000000000Z",
            observed_timestamp=None,
            trace_id=None,
            span_id=None,
            severity="info",
            severity_number=9,
            severity_text="INFO",
            body=body,
            event_name="",
            service="shop",
            attributes=attributes,
            resource={},
            scope=doc.Scope(name="", version="", attributes={}),
        )

    records = [record("heron seen"), record("done", who="heron-ann")]
    document = doc.LogList(logs=records, count=2, truncated=False)
    lines = [render(line, colour=False) for line in log_table(document, 80, text="heron")]
    assert [line.strip() for line in lines[2:]] == [lines[2].strip(), "who: heron-ann"]
