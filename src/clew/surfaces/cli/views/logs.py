"""Log records, one a line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape
from clew.surfaces.cli.views.matches import log_fields, with_matches

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import LogList, LogRecord

WIDTH_COMFORTABLE: Final = 110

_SEVERITY: Final = {
    "trace": Style.DIM,
    "debug": Style.DIM,
    "info": Style.GREEN,
    "warn": Style.YELLOW,
    "error": Style.RED,
    "fatal": Style.BOLD_RED,
}

_COLUMNS: Final = (
    Column("time"),
    Column("level"),
    Column("service", flexible=True),
    Column("body", flexible=True),
    Column("trace id", drop=1),
)


def log_table(document: LogList, width: int, *, text: str | None = None) -> list[Line]:
    """Return log records as lines; a body of several lines is shown as one.

    Below a record stands where the text is that was searched for.
    """
    clock = Clock(record.timestamp for record in document.logs)
    digits = 3 if width >= WIDTH_COMFORTABLE else 0
    rows = [_row(record, clock, digits) for record in document.logs]
    lines = lay_out(_COLUMNS, rows, width)
    if not text:
        return lines
    return with_matches(lines, [partial(log_fields, each) for each in document.logs], text, width)


def log_legend(document: LogList) -> str:
    """Return the day and zone of the times."""
    return Clock(record.timestamp for record in document.logs).legend()


def severity_mark(severity: str) -> Line:
    """Return a severity in its colour."""
    return styled(escape(severity), _SEVERITY.get(severity, Style.DIM))


def body_text(record: LogRecord) -> str:
    """Return a record's body on one line: text as it is, anything else as JSON."""
    body: Any = record.body
    if body is None or body == "":
        return escape(record.event_name)
    return escape(body if isinstance(body, str) else msgspec.json.encode(body).decode())


def _row(record: LogRecord, clock: Clock, digits: int) -> list[Line]:
    return [
        styled(clock.show(record.timestamp, digits=digits), Style.DIM),
        severity_mark(record.severity),
        styled(escape(record.service), Style.CYAN),
        plain(body_text(record)),
        styled(escape(record.trace_id or ""), Style.DIM),
    ]
