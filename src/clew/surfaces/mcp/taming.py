"""Recorded values made safe to read and bounded: escapes for what acts on a renderer, cuts said.

What observed programs recorded can be anything: a terminal's control sequences, text that runs
backwards, a name of ten thousand characters, a map of ten thousand keys. None of it may keep an
answer from being made, so every text and every list inside an item has a bound. The items
themselves (rows, spans, steps) are the budget's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from clew.surfaces.cli.text import escape

CHARS_PER_ENTRY: Final = 8
"""Where a text may take so many characters, a list inside an item may have an entry."""

MORE: Final = "…"


@dataclass(slots=True)
class Taming:
    """Makes values safe and counts what it cuts; without bounds nothing is cut."""

    text_chars: int | None = None
    entries: int | None = None
    cut: int = field(default=0)

    def tame(self, value: Any, *, is_inside: bool = False) -> Any:
        """Return a JSON value with every text safe and bounded; lists of an item are bounded too.

        `is_inside` says that the value is part of an item.
        """
        match value:
            case str():
                return self._tame_text(value)
            case {"columns": list(columns), "rows": list(rows), **rest} if not (rest or is_inside):
                # A table of ours; inside an item it is something that a program recorded.
                cells = [[self.tame(cell, is_inside=True) for cell in row] for row in rows]
                return {"columns": [self._tame_text(name) for name in columns], "rows": cells}
            case dict():
                return self._tame_dict(value, is_inside=is_inside)
            case list() | tuple():
                return self._tame_list(value, is_inside=is_inside)
            case float():
                # JSON has no NaN and no infinities.
                return _shortest(value) if math.isfinite(value) else None
        return value

    def _tame_dict(self, value: dict[Any, Any], *, is_inside: bool) -> dict[str, Any]:
        kept = self._room(len(value)) if is_inside else len(value)
        tamed = {
            self._tame_text(str(key)): self.tame(each, is_inside=is_inside)
            for key, each in list(value.items())[:kept]
        }
        if kept < len(value):
            tamed[MORE] = self._rest(len(value) - kept)
        return tamed

    def _tame_list(self, value: Any, *, is_inside: bool) -> list[Any]:
        is_plain = not any(isinstance(each, dict | list | tuple) for each in value)
        kept = self._room(len(value)) if is_inside or is_plain else len(value)
        tamed = [self.tame(each, is_inside=True) for each in value[:kept]]
        if kept < len(value):
            tamed.append(f"{MORE} {self._rest(len(value) - kept)}")
        return tamed

    def _room(self, count: int) -> int:
        return count if self.entries is None else min(count, self.entries)

    def _rest(self, count: int) -> str:
        self.cut += 1
        return f"[{count} more]"

    def _tame_text(self, text: str) -> str:
        if self.text_chars is None or len(text) <= self.text_chars:
            return tame_text(text)
        self.cut += 1
        left = len(text) - self.text_chars
        return f"{tame_text(text[: self.text_chars])}{MORE} [{left} more characters]"


def tame_text(text: str) -> str:
    r"""Return a text with nothing in it that a terminal or a renderer acts on.

    Line breaks stay, as JSON escapes them; other controls become ``\x1b`` and the like, invisible
    format characters ``\u202e``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "\n".join(escape(line) for line in text.split("\n"))


def _shortest(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
