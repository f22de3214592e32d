"""Which attributes there are, and which values they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import NS_PER_S
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry import documents as doc
from clew.telemetry.query.names import NAME_CHARS_MAX, suggest_attributes
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import cut_slice, read_slice
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import LOGS, METRICS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.slices import Slice
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 3600 * NS_PER_S
"""Asked without a range: an hour. Counting opens every map of every row, ten entries each."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of attribute maps and what its place is called."""

    place: str
    map: str
    many: bool = False


_ENTRY: Final = "ENTRY"

_RESOURCE: Final = _Column("resource", "ResourceAttributes")
_SCOPE: Final = _Column("scope", "ScopeAttributes")

_SIGNALS: Final[Mapping[str, tuple[tuple[Table, ...], tuple[_Column, ...]]]] = {
    "traces": (
        (TRACES,),
        (
            _Column("span", "SpanAttributes"),
            _RESOURCE,
            _SCOPE,
            _Column("event", "`Events.Attributes`", many=True),
        ),
    ),
    "logs": ((LOGS,), (_Column("log", "LogAttributes"), _RESOURCE, _SCOPE)),
    "metrics": (METRICS, (_Column("metric", "Attributes"), _RESOURCE, _SCOPE)),
}


def list_attributes(store: Store, query: ask.AttributeQuery, now: int) -> doc.AttributeList:
    """Return attribute keys of a signal, most frequent first; counts are exact over the range."""
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("attributes", query, snapshot, window=window, now=now)
    condition, parameters = "1", {}
    if query.prefix is not None:
        condition, parameters = "startsWith(entry.1, {prefix:String})", {"prefix": query.prefix}
    rows = [
        {**row, "place": column.place}
        for column in _columns(query)
        for row in _entries(
            store,
            query,
            column,
            page,
            snapshot,
            key="key",
            figures=(
                Aggregate("count", "count"),
                Aggregate("values", "uniqExact", f"tupleElement({_ENTRY}, 2)"),
            ),
            where=condition,
            parameters=parameters,
        )
    ]
    rows.sort(key=lambda row: (-row["count"], row["key"], row["place"]))
    shown, rest = cut_slice(rows, page)
    return doc.AttributeList(
        attributes=[doc.AttributeKey(**row) for row in shown],
        count=len(shown),
        total=len(rows),
        truncated=rest is not None,
        next=rest,
    )


def list_attribute_values(
    store: Store, key: str, query: ask.AttributeQuery, now: int
) -> doc.AttributeValueList:
    """Return the values of one attribute, over every place or the one asked for.

    Raises:
        ClewError: NOT_FOUND, with near names, when nothing in the range has the key.
    """
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice(f"values of {key}", query, snapshot, window=window, now=now)
    counts: dict[str, int] = {}
    for column in _columns(query):
        for row in _entries(
            store,
            query,
            column,
            page,
            snapshot,
            key="value",
            figures=(Aggregate("count", "count"),),
            where="entry.1 = {key:String} AND startsWith(entry.2, {prefix:String})",
            parameters={"key": key, "prefix": query.prefix or ""},
        ):
            counts[row["value"]] = counts.get(row["value"], 0) + row["count"]
    if not counts and query.prefix is None:
        near = suggest_attributes(store, key).suggestions
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"no attribute {shorten(key, NAME_CHARS_MAX)!r} in this range",
            hint=f"did you mean {', '.join(near)}?" if near else "widen the range with last=7d",
        )
    values = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = cut_slice(values, page)
    return doc.AttributeValueList(
        key=key,
        values=[doc.AttributeValue(value=value, count=count) for value, count in shown],
        count=len(shown),
        total=len(values),
        truncated=rest is not None,
        next=rest,
    )


def _columns(query: ask.AttributeQuery) -> tuple[_Column, ...]:
    columns = _SIGNALS[query.signal][1]
    if query.place is None:
        return columns
    chosen = tuple(column for column in columns if column.place == query.place)
    if not chosen:
        places = ", ".join(column.place for column in columns)
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{query.signal} have no attributes in place {query.place}",
            hint=f"places of {query.signal}: {places}",
        )
    return chosen


def _entries(
    store: Store,
    query: ask.AttributeQuery,
    column: _Column,
    page: Slice,
    snapshot: Snapshot,
    *,
    key: Literal["key", "value"],
    figures: tuple[Aggregate, ...],
    where: str,
    parameters: Mapping[str, object],
) -> list[dict[str, Any]]:
    """Return figures over the entries ``(key, value)`` of one column of maps, by key or by value.

    `where` is a condition of an ``entry``; ``ENTRY`` in a figure's argument is one that meets it.
    """
    pairs = "CAST({}, 'Array(Tuple(String, String))')".format
    entries = (
        f"arrayFlatten(arrayMap(each -> {pairs('each')}, {column.map}))"
        if column.many
        else pairs(column.map)
    )
    # The engine takes one row for each entry, however often the same text stands in a SELECT.
    entry = f"arrayJoin({entries if where == '1' else f'arrayFilter(entry -> {where}, {entries})'})"
    groups = Groups(
        TRACES,
        {key: f"tupleElement({entry}, {1 if key == 'key' else 2})"},
        tuple(replace(each, arguments=each.arguments.replace(_ENTRY, entry)) for each in figures),
        (column.map,),
    )
    bound = dict(parameters)
    sources = {}
    for number, table in enumerate(_SIGNALS[query.signal][0]):
        rows = f"{time_condition(table, page.window)} AND {page.condition}"
        if query.service is not None:
            rows += " AND ServiceName = {service:String}"
            bound["service"] = query.service
        sources[f"rows_{number}"] = (table, rows)
    sql, scans = groups.ask_all(snapshot, sources)
    answer = store.engine.query(
        sql, snapshot=snapshot, scans=scans, parameters=bound, limits=LIMITS
    )
    rows_found: list[dict[str, Any]] = answer.to_pylist()
    return rows_found
