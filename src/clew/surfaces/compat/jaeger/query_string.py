"""Query strings as Jaeger reads them: the first value counts, the empty one counts as none.

Names that Jaeger does not know are ignored there, and its clients send some (``lookback`` beside
``start`` and ``end``), so they are ignored here too. A value that does not parse is an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, parse_duration_ns, parse_time
from clew.surfaces.compat.jaeger.limits import PARAMETERS_MAX, QUERY_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_TRUE: Final = frozenset({"1", "t", "true"})
_FALSE: Final = frozenset({"0", "f", "false"})

# An offset whose plus sign was read as a space: Grafana does not escape the times that it sends.
_LOST_PLUS = re.compile(r"(.*:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:[0-9]{2})")

SHOWN_CHARS_MAX: Final = 80
"""How much of a wrong value an error repeats."""


class QueryString:
    """The parameters of one request."""

    def __init__(self, query: bytes) -> None:
        """Read a query string.

        Raises:
            ClewError: INVALID_ARGUMENT when it is too long, or no UTF-8 when percent-decoded.
        """
        if len(query) > QUERY_BYTES_MAX:
            raise _refusal(f"the query string is longer than {QUERY_BYTES_MAX} bytes")
        try:
            pairs = parse_qsl(
                query.decode("latin-1"), errors="strict", max_num_fields=PARAMETERS_MAX
            )
        except UnicodeDecodeError:
            raise _refusal("the query string is not UTF-8 when percent-decoded") from None
        except ValueError:
            raise _refusal(f"more than {PARAMETERS_MAX} parameters") from None
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> Sequence[str]:
        """Return every value of a name that is not empty."""
        return self._values.get(name, ())

    def text(self, *names: str) -> str:
        """Return the first value of the first of the names that has one, else the empty text."""
        return self.named(*names)[1]

    def named(self, *names: str) -> tuple[str, str]:
        """Return which of the names has a value, and the value; the first name when none has."""
        for name in names:
            values = self._values.get(name)
            if values:
                return name, values[0]
        return names[0], ""

    def integer(self, *names: str) -> int | None:
        """Return a whole number, None when there is none.

        Raises:
            ClewError: INVALID_ARGUMENT, naming the parameter; so do the methods below.
        """
        name, text = self.named(*names)
        if not text:
            return None
        if not _INTEGER.fullmatch(text):
            raise malformed(name, text, "a whole number")
        return int(text)

    def unix_time(self, name: str, unit_ns: int) -> int | None:
        """Return a time given in so many units since the epoch, in nanoseconds.

        A time before the epoch or after the last that can be kept is the nearest one that can.
        """
        number = self.integer(name)
        return None if number is None else min(max(0, number * unit_ns), TIME_NS_MAX)

    def time(self, *names: str) -> int | None:
        """Return an RFC 3339 time in Unix nanoseconds."""
        name, text = self.named(*names)
        if not text:
            return None
        lost = _LOST_PLUS.fullmatch(text)
        given = f"{lost[1]}+{lost[2]}" if lost else text
        try:
            if "T" in given.upper():
                return parse_time(given, now=0)
        except ClewError as error:
            raise malformed(name, text, error.hint or "RFC 3339") from None
        raise malformed(name, text, "an RFC 3339 time such as 2026-11-21T03:00:00Z")

    def duration(self, *names: str) -> int | None:
        """Return a duration such as ``1.5s`` in nanoseconds."""
        name, text = self.named(*names)
        return read_duration(name, text) if text else None

    def boolean(self, *names: str) -> bool:
        """Return a truth; false when there is none."""
        name, text = self.named(*names)
        word = text.lower()
        if word and word not in _TRUE | _FALSE:
            raise malformed(name, text, "true or false")
        return word in _TRUE


def read_duration(name: str, text: str) -> int:
    """Return a duration in Go's syntax, in nanoseconds.

    Raises:
        ClewError: INVALID_ARGUMENT, naming the parameter.
    """
    if text == "0":
        return 0
    try:
        # Go takes either of the two letters that look like a mu.
        return parse_duration_ns(text.replace("\u03bc", "\u00b5"))
    except ClewError:
        raise malformed(name, text, "a duration with its unit, such as 100ms or 1.5s") from None


def malformed(name: str, text: str, expected: str) -> ClewError:
    """Return the error of a parameter that does not parse."""
    shown = text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
    return _refusal(f"malformed parameter {name}: {shown!r} is not {expected}")


def _refusal(message: str) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, message)
