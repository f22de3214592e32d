"""Log patterns that a service writes now and did not in the baseline.

Theory of operation. Masking a body takes 600 ns, too much for every record of a baseline, so they
are counted by a *signature*: the body with all digits and the letters A to F made equal, hashed (80
ns beside the 90 of reading it). Ids of one form have one signature; one body of each is masked.
The current window is compared with the end of the baseline first, as long as itself. What is there
as well is not new, and in a steady system that is everything; only if something is left, all of the
baseline is read, in which its signatures are looked for whatever their number.

Only so many texts are read of a window. Where the baseline has more, what is left is searched for
in every record of it: a pattern becomes a regular expression that fits every body of it, and some
others, so what it does not find is not there. Patterns too many to be searched for are not called
new, and their number is told.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.analytics.patterns import (
    BODY_CHARS_MAX,
    BODY_SQL,
    SEVERITY_CLASS_SQL,
    TEXTS_MAX,
    body_sql,
    mask_sql,
)
from clew.telemetry.analytics.templates import PLACEHOLDER, find_templates
from clew.telemetry.analytics.windows import Window
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.severity import SEVERITY_CLASSES
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.query.store import Store

_ALIKE: Final = "0123456789abcdefABCDEF"
_SIGNATURE_SQL: Final = (
    f"bitXor(cityHash64(translate(substring(Body, 1, {BODY_CHARS_MAX}),"
    f" '{_ALIKE}', '{'0' * len(_ALIKE)}')), cityHash64(ServiceName))"
)
_ERROR_CLASS: Final = tuple(SEVERITY_CLASSES).index("error")

SEARCHED_MAX: Final = 20
"""Patterns that are searched for in a whole baseline, those with the most records first: each takes
some 100 ns for a record of its service, and a deployment seldom says more that is new."""

# What Python takes for white space, of which templates have one blank for each run.
_SPACE: Final = r"[\s\v\x1c-\x1f\x85\pZ]"
_BLANKS: Final = re.compile(r"(\s+)")

Row = dict[str, Any]
Groups = dict[tuple[str, str], list[Row]]
"""Rows by service and pattern."""


@dataclass(frozen=True, slots=True)
class NewPattern:
    """A pattern that a service writes now and did not in the baseline."""

    service: str
    text: str
    count: int
    is_error: bool
    exemplar_trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class PatternsCompared:
    """The new patterns, how many there are now, and how many records of now lie in those.

    Of `untold` more it was not found out whether they are new.
    """

    new: list[NewPattern]
    patterns: int
    records_grouped: int
    untold: int = 0


class PatternReader:
    """Reads what log records say, at one moment, of all services or of one."""

    def __init__(self, store: Store, snapshot: Snapshot, *, service: str | None) -> None:
        self._store = store
        self._snapshot = snapshot
        self._service = service

    def compare(self, current: Window, baseline: Window, *, count_min: int) -> PatternsCompared:
        """Return the patterns of at least `count_min` records that only the current window has.

        The texts of both windows are put together at once, so that a name or number never seen
        before makes no pattern new.
        """
        here = self._read(current)
        length = current.end - current.start
        near = Window(max(baseline.start, baseline.end - length), baseline.end)
        there = self._read(near)
        new, patterns = _find_new(here, there, count_min)
        if new and (near.start > baseline.start or _is_cut(there)):
            signatures = {row["signature"] for rows in new.values() for row in rows}
            there = self._read(baseline, signatures)
            new, patterns = _find_new(here, there, count_min)
        untold = 0
        if new and _is_cut(there):
            new, untold = self._search(baseline, new)
        traces = self._read_traces(current, new)
        found = [
            NewPattern(
                service=service,
                text=text,
                count=sum(row["n"] for row in rows),
                is_error=any(row["severity"] >= _ERROR_CLASS for row in rows),
                exemplar_trace_id=next(
                    (traces[row["signature"]] for row in rows if row["signature"] in traces), None
                ),
            )
            for (service, text), rows in new.items()
        ]
        return PatternsCompared(found, patterns, sum(row["n"] for row in here), untold)

    def _search(self, window: Window, wanted: Groups) -> tuple[Groups, int]:
        """Return the patterns that no record of a window has, and how many were not searched for.

        Those with the most records are.
        """
        by_count = sorted(wanted, key=lambda key: (-sum(row["n"] for row in wanted[key]), key))
        searched = by_count[:SEARCHED_MAX]
        parameters: dict[str, object] = {"services": sorted({service for service, _ in searched})}
        figures = []
        for place, (service, text) in enumerate(searched):
            parameters |= {f"service_{place}": service, f"pattern_{place}": _expression(text)}
            figures.append(
                f"max(ServiceName = {{service_{place}:String}}"
                f" AND match({BODY_SQL}, {{pattern_{place}:String}})) AS seen_{place}"
            )
        found = [f"max(seen_{place}) AS found_{place}" for place in range(len(searched))]
        [row] = self._query(
            window,
            tuple(figures),
            f"SELECT {', '.join(found)} FROM @logs",
            parameters,
            also="ServiceName IN {services:Array(String)}",
        )
        new = {key: wanted[key] for place, key in enumerate(searched) if not row[f"found_{place}"]}
        return new, len(by_count) - len(searched)

    def _read(self, window: Window, first: Collection[int] = ()) -> list[Row]:
        """Return the most frequent texts of a window, and those of some signatures before all."""
        return self._query(
            window,
            (
                f"{_SIGNATURE_SQL} AS signature",
                f"{SEVERITY_CLASS_SQL} AS severity",
                "count() AS records",
                "any(ServiceName) AS name",
                # Always the same one of them, and no more of it than is looked at.
                f"{body_sql('min(Body)')} AS body",
            ),
            f"SELECT signature, severity, n, service, {mask_sql('body')} AS text FROM ("
            "SELECT signature, severity, sum(records) AS n, any(name) AS service,"
            " min(body) AS body FROM @logs GROUP BY signature, severity"
            " ORDER BY has({first:Array(UInt64)}, signature) DESC, n DESC, signature, severity"
            f" LIMIT {TEXTS_MAX})",
            {"first": sorted(first)},
            group_by=(_SIGNATURE_SQL, SEVERITY_CLASS_SQL),
        )

    def _read_traces(
        self, window: Window, new: Mapping[tuple[str, str], Sequence[Row]]
    ) -> dict[int, str]:
        """Return, by signature, the trace of a record that has one."""
        signatures = sorted({row["signature"] for rows in new.values() for row in rows})
        if not signatures:
            return {}
        rows = self._query(
            window,
            (f"{_SIGNATURE_SQL} AS signature", "min(TraceId) AS one"),
            "SELECT signature, min(one) AS trace FROM @logs GROUP BY signature",
            {"signatures": signatures},
            also=f"TraceId != '' AND {_SIGNATURE_SQL} IN {{signatures:Array(UInt64)}}",
            group_by=(_SIGNATURE_SQL,),
        )
        return {row["signature"]: row["trace"] for row in rows}

    def _query(
        self,
        window: Window,
        columns: tuple[str, ...],
        sql: str,
        parameters: Mapping[str, object],
        *,
        also: str = "1",
        group_by: tuple[str, ...] = (),
    ) -> list[Row]:
        where = f"{time_condition(LOGS, window.range)} AND {also}"
        if self._service is not None:
            where += " AND ServiceName = {service:String}"
            parameters = {**parameters, "service": self._service}
        rows: list[Row] = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"logs": Scan(LOGS, columns, where, group_by=group_by)},
            parameters=parameters,
            limits=LIMITS,
        ).to_pylist()
        return rows


def _find_new(here: Sequence[Row], there: Sequence[Row], count_min: int) -> tuple[Groups, int]:
    """Return the rows of patterns that are here and not there, and how many are here."""
    texts = sorted({row["text"] for rows in (here, there) for row in rows})
    template_of = {
        texts[member]: template.text
        for template in find_templates(texts)
        for member in template.members
    }
    known = {(row["service"], template_of[row["text"]]) for row in there}
    found: Groups = {}
    for row in here:
        found.setdefault((row["service"], template_of[row["text"]]), []).append(row)
    new = {
        key: rows
        for key, rows in found.items()
        if key not in known and sum(row["n"] for row in rows) >= count_min
    }
    return new, len({text for _, text in found})


def _is_cut(rows: Sequence[Row]) -> bool:
    """Return whether a window may have more texts than were read of it."""
    return len(rows) >= TEXTS_MAX


def _expression(pattern: str) -> str:
    """Return the regular expression (RE2) that fits whatever body has a pattern."""
    blank = f"{_SPACE}+"
    literals = [
        "".join(blank if part.isspace() else re.escape(part) for part in _BLANKS.split(literal))
        for literal in pattern.split(PLACEHOLDER)
    ]
    return f"(?s)^{_SPACE}*{'.*'.join(literals)}{_SPACE}*$"
