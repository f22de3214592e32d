"""Two windows side by side, and which attribute values set the bad spans apart from the good ones.

Theory of operation. A value can only be commoner among the bad spans if some bad span has it, and
there are few bad ones; so the values are listed over those, and only then counted over all spans.
A key with very many values (an id) or very long ones (a prompt) tells nothing by its values, and
would fill memory: it is compared by presence. Attributes of the resource are counted by whole maps
first, of which there are as many as processes. All counts are exact.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.base.times import NS_PER_MS
from clew.store.engine.contract import QueryLimits, Scan
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.evidence import quote_value
from clew.telemetry.analytics.span_sets import Ordinary, SpanSets, is_defining, read_sets
from clew.telemetry.analytics.statistics import Share, adjust, compare_shares
from clew.telemetry.analytics.subjects import both_windows
from clew.telemetry.analytics.windows import read_baseline, read_current
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.engine.contract import Snapshot
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
_KIND_SQL: Final = "if(SpanKind = 'Unspecified', 'internal', lower(toString(SpanKind)))"
_PAIRS: Final = "Array(Tuple(String, String))"

ValuePlace = Literal["field", "span", "resource"]

_MAPS: Final[Mapping[ValuePlace, str]] = {
    # Fields are read as a map too, so that one statement serves all three.
    "field": (
        "map('service', toString(ServiceName), 'operation', toString(SpanName),"
        f" 'status', lower(toString(StatusCode)), 'kind', {_KIND_SQL})"
    ),
    "span": "SpanAttributes",
    "resource": "ResourceAttributes",
}

_SAID_BY_FIELDS: Final = frozenset({("resource", "service.name")})


@dataclass(frozen=True, slots=True)
class _Value:
    """A value, or with None the presence of a key, and how many spans of each set have it."""

    place: ValuePlace
    key: str
    value: str | None
    bad: int
    good: int


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
        spans = self._by_window(
            "SELECT is_current, count() AS spans, countIf(StatusCode = 'Error') AS errors,"
            " avg(Duration) AS mean, quantilesExact(0.5, 0.95, 0.99)(Duration) AS quantiles"
            " FROM @spans GROUP BY is_current",
            Scan(
                TRACES,
                (
                    f"{time_condition(TRACES, self._current.range)} AS is_current",
                    "StatusCode",
                    "Duration",
                ),
                both_windows(TRACES, self._current, self._baseline),
            ),
            "spans",
        )
        logs = self._by_window(
            "SELECT is_current, count() AS logs, countIf(failed) AS log_errors"
            " FROM @logs GROUP BY is_current",
            Scan(
                LOGS,
                (
                    f"{time_condition(LOGS, self._current.range)} AS is_current",
                    f"{SEVERITY_SQL} >= {_ERRORS_FROM} AS failed",
                ),
                both_windows(LOGS, self._current, self._baseline),
            ),
            "logs",
        )
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

    def _by_window(self, sql: str, scan: Scan, name: str) -> dict[int, dict[str, Any]]:
        parameters: dict[str, object] = {}
        if self._service is not None:
            where = f"{scan.where} AND ServiceName = {{service:String}}"
            scan = Scan(scan.table, scan.columns, where)
            parameters["service"] = self._service
        rows = self._store.engine.query(
            sql, snapshot=self._snapshot, scans={name: scan}, parameters=parameters
        ).to_pylist()
        return {int(row["is_current"]): row for row in rows}

    def count_sets(self, sets: SpanSets) -> tuple[int, int]:
        """Return how many spans are bad and how many good."""
        [row] = self._ask(sets, "SELECT sum(b) AS bad, sum(g) AS good FROM {rows}", "field")
        return row["bad"] or 0, row["good"] or 0

    def read_values(self, sets: SpanSets) -> tuple[list[_Value], list[str], int]:
        """Return counted values, the keys that were collapsed, and how many were left out."""
        found: list[_Value] = []
        collapsed: list[str] = []
        left_out = 0
        for place in _MAPS:
            keys = self._read_keys(sets, place)
            plain = []
            for row in keys:
                key = row["key"]
                if is_defining(sets, place, key) or (place, key) in _SAID_BY_FIELDS:
                    continue
                if row["values"] > KEY_VALUES_MAX or row["longest"] > VALUE_BYTES_MAX:
                    collapsed.append(key if place == "span" else f"{place}.{key}")
                    found.append(_Value(place, key, None, row["bad"], row["good"]))
                else:
                    plain.append(key)
            values, beyond = self._read_values_of(sets, place, plain)
            found.extend(values)
            left_out += beyond
        return [each for each in found if each.bad >= BAD_MIN], collapsed, left_out

    def _read_keys(self, sets: SpanSets, place: ValuePlace) -> list[dict[str, Any]]:
        return self._ask(
            sets,
            "SELECT entry.1 AS key, sum(b) AS bad, sum(g) AS good,"
            " uniqCombinedIf(entry.2, b > 0) AS values, maxIf(length(entry.2), b > 0) AS longest"
            " FROM (SELECT b, g, arrayJoin(map) AS entry FROM {rows})"
            " GROUP BY key HAVING bad > 0 ORDER BY bad DESC, key"
            f" LIMIT {KEYS_MAX}",
            place,
        )

    def _read_values_of(
        self, sets: SpanSets, place: ValuePlace, keys: list[str]
    ) -> tuple[list[_Value], int]:
        """Return the commonest values of some keys among the bad spans, counted over all spans."""
        if not keys:
            return [], 0
        candidates = self._ask(
            sets,
            "SELECT hash, count() OVER () AS candidates FROM ("
            "SELECT cityHash64(entry.1, entry.2) AS hash, sum(b) AS n"
            " FROM (SELECT b, arrayJoin(map) AS entry FROM {rows} WHERE b > 0)"
            " WHERE entry.1 IN {{keys:Array(String)}} GROUP BY hash"
            f" HAVING n >= {BAD_MIN}) ORDER BY n DESC, hash LIMIT {VALUES_MAX}",
            place,
            keys=keys,
        )
        rows = self._ask(
            sets,
            "SELECT entry.1 AS key, entry.2 AS value, sum(b) AS bad, sum(g) AS good"
            " FROM (SELECT b, g, arrayJoin(map) AS entry FROM {rows})"
            " WHERE cityHash64(entry.1, entry.2) IN {{hashes:Array(UInt64)}}"
            " AND entry.1 IN {{keys:Array(String)}} GROUP BY key, value",
            place,
            keys=keys,
            hashes=[row["hash"] for row in candidates],
        )
        values = [_Value(place, row["key"], row["value"], row["bad"], row["good"]) for row in rows]
        total = candidates[0]["candidates"] if candidates else 0
        return values, total - len(candidates)

    def _ask(
        self, sets: SpanSets, sql: str, place: ValuePlace, **parameters: object
    ) -> list[dict[str, Any]]:
        """Run a statement over ``{rows}``: lists of entries, of `b` bad and `g` good spans."""
        if place == "span":
            rows = (
                "(SELECT is_bad AS b, NOT is_bad AS g,"
                f" arrayDistinct(CAST(attributes, '{_PAIRS}')) AS map FROM @spans)"
            )
        else:
            rows = (
                "(SELECT countIf(is_bad) AS b, countIf(NOT is_bad) AS g,"
                f" arrayDistinct(CAST(attributes, '{_PAIRS}')) AS map"
                " FROM @spans GROUP BY attributes)"
            )
        found: list[dict[str, Any]] = self._store.engine.query(
            sql.format(rows=rows),
            snapshot=self._snapshot,
            scans={
                "spans": Scan(
                    TRACES,
                    (f"({sets.is_bad}) AS is_bad", f"{_MAPS[place]} AS attributes"),
                    sets.where,
                )
            },
            parameters={**sets.parameters, **parameters},
            limits=QueryLimits(memory_bytes_max=MEMORY_BYTES_MAX),
        ).to_pylist()
        return found


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
