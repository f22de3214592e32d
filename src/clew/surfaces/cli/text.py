"""Text on a terminal: hostile text made visible, widths in cells, figures for people.

Everything that a server stored came from outside, and a terminal obeys what it prints: an escape
sequence in a span's name could clear the screen, set the title or forge a line. So every piece of
stored text goes through `escape` or `escape_lines` before it is shown, and through
`escape_json` where a document is printed to a terminal as it is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ELLIPSIS: Final = "…"

MIDDLE_WIDTH_MIN: Final = 5
"""Two characters before the ellipsis and two behind it."""
NOTHING: Final = "-"

# Categories that a terminal acts on or hides: controls, format characters (which hold the
# bidirectional overrides and the tag characters), surrogates, line and paragraph separators.
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Joiners are format characters too, but Persian, Hindi and emoji are not legible without them.
_JOINERS: Final = frozenset("\u200c\u200d")

_SHORT_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# In JSON everything below U+0020 is escaped already; these are left for a terminal to act on.
_JSON_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001-\U000e007f]"
)

_SPARKS: Final = "▁▂▃▄▅▆▇█"


def escape(text: str) -> str:
    r"""Return `text` on one line with nothing in it that a terminal would act on.

    Controls become ``\n``, ``\x1b`` and the like, invisible format characters ``\u202e``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape_character(each) for each in text)


def escape_lines(text: str) -> list[str]:
    """Return the lines of `text`, each escaped; a tab becomes four spaces."""
    unified = text.replace("\r\n", "\n").expandtabs(4)
    return [escape(line) for line in unified.split("\n")]


def escape_json(document: str) -> str:
    """Return a JSON document that means the same and holds nothing a terminal would act on."""
    return _JSON_UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], document)


def _escape_character(each: str) -> str:
    if each in _JOINERS or unicodedata.category(each) not in _UNSEEN_CATEGORIES:
        return each
    if each in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[each]
    code = ord(each)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width_of(text: str) -> int:
    """Return how many cells escaped text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Return escaped text cut to `width` cells, the last one an ellipsis if it was cut."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    if text.isascii():
        return text[: width - 1] + ELLIPSIS
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + ELLIPSIS


def cut_start(text: str, width: int) -> str:
    """Return escaped text cut to `width` cells, the first one an ellipsis if it was cut."""
    if width_of(text) <= width:
        return text
    shown = ""
    for each in reversed(text):
        if width_of(each + shown) >= width:
            break
        shown = each + shown
    return ELLIPSIS + shown if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """Return escaped text cut to `width` cells, with its beginning and its end.

    Names of pods differ at their ends, and begin with what they belong to.
    """
    if width_of(text) <= width or width < MIDDLE_WIDTH_MIN:
        return cut(text, width)
    end = width // 2
    return cut(text, width - end + 1)[:-1] + cut_start(text, end)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return escaped text cut and filled to exactly `width` cells."""
    shown = cut(text, width)
    fill = " " * (width - width_of(shown))
    return fill + shown if right else shown + fill


def show_duration(milliseconds: float | None) -> str:
    """Return a duration in the unit a person would choose, three digits that count."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 0:
        return "-" + show_duration(-milliseconds)
    if milliseconds < 0.9995:
        microseconds = milliseconds * 1000
        if microseconds < 0.9995:
            return f"{microseconds * 1000:.0f} ns"
        return f"{_three_digits(microseconds)} µs"
    if milliseconds < 999.5:
        return f"{_three_digits(milliseconds)} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{_three_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"


def _three_digits(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def show_number(value: float | None) -> str:
    """Return a measured number short enough for a table, without losing its size."""
    if value is None:
        return NOTHING
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return show_count(int(value))
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.3e}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"


def show_count(count: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{count:,}" if abs(count) >= 10_000 else str(count)


def show_bytes(count: int) -> str:
    """Return a size in binary units."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def show_percent(part: float) -> str:
    """Return a share between 0 and 1 as a percentage; a small one never becomes 0 %."""
    if 0 < part < 0.001:
        return "<0.1 %"
    return f"{part * 100:.1f} %" if part else "0 %"


