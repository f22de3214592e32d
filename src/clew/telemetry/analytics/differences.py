"""Two windows side by side, and which attribute values set the bad spans apart from the good ones.

Theory of operation. A value can only be commoner among the bad spans if some bad span has it, and
there are few bad ones; so the values are listed over those, with their keys and all. The good ones,
which are many, are then counted by the hashes of those values alone: a tenth of the cost, since no
text is put together, and memory for a few thousand numbers. A key with very many values (an id) or
very long ones (a prompt) tells nothing by its values, and would fill memory: it is compared by
presence. All counts are exact, but for hashes of 64 bits being taken as told apart.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.base.times import NS_PER_MS
from clew.store.engine.contract import QueryLimits, Scan
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.evidence import quote_value
from clew.telemetry.analytics.span_sets import Ordinary, SpanSets, is_defining, read_sets
from clew.telemetry.analytics.statistics import Share, adjust, compare_shares
from clew.telemetry.analytics.subjects import both_windows
from clew.telemetry.analytics.windows import read_baseline, read_current
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import SECONDS, time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

FALSE_SHARE_MAX: Final = 0.01
"""Of the values reported, so many may be chance."""

LIFT_MIN: Final = 1.2
"""A value is worth saying if it is a fifth commoner among the bad spans."""

BAD_MIN: Final = 3
"""Bad spans that have a value below which it is not compared: no test could tell."""

KEYS_MAX: Final = 1_000
"""Keys of each place that are looked at, the commonest among the bad spans first."""

KEY_VALUES_MAX: Final = 1_000
"""Values from which a key is one of ids: hosts, routes and versions have fewer."""

VALUE_BYTES_MAX: Final = 256
"""Longer values are texts, which no two spans share."""

VALUES_MAX: Final = 5_000
"""Values that are compared, the commonest among the bad spans first: 0.1 s of tests."""

MEMORY_BYTES_MAX: Final = 1 << 30

_ERRORS_FROM: Final = SEVERITY_CLASSES["error"][0]

ValuePlace = Literal["field", "span", "resource"]

_FIELDS: Final[Mapping[str, str]] = {
    "service": "toString(ServiceName)",
    "operation": "toString(SpanName)",
    "status": "lower(toString(StatusCode))",
    "kind": "if(SpanKind = 'Unspecified', 'internal', lower(toString(SpanKind)))",
}
_MAPS: Final[Mapping[ValuePlace, str]] = {
    "span": "SpanAttributes",
    "resource": "ResourceAttributes",
}

_ENTRIES_SQL: Final = "arrayDistinct(arrayConcat([{fields}], {maps}))".format(
    fields=", ".join(f"('field', '{name}', {sql})" for name, sql in _FIELDS.items()),
    maps=", ".join(
        f"arrayMap((k, v) -> ('{place}', toString(k), toString(v)),"
        f" mapKeys({sql}), mapValues({sql}))"
        for place, sql in _MAPS.items()
    ),
)
"""All entries of a span, as place, key and value."""

_WANTED_HASHES_SQL: Final = ", ".join(
    f"arrayFilter(hash -> hash IN {{hashes:Array(UInt64)}}, {hashes})"
    for hashes in (
        "[{}]".format(
            ", ".join(f"cityHash64('field', '{name}', {sql})" for name, sql in _FIELDS.items())
        ),
        *(
            f"arrayMap((k, v) -> cityHash64('{place}', toString(k), toString(v)),"
            f" mapKeys({sql}), mapValues({sql}))"
            for place, sql in _MAPS.items()
        ),
    )
)
_WANTED_KEYS_SQL: Final = ", ".join(
    f"arrayFilter(hash -> hash IN {{hashes:Array(UInt64)}},"
    f" arrayMap(k -> cityHash64('{place}', toString(k)), mapKeys({sql})))"
    for place, sql in _MAPS.items()
)
"""Of the same entries, and of keys, the hashes that are asked for."""

_ENTRY_COLUMNS: Final = (
    "ServiceName",
    "SpanName",
    "StatusCode",
    "SpanKind",
    *_MAPS.values(),
)
"""What entries are made of."""

_SPAN_FIGURES: Final = (
    Aggregate("spans", "count"),
    Aggregate("errors", "countIf", "StatusCode = 'Error'"),
    # As floats: two spans that never end wrap the engine's sum of integers.
    Aggregate("mean", "avg", "toFloat64(Duration)"),
    Aggregate("quantiles", "quantilesExact(0.5, 0.95, 0.99)", "Duration"),
)
_LOG_FIGURES: Final = (
    Aggregate("logs", "count"),
    Aggregate("log_errors", "countIf", f"{SEVERITY_SQL} >= {_ERRORS_FROM}"),
)

_SAID_BY_FIELDS: Final = frozenset({("resource", "service.name")})


@dataclass(frozen=True, slots=True)
class _Value:
    """A value, or with None the presence of a key, and how many spans of each set have it."""

    place: ValuePlace
    key: str
    value: str | None
    bad: int
    good: int = 0


def diff(store: Store, query: ask.DiffQuery, now: int) -> doc.DifferenceReport:
    """Return every figure of two windows, and the values that set bad spans apart.

    Raises:
        ClewError: INVALID_ARGUMENT for a window, limit or expression that does not parse; TOO_LARGE
            when the values of the bad spans do not fit into memory.
    """
    check_limit(query.limit)
    current = read_current(query, now=now)
    baseline = read_baseline(query, current, now=now)
    reader = _Reader(store, store.snapshot(), current, baseline, query.service)
    here, there = reader.read_figures()
    sets = read_sets(
        store, query, current, baseline, Ordinary(here["errors"], round(here["quantiles"][1]))
    )
    found, collapsed, left_out = reader.read_values(sets)
    bad, good = reader.count_sets(sets)
    ranked = _rank(found, bad, good)
    shown = ranked[: query.limit]
    return doc.DifferenceReport(
        window=current.describe(),
        baseline=baseline.describe(),
        service_filter=query.service,
        metrics=_changes(here, there, current, baseline),
        totals=doc.BothTotals(current=_totals(here), baseline=_totals(there)),
        bad=doc.SpanSet(
            description=sets.bad_description, window=sets.bad_window.describe(), spans=bad
        ),
        good=doc.SpanSet(
            description=sets.good_description, window=sets.good_window.describe(), spans=good
        ),
        values=shown,
        count=len(shown),
        total=len(ranked),
        truncated=len(shown) < len(ranked) or left_out > 0,
        values_compared=len(found),
        values_left_out=left_out,
        keys_collapsed=collapsed,
        note=_note(bad, good, there["spans"]),
    )


class _Reader:
    """Asks the engine about both windows, at one moment."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        current: Window,
        baseline: Window,
        service: str | None,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._current = current
        self._baseline = baseline
        self._service = service

    def read_figures(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return counts and durations of the current window and of the baseline."""
        spans = self._by_window(TRACES, _SPAN_FIGURES, ("StatusCode", "Duration"))
        logs = self._by_window(LOGS, _LOG_FIGURES, ("SeverityNumber", "SeverityText"))
        nothing = {
            "spans": 0,
            "errors": 0,
            "mean": 0.0,
            "quantiles": [0, 0, 0],
            "logs": 0,
            "log_errors": 0,
        }
        here, there = ({**nothing, **spans.get(side, {}), **logs.get(side, {})} for side in (1, 0))
        return here, there

    def _by_window(
        self, table: Table, figures: tuple[Aggregate, ...], columns: tuple[str, ...]
    ) -> dict[int, dict[str, Any]]:
        parameters: dict[str, object] = {}
        where = both_windows(table, self._current, self._baseline)
        if self._service is not None:
            where += " AND ServiceName = {service:String}"
            parameters["service"] = self._service
        groups = Groups(
            table,
            {"is_current": f"({time_condition(table, self._current.range)})"},
            figures,
            (table.time, SECONDS, *columns),
        )
        sql, scan = groups.ask(self._snapshot, "rows", where)
        rows = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"rows": scan},
            parameters=parameters,
            limits=LIMITS,
        ).to_pylist()
        return {int(row["is_current"]): row for row in rows}

    def count_sets(self, sets: SpanSets) -> tuple[int, int]:
        """Return how many spans are bad and how many good."""
        counted = Scan(TRACES, (f"countIf({sets.is_bad}) AS bads", "count() AS spans"), sets.where)
        [row] = self._query(
            "SELECT sum(bads) AS bad, sum(spans) AS n FROM @spans", counted, sets.parameters
        )
        return row["bad"], row["n"] - row["bad"]

    def read_values(self, sets: SpanSets) -> tuple[list[_Value], list[str], int]:
        """Return counted values, the keys that were collapsed, and how many were left out."""
        counted: dict[int, _Value] = {}
        collapsed: list[str] = []
        plain: list[str] = []
        for row in self._read_keys(sets):
            place, key = row["place"], row["key"]
            if is_defining(sets, place, key) or (place, key) in _SAID_BY_FIELDS:
                continue
            if row["values"] <= KEY_VALUES_MAX and row["longest"] <= VALUE_BYTES_MAX:
                plain.append(f"{place}.{key}")
                continue
            collapsed.append(key if place == "span" else f"{place}.{key}")
            if row["n"] >= BAD_MIN:
                counted[row["hash"]] = _Value(place, key, None, row["n"])
        values, left_out = self._read_bad_values(sets, plain)
        counted.update(values)
        good = self._count_good(sets, sorted(counted), with_keys=bool(collapsed))
        found = [
            dataclasses.replace(value, good=good.get(hashed, 0))
            for hashed, value in counted.items()
        ]
        return found, sorted(collapsed), left_out

    def _read_keys(self, sets: SpanSets) -> list[dict[str, Any]]:
        """Return the keys of the bad spans, with what their values are like."""
        entry = f"arrayJoin({_ENTRIES_SQL})"
        groups = _groups_of_entries(
            entry,
            ("place", "key"),
            Aggregate("n", "count"),
            Aggregate("values", "uniqCombined", f"tupleElement({entry}, 3)"),
            Aggregate("longest", "max", f"length(tupleElement({entry}, 3))"),
        )
        return self._ask(
            sets,
            groups,
            "SELECT *, cityHash64(place, key) AS hash FROM ({})"
            f" ORDER BY n DESC, place, key LIMIT {KEYS_MAX}",
            f"{sets.where} AND ({sets.is_bad})",
        )

    def _read_bad_values(self, sets: SpanSets, keys: list[str]) -> tuple[dict[int, _Value], int]:
        """Return the commonest values of some keys among the bad spans, by their hashes."""
        entry = (
            "arrayJoin(arrayFilter(entry -> concat(entry.1, '.', entry.2)"
            f" IN {{keys:Array(String)}}, {_ENTRIES_SQL}))"
        )
        rows = self._ask(
            sets,
            _groups_of_entries(entry, ("place", "key", "value"), Aggregate("n", "count")),
            "SELECT *, cityHash64(place, key, value) AS hash, count() OVER () AS candidates"
            f" FROM ({{}}) WHERE n >= {BAD_MIN}"
            f" ORDER BY n DESC, place, key, value LIMIT {VALUES_MAX}",
            f"{sets.where} AND ({sets.is_bad})",
            keys=keys,
        )
        values = {
            row["hash"]: _Value(row["place"], row["key"], row["value"], row["n"]) for row in rows
        }
        return values, rows[0]["candidates"] - len(rows) if rows else 0

    def _count_good(self, sets: SpanSets, hashes: list[int], *, with_keys: bool) -> dict[int, int]:
        """Return how many good spans have each of some values, and of some keys."""
        if not hashes:
            return {}
        wanted = f"{_WANTED_HASHES_SQL}, {_WANTED_KEYS_SQL}" if with_keys else _WANTED_HASHES_SQL
        rows = self._ask(
            sets,
            Groups(
                TRACES,
                {"hash": f"arrayJoin(arrayDistinct(arrayConcat({wanted})))"},
                (Aggregate("n", "count"),),
                _ENTRY_COLUMNS,
            ),
            "{}",
            f"{sets.where} AND NOT ({sets.is_bad})",
            hashes=hashes,
        )
        return {row["hash"]: row["n"] for row in rows}

    def _ask(
        self,
        sets: SpanSets,
        groups: Groups,
        sql: str,
        where: str,
        **parameters: object,
    ) -> list[dict[str, Any]]:
        """Run a statement over groups of the spans of the sets, of which `where` takes some."""
        grouped, scan = groups.ask(self._snapshot, "spans", where)
        return self._query(sql.format(grouped), scan, {**sets.parameters, **parameters})

    def _query(
        self, sql: str, scan: Scan, parameters: Mapping[str, object]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"spans": scan},
            parameters=parameters,
            limits=QueryLimits(time_ms_max=LIMITS.time_ms_max, memory_bytes_max=MEMORY_BYTES_MAX),
        ).to_pylist()
        return found


def _groups_of_entries(entry: str, keys: tuple[str, ...], *figures: Aggregate) -> Groups:
    """Return groups by the first parts of entries, of which `entry` gives one for each row."""
    named = {key: f"tupleElement({entry}, {place})" for place, key in enumerate(keys, start=1)}
    return Groups(TRACES, named, figures, _ENTRY_COLUMNS)


def _rank(values: list[_Value], bad: int, good: int) -> list[doc.ValueDifference]:
    """Return the values that are commoner among the bad spans, the largest difference first."""
    if not bad or not good:
        return []
    adjusted = adjust(
        [compare_shares(Share(each.bad, bad), Share(each.good, good)) for each in values]
    )
    found = []
    for each, p_value in zip(values, adjusted, strict=True):
        bad_share, good_share = each.bad / bad, each.good / good
        if p_value > FALSE_SHARE_MAX or bad_share < LIFT_MIN * good_share:
            continue
        found.append(
            doc.ValueDifference(
                place=each.place,
                key=each.key,
                value=each.value,
                bad_count=each.bad,
                good_count=each.good,
                bad_share=bad_share,
                good_share=good_share,
                lift=bad_share / good_share if good_share else None,
                p_value=p_value,
                confidence=1 - p_value,
                filter=_filter(each),
            )
        )
    found.sort(
        key=lambda one: (one.good_share - one.bad_share, one.place, one.key, one.value or "")
    )
    return found


def _filter(value: _Value) -> str:
    """Return the filter expression that selects spans with a value."""
    match value.place:
        case "field":
            key = value.key
        case "span":
            key = quote_value(value.key)
        case "resource":
            key = f"resource.{quote_value(value.key)}"
    return key if value.value is None else f"{key} = {quote_value(value.value)}"


def _changes(
    here: Mapping[str, Any], there: Mapping[str, Any], current: Window, baseline: Window
) -> doc.Changes:
    def change(now: float, before: float) -> doc.Change:
        ratio = now / before if before else None
        return doc.Change(current=now, baseline=before, delta=now - before, ratio=ratio)

    def share(row: Mapping[str, Any]) -> float:
        return row["errors"] / row["spans"] if row["spans"] else 0.0

    quantiles = [
        change(now / NS_PER_MS, before / NS_PER_MS)
        for now, before in zip(here["quantiles"], there["quantiles"], strict=True)
    ]
    return doc.Changes(
        spans_per_second=change(here["spans"] / current.seconds, there["spans"] / baseline.seconds),
        error_rate=change(share(here), share(there)),
        p50_ms=quantiles[0],
        p95_ms=quantiles[1],
        p99_ms=quantiles[2],
        avg_ms=change(here["mean"] / NS_PER_MS, there["mean"] / NS_PER_MS),
        log_errors_per_second=change(
            here["log_errors"] / current.seconds, there["log_errors"] / baseline.seconds
        ),
    )


def _totals(row: Mapping[str, Any]) -> doc.Totals:
    return doc.Totals(
        spans=row["spans"], errors=row["errors"], logs=row["logs"], log_errors=row["log_errors"]
    )


def _note(bad: int, good: int, before: int) -> str | None:
    if not bad:
        return "no span is bad by this measure: there is nothing to explain"
    if not good:
        return "no span is good by this measure: there is nothing to compare with"
    return None if before else "the baseline has no spans"
