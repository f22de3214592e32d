"""How far a command is, read from what it writes.

Theory of operation. Lines are what stands between line feeds or carriage returns, without colours;
a pattern with named groups, or the form of a JSON object, finds in them how far the command is.
What the groups say is put together over lines, and the last wins.

What is written may be anything, and of any size: a line is cut at a length, bytes that are no text
are replaced, and all the matching of one look has a limit of CPU time. `re` looks for signals while
it searches, so even a pattern that would search for years comes back.
"""

from __future__ import annotations

import math
import re
import signal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.codec import parse

if TYPE_CHECKING:
    from types import FrameType

# A terminal's line has some hundred; a line of JSON with a few fields has less than this.
LINE_BYTES_MAX: Final = 4096

# What a table shows of a phase or a message, and more.
TEXT_CHARS_MAX: Final = 200

# Nobody writes a longer one by hand.
PATTERN_CHARS_MAX: Final = 1000

# Of one look at what was written: a thousand times what an ordinary pattern takes for a screen.
LOOK_CPU_S_MAX: Final = 0.1

GROUPS: Final = ("progress", "current", "total", "phase", "message")
"""What a pattern may name. `progress` is a share of one or a percentage; `current` of `total`."""

_DIGITS: Final = 4

_LINE_END: Final = re.compile(rb"[\r\n]+")

_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""Colours, moves of the cursor, titles and links of a terminal."""

_NUMBER: Final = re.compile(r"\s*([0-9]+(?:[.,][0-9]+)?)\s*(%?)")


class TooSlowError(Exception):
    """A pattern takes too long on what is written."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern that a person wrote.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none, or names no group that says anything.
    """
    hint = f"name a group: (?P<progress>\\d+)%, or one of {', '.join(GROUPS)}"
    if len(text) > PATTERN_CHARS_MAX:
        message = f"a pattern of {len(text)} characters; {PATTERN_CHARS_MAX} are the most"
        raise ClewError(ErrorCode.INVALID_ARGUMENT, message)
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"no pattern: {error}", hint=hint) from error
    names = set(pattern.groupindex)
    if unknown := sorted(names.difference(GROUPS)):
        message = f"a pattern with the group {unknown[0][:80]!r}"
        raise ClewError(ErrorCode.INVALID_ARGUMENT, message, hint=hint)
    if not names or ("current" in names) != ("total" in names):
        message = "current without total" if names else "a pattern without a named group"
        raise ClewError(ErrorCode.INVALID_ARGUMENT, message, hint=hint)
    return pattern


class ProgressReader:
    """Reads statuses, as payloads of messages, from what a command writes piece by piece."""

    def __init__(self, pattern: re.Pattern[str] | None, *, reads_json: bool) -> None:
        self._pattern = pattern
        self._reads_json = reads_json
        self._partial = b""
        self._is_percent = True
        self._said: dict[str, Any] = {}

    def read(self, piece: bytes, *, is_cut: bool = False) -> bytes | None:
        """Return the status that holds after a piece, None when it is the same as before.

        `is_cut` tells that something was left out before the piece. An empty piece tells that
        nothing more came for a while: what has no end yet is taken as it stands.

        Raises:
            TooSlowError: it is not worth going on.
        """
        if piece:
            lines = _LINE_END.split(piece if is_cut else self._partial + piece)
            if is_cut:
                del lines[0]
            self._partial = lines.pop()[:LINE_BYTES_MAX] if lines else b""
        else:
            lines = [self._partial]
            self._partial = b""
        before = dict(self._said)
        with _Limit():
            for line in lines:
                self._take(line[:LINE_BYTES_MAX])
        return msgspec.json.encode(self._said) if self._said != before else None

    def _take(self, line: bytes) -> None:
        plain = _ESCAPE.sub(b"", line)
        if self._reads_json and (said := _read_json(plain)) is not None:
            self._said = said
        elif self._pattern is not None:
            found = self._pattern.search(plain.decode("utf-8", errors="replace"))
            if found is not None:
                self._said = self._said | self._read_groups(found)

    def _read_groups(self, found: re.Match[str]) -> dict[str, Any]:
        groups = found.groupdict()
        said: dict[str, Any] = {}
        progress = None
        if groups.get("progress") is not None:
            rest = found.string[found.end("progress") :]
            progress = self._read_share(groups["progress"], is_percent=rest[:1] == "%")
        elif groups.get("current") is not None and groups.get("total") is not None:
            progress = _divide(groups["current"], groups["total"])
        if progress is not None:
            said["progress"] = progress
        for name in ("phase", "message"):
            if text := (groups.get(name) or "").strip():
                said[name] = text[:TEXT_CHARS_MAX]
        return said

    def _read_share(self, text: str, *, is_percent: bool) -> float | None:
        """Return a share of one: a percentage, unless the command writes fractions."""
        number = _NUMBER.fullmatch(text)
        if number is None:
            return None
        value = float(number[1].replace(",", "."))
        is_percent = is_percent or number[2] == "%"
        if not is_percent:
            # A plain 1 may be both: it is what the command has written so far.
            is_fraction = value <= 1 and not value.is_integer()
            self._is_percent = not is_fraction and (self._is_percent or value > 1)
            is_percent = self._is_percent
        return _share(value / 100 if is_percent else value)


def _divide(current: str, total: str) -> float | None:
    counts = [_NUMBER.fullmatch(text) for text in (current, total)]
    if counts[0] is None or counts[1] is None:
        return None
    whole = float(counts[1][1].replace(",", "."))
    return _share(float(counts[0][1].replace(",", ".")) / whole) if whole else None


def _share(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) and 0 <= value <= 1 else None


def _read_json(line: bytes) -> dict[str, Any] | None:
    """Return an object with a `progress` from 0 to 1, None for anything else."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        said = parse(line)
    except ClewError:
        return None
    progress = said.get("progress") if isinstance(said, dict) else None
    if isinstance(progress, bool) or not isinstance(progress, int | float):
        return None
    return said if 0 <= progress <= 1 else None


class _Limit:
    """Bounds the CPU time of what it surrounds; for the main thread alone, which gets signals."""

    def __enter__(self) -> None:
        self._is_on = True
        self._before = signal.signal(signal.SIGVTALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_VIRTUAL, LOOK_CPU_S_MAX)

    def __exit__(self, *_: object) -> None:
        # A signal that comes from here on finds nothing to interrupt.
        self._is_on = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self._before)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_on:
            raise TooSlowError