def plural(count: int, noun: str) -> str:
    """Return a count and its noun: ``1 span``, ``2 spans``, ``2 series``, ``2 processes``."""
    if noun.endswith(("sh", "ss", "ch")):
        return f"{show_count(count)} {noun}{'' if count == 1 else 'es'}"
    if count == 1 or noun.endswith("s"):
        return f"{show_count(count)} {noun}"
    if noun.endswith("ry"):
        return f"{show_count(count)} {noun.removesuffix('y')}ies"
    return f"{show_count(count)} {noun}s"


def read_time(text: str) -> tuple[datetime, int]:
    """Return an answer's time as a moment to the second, and the nanoseconds after it.

    Raises:
        ValueError: when it is not RFC 3339 UTC as the documents have it.
    """
    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC), int(rest.ljust(9, "0")[:9] or 0)


class Clock:
    """Shows times of one page: short in the rows, the day and the zone said once below.

    Times are shown in the zone of the machine that looks, so that they compare to its clock; the
    zone is always named. Rows carry the day only if the page spans more than one.
    """

    def __init__(self, times: Iterable[str], zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._moments = {text: self._local(text) for text in times}
        days = {moment.date() for moment, _ in self._moments.values()}
        self._has_days = len(days) > 1
        years = {day.year for day in days}
        self._has_years = len(years) > 1
        self._first = min(days, default=None)

    def show(self, text: str, *, digits: int = 3) -> str:
        """Return a time of the page, cut to `digits` of a second."""
        moment, nanoseconds = self._moments.get(text) or self._local(text)
        layout = "%Y-%m-%d %H:%M:%S" if self._has_years else "%m-%d %H:%M:%S"
        shown = moment.strftime(layout if self._has_days else "%H:%M:%S")
        return f"{shown}.{nanoseconds:09d}"[: len(shown) + 1 + digits] if digits else shown

    def legend(self) -> str:
        """Return the day and the zone that the rows leave out."""
        if self._first is None:
            return ""
        moment = next(iter(self._moments.values()))[0]
        zone = zone_name(moment)
        if not self._has_days:
            return f"times of {self._first.isoformat()}, {zone}"
        return f"times in {zone}" if self._has_years else f"times of {self._first.year}, {zone}"

    def _local(self, text: str) -> tuple[datetime, int]:
        moment, nanoseconds = read_time(text)
        return moment.astimezone(self._zone), nanoseconds


def zone_name(moment: datetime) -> str:
    """Return a moment's offset as ``UTC`` or ``UTC+02:00``; names such as CST mean several."""
    offset = moment.utcoffset() or timedelta()
    if not offset:
        return "UTC"
    minutes = round(offset.total_seconds() / 60)
    sign = "+" if minutes > 0 else "-"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def show_time(text: str, zone: tzinfo | None = None) -> str:
    """Return a time in full: day, time to the millisecond, zone."""
    moment, nanoseconds = read_time(text)
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000:03d} {zone_name(local)}"


def sparkline(values: Sequence[float | None], width: int | None = None) -> str:
    """Return one character per value, a space where there is none; lowest and highest span it.

    More values than `width` are averaged in equal groups.
    """
    shown = list(values) if width is None or len(values) <= width else squeeze(values, width)
    known = [value for value in shown if value is not None]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    return "".join(" " if value is None else _spark(value, low, high) for value in shown)


def squeeze(values: Sequence[float | None], width: int) -> list[float | None]:
    """Return `width` means of equal groups of values; None for a group that has none."""
    means: list[float | None] = []
    for place in range(width):
        group = values[place * len(values) // width : (place + 1) * len(values) // width]
        known = [value for value in group if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def _spark(value: float, low: float, high: float) -> str:
    if high == low:
        # A flat line has no lowest point: it lies at the bottom only if there is nothing at all.
        return _SPARKS[3] if value else _SPARKS[0]
    return _SPARKS[round((value - low) / (high - low) * (len(_SPARKS) - 1))]
