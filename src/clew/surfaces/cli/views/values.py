"""Values of fields as people read them: texts as they are, everything else as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape, escape_json, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.surfaces.cli.grid import Line

LINES_MAX: Final = 30
"""Of one value in a table: a screen's height. The JSON has all of it."""

_MISLEADING: Final = frozenset({"", "true", "false", "null"})


def show_value(value: Any) -> str:
    """Return a value on one line; a text that reads like something else stands in quotes."""
    if isinstance(value, str):
        return f'"{escape(value)}"' if _misleads(value) else escape(value)
    return escape_json(msgspec.json.encode(value).decode())


def value_lines(value: Any, width: int) -> list[Line]:
    """Return a value on one line where it fits, else a nested one on many and a text cut."""
    whole = show_value(value)
    if width_of(whole) <= width or not isinstance(value, dict | list):
        return [[(whole, _style_of(value))]]
    spread = escape_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
    lines: list[Line] = [[(line, Style.PLAIN)] for line in spread.split("\n")]
    if len(lines) > LINES_MAX:
        left = len(lines) - LINES_MAX + 1
        lines = [*lines[: LINES_MAX - 1], [(f"… {left} more lines", Style.DIM)]]
    return lines


def value_cell(value: Any) -> Line:
    """Return a value as a cell."""
    return [(show_value(value), _style_of(value))]


def fields_cell(fields: Mapping[str, Any]) -> Line:
    """Return fields with their values side by side: ``item_count=5 status=active``."""
    line: Line = []
    for name, value in fields.items():
        gap = " " if line else ""
        line.append((f"{gap}{escape(name)}=", Style.DIM))
        line.append((show_value(value), _style_of(value)))
    return line


def _style_of(value: Any) -> Style:
    return Style.DIM if value is None else Style.PLAIN


def _misleads(text: str) -> bool:
    """Whether a text would be taken for another value, or for none."""
    if text in _MISLEADING or text != text.strip() or text[0] in '"[{':
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
