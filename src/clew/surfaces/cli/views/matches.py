"""Where a text that was searched for stands, below the rows that do not show it themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Style, cut_line
from clew.surfaces.cli.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import LogRecord, Span

Field = tuple[str, str]
"""The name of a field, as filters name it, and its text."""

INDENT: Final = "  "

# Enough to tell what is spoken of; the rest of the line is for what follows.
BEFORE_CHARS: Final = 24


def with_matches(
    table: Sequence[Line], fields: Sequence[Callable[[], Iterator[Field]]], text: str, width: int
) -> list[Line]:
    """Return a table with a line below each row of which the row itself does not show the text.

    `table` is a header and a row for each of `fields`, which gives the texts of one record.
    """
    needle = re.compile(re.escape(text), re.IGNORECASE | re.ASCII)
    lines = list(table[:1])
    for row, texts in zip(table[1:], fields, strict=True):
        lines.append(row)
        if needle.search("".join(piece for piece, _ in row)) is None:
            lines += [cut_line(line, width) for line in _first_match(texts(), needle, width)]
    return lines


def span_fields(span: Span) -> Iterator[Field]:
    """Yield the searched texts of a span."""
    yield "operation", span.operation
    yield "status_message", span.status_message
    yield from _attributes("", span.attributes)
    for event in span.events:
        yield "event", event.name
        yield from _attributes("event.", event.attributes)


def log_fields(record: LogRecord) -> Iterator[Field]:
    """Yield the searched texts of a log record."""
    yield "body", _text(record.body)
    yield from _attributes("", record.attributes)


def _attributes(prefix: str, attributes: Mapping[str, Any]) -> Iterator[Field]:
    for key, value in attributes.items():
        yield prefix + key, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _first_match(fields: Iterator[Field], needle: re.Pattern[str], width: int) -> list[Line]:
    for name, text in fields:
        found = needle.search(text)
        if found is not None:
            begin = max(0, found.start() - BEFORE_CHARS)
            return [
                [
                    (f"{INDENT}{escape(name)}: ", Style.DIM),
                    ("…" if begin else "", Style.DIM),
                    (escape(text[begin : found.start()]), Style.PLAIN),
                    (escape(found[0]), Style.BOLD),
                    (escape(text[found.end() : found.end() + width]), Style.PLAIN),
                ]
            ]
    return []
