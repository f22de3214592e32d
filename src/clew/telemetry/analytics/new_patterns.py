"""Log patterns that a service writes now and did not in the baseline.

Theory of operation. Masking a body takes 600 ns, too much for every record of a baseline, so they
are counted by a *signature*: the body with all digits and the letters A to F made equal, hashed (80
ns beside the 90 of reading it). Ids of one form have one signature; one body of each is masked.
The current window is compared with the end of the baseline first, as long as itself. What is there
as well is not new, and in a steady system that is everything; only if something is left, all of the
baseline is read, in which its signatures are looked for whatever their number.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.analytics.patterns import (
    BODY_CHARS_MAX,
    BODY_SQL,
    SEVERITY_CLASS_SQL,
    TEXTS_MAX,
    mask_sql,
)
from clew.telemetry.analytics.templates import find_templates
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

Row = dict[str, Any]


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
    """The new patterns, how many there are now, and how many records of now lie in those."""

    new: list[NewPattern]
    patterns: int
    records_grouped: int


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
        new, patterns = _find_new(here, self._read(near), count_min)
        if new and near.start > baseline.start:
            signatures = {row["signature"] for rows in new.values() for row in rows}
            new, patterns = _find_new(here, self._read(baseline, signatures), count_min)
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
        return PatternsCompared(found, patterns, sum(row["n"] for row in here))

    def _read(self, window: Window, first: Collection[int] = ()) -> list[Row]:
        """Return the most frequent texts of a window, and those of some signatures before all."""
        return self._query(
            window,
            (
                f"{_SIGNATURE_SQL} AS signature",
                "ServiceName AS service_name",
                f"{SEVERITY_CLASS_SQL} AS severity",
                "Body",
            ),
            f"SELECT signature, severity, n, service, {mask_sql(BODY_SQL)} AS text FROM ("
            "SELECT signature, severity, count() AS n, any(service_name) AS service,"
            " any(Body) AS Body FROM @logs GROUP BY signature, severity"
            " ORDER BY has({first:Array(UInt64)}, signature) DESC, n DESC, signature, severity"
            f" LIMIT {TEXTS_MAX})",
            first=sorted(first),
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
            (f"{_SIGNATURE_SQL} AS signature", "TraceId"),
            "SELECT signature, any(TraceId) AS trace FROM @logs"
            " WHERE TraceId != '' AND signature IN {signatures:Array(UInt64)} GROUP BY signature",
            signatures=signatures,
        )
        return {row["signature"]: row["trace"] for row in rows}

    def _query(
        self, window: Window, columns: tuple[str, ...], sql: str, **parameters: object
    ) -> list[Row]:
        where = time_condition(LOGS, window.range)
        if self._service is not None:
            where += " AND ServiceName = {service:String}"
            parameters["service"] = self._service
        rows: list[Row] = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"logs": Scan(LOGS, columns, where)},
            parameters=parameters,
            limits=LIMITS,
        ).to_pylist()
        return rows


def _find_new(
    here: Sequence[Row], there: Sequence[Row], count_min: int
) -> tuple[dict[tuple[str, str], list[Row]], int]:
    """Return the rows of patterns that are here and not there, and how many are here."""
    texts = sorted({row["text"] for rows in (here, there) for row in rows})
    template_of = {
        texts[member]: template.text
        for template in find_templates(texts)
        for member in template.members
    }
    known = {(row["service"], template_of[row["text"]]) for row in there}
    found: dict[tuple[str, str], list[Row]] = {}
    for row in here:
        found.setdefault((row["service"], template_of[row["text"]]), []).append(row)
    new = {
        key: rows
        for key, rows in found.items()
        if key not in known and sum(row["n"] for row in rows) >= count_min
    }
    return new, len({text for _, text in found})
