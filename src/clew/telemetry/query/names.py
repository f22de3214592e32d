"""Names of services, operations and attributes: which there are, and what a misspelt one may mean.

A name that is there is looked for first: that ends at the first row that has it, while what may
have been meant takes the different names of whole tables.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from clew.store.engine.contract import Scan
from clew.telemetry import documents as doc
from clew.telemetry.query.filter.condition import Attribute, Exists, Or, Place
from clew.telemetry.query.filter.predicate import Predicate, compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import LOGS as LOG_WORDS
from clew.telemetry.query.filter.vocabulary import POINTS as POINT_WORDS
from clew.telemetry.query.filter.vocabulary import SPANS as SPAN_WORDS
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.tables import LOGS, METRICS, TABLES, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.store.table import Table
    from clew.telemetry.query.filter.vocabulary import Vocabulary
    from clew.telemetry.query.store import Store

NAMES_MAX: Final = 10_000
"""Known names that a misspelt one is held against: more would make the suggestion the slow part."""

SUGGESTIONS_MAX: Final = 3
NAME_CHARS_MAX: Final = 200
"""Nobody misspelt a longer name, and comparing two such takes the product of their lengths."""

_NEAR_ENOUGH: Final = 0.6
"""Similarity at which a name may have been meant: ``shpo`` finds ``shop``, ``cart`` does not."""

_SIGNALS: Final[tuple[tuple[Vocabulary, tuple[Table, ...]], ...]] = (
    (SPAN_WORDS, (TRACES,)),
    (LOG_WORDS, (LOGS,)),
    (POINT_WORDS, METRICS),
)


def suggest_services(store: Store, text: str) -> doc.Suggestions:
    """Return whether a service of any signal has a name, else up to three near ones."""
    return _suggest(store, text, "ServiceName", TABLES)


def suggest_operations(store: Store, text: str) -> doc.Suggestions:
    """Return whether an operation has a name, whole and to the letter, else up to three near."""
    return _suggest(store, text, "SpanName", (TRACES,))


def suggest_attributes(store: Store, text: str) -> doc.Suggestions:
    """Return whether anything has an attribute, in any place, else up to three near keys."""
    wanted: dict[Table, Predicate] = {}
    for words, tables in _SIGNALS:
        wanted |= dict.fromkeys(tables, _has_attribute(store, words, text))
    if _is_anywhere(store, wanted):
        return doc.Suggestions(suggestions=[], known=True)
    keys: set[str] = set()
    for words, tables in _SIGNALS:
        keys |= _names(store, f"arrayJoin({_keys(words)})", tables)
    return doc.Suggestions(suggestions=near_names(text, keys), known=False)


def near_names(text: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that a text may have meant, nearest first, never the text itself.

    A name that contains the text (``pay`` in ``payments``) counts as near whatever its length. What
    nobody could have typed is not suggested: stored names are whatever was sent.
    """
    if len(text) > NAME_CHARS_MAX:
        return []
    lowered = {
        name.lower(): name
        for name in sorted(names, reverse=True)
        if name != text and len(name) <= NAME_CHARS_MAX and name.isprintable()
    }
    close = difflib.get_close_matches(text.lower(), lowered, SUGGESTIONS_MAX, _NEAR_ENOUGH)
    holding = sorted((name for name in lowered if text and text.lower() in name), key=len)
    return [lowered[name] for name in dict.fromkeys([*close, *holding])][:SUGGESTIONS_MAX]


def _suggest(store: Store, text: str, column: str, tables: Sequence[Table]) -> doc.Suggestions:
    is_it = Predicate(f"{column} = {{name:String}}", {"name": text})
    if _is_anywhere(store, dict.fromkeys(tables, is_it)):
        return doc.Suggestions(suggestions=[], known=True)
    near = near_names(text, _names(store, column, tables))
    return doc.Suggestions(suggestions=near, known=False)


def _has_attribute(store: Store, words: Vocabulary, key: str) -> Predicate:
    # Anywhere includes the record itself and the resource.
    places = (place for place in words.places if place not in {Place.SPAN, Place.RESOURCE})
    return compile_condition(
        Or(tuple(Exists(Attribute(key, place)) for place in places)),
        words,
        matches_empty=RegexJudge(store).matches_empty,
    )


def _keys(words: Vocabulary) -> str:
    """Return the SQL list of all attribute keys of a row."""
    columns = {column.map: column for each in words.places.values() for column in each}
    lists = [
        f"arrayFlatten(arrayMap(each -> mapKeys(each), {column.map}))"
        if column.many
        else f"mapKeys({column.map})"
        for column in columns.values()
    ]
    return f"arrayConcat({', '.join(lists)})"


def _is_anywhere(store: Store, wanted: Mapping[Table, Predicate]) -> bool:
    """Return whether any of the tables has a row of which its predicate holds."""
    parameters: dict[str, object] = {}
    scans = {}
    for number, (table, predicate) in enumerate(wanted.items()):
        scans[f"rows_{number}"] = Scan(table, ("1 AS one",), predicate.sql, limit=1)
        # The same key under the same name: what differs is where each table looks.
        parameters.update(predicate.parameters)
    sources = " UNION ALL ".join(f"SELECT one FROM @{name}" for name in scans)
    answer = store.engine.query(
        f"SELECT one FROM ({sources}) LIMIT 1",
        snapshot=store.snapshot(),
        scans=scans,
        parameters=parameters,
        limits=LIMITS,
    )
    return bool(answer.num_rows)


def _names(store: Store, expression: str, tables: Sequence[Table]) -> set[str]:
    """Return the different texts of an expression over whole tables, at most `NAMES_MAX`."""
    scans = {
        f"rows_{number}": Scan(table, (f"{expression} AS name",), group_by=(expression,))
        for number, table in enumerate(tables)
    }
    sources = " UNION ALL ".join(f"SELECT name FROM @{name}" for name in scans)
    answer = store.engine.query(
        f"SELECT DISTINCT name FROM ({sources}) LIMIT {NAMES_MAX}",
        snapshot=store.snapshot(),
        scans=scans,
        limits=LIMITS,
    )
    return set(answer.column("name").to_pylist())
