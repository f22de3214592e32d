"""Two sets of spans to hold against each other: the bad ones and the good ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_MS
from clew.telemetry.query.filter.condition import (
    And,
    Attribute,
    Compare,
    Condition,
    Exists,
    Field,
    Not,
    OneOf,
    Operator,
    Or,
    Place,
    Target,
)
from clew.telemetry.query.filter.expression import parse_expression
from clew.telemetry.query.filter.predicate import compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import SPANS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

ERRORS_MIN: Final = 10
"""Failed spans from which failing is what makes a span bad when nobody says what does; with fewer,
it is being slow: a handful of failures has nothing in common that chance would not explain."""


@dataclass(frozen=True, slots=True)
class SpanSets:
    """Which spans are bad and which good, as SQL over the table of spans.

    `where` selects both; `is_bad` tells them apart. `defining` are the fields and attributes that
    the sets are defined by: of course they differ.
    """

    where: str
    is_bad: str
    parameters: Mapping[str, object]
    defining: frozenset[Target]
    bad_description: str
    good_description: str
    bad_window: Window
    good_window: Window


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What the current window's spans are like: decides what is bad when nobody says."""

    errors: int
    p95_ns: int


def read_sets(
    store: Store, query: ask.DiffQuery, current: Window, baseline: Window, ordinary: Ordinary
) -> SpanSets:
    """Return the two sets that a question means.

    Raises:
        ClewError: INVALID_ARGUMENT for an expression that does not parse.
    """
    asked = [None if text is None else parse_expression(text, SPANS) for text in _texts(query)]
    bad, good = asked
    bad_said, good_said = _texts(query)
    is_same_window = query.against == "rest"
    if is_same_window and bad is None and good is None:
        bad, bad_said = _default_bad(ordinary)
    if is_same_window and bad is None:
        assert good is not None
        bad, bad_said = Not(good), f"not ({good_said})"
    good_window = current if is_same_window else baseline
    judge = RegexJudge(store).matches_empty
    bad_sql = compile_condition(bad or And(()), SPANS, matches_empty=judge, prefix="bad_")
    good_sql = compile_condition(good or And(()), SPANS, matches_empty=judge, prefix="good_")
    is_bad = f"({time_condition(TRACES, current.range)}) AND ({bad_sql.sql})"
    is_good = f"({time_condition(TRACES, good_window.range)}) AND ({good_sql.sql})"
    where = f"(({is_bad}) OR ({is_good}))"
    parameters: dict[str, object] = {**bad_sql.parameters, **good_sql.parameters}
    if query.service is not None:
        where += " AND ServiceName = {service:String}"
        parameters["service"] = query.service
    return SpanSets(
        where=where,
        is_bad=is_bad,
        parameters=parameters,
        defining=frozenset(
            target for each in (bad, good) if each is not None for target in _targets(each)
        ),
        bad_description=bad_said or "all spans of the window",
        good_description=good_said
        or ("all other spans of the window" if is_same_window else "all spans of the baseline"),
        bad_window=current,
        good_window=good_window,
    )


def is_defining(sets: SpanSets, place: str, key: str) -> bool:
    """Return whether the sets are told apart by this field or attribute."""
    if place == "field":
        names = {"operation", "name"} if key == "operation" else {key}
        return any(Field(name) in sets.defining for name in names)
    places = {Place.ANY, Place.RESOURCE} if place == "resource" else {Place.ANY}
    return any(Attribute(key, each) in sets.defining for each in places)


def _texts(query: ask.DiffQuery) -> tuple[str | None, str | None]:
    return query.bad, query.good


def _default_bad(ordinary: Ordinary) -> tuple[Condition, str]:
    if ordinary.errors >= ERRORS_MIN:
        return Compare(Field("status"), Operator.EQUALS, "error"), "status = error"
    condition = Compare(Field("duration"), Operator.AT_LEAST, ordinary.p95_ns)
    shown = f"{ordinary.p95_ns / NS_PER_MS:.6f}".rstrip("0").rstrip(".")
    return condition, f"duration >= {shown}ms"


def _targets(condition: Condition) -> Iterator[Target]:
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _targets(part)
        case Not(part):
            yield from _targets(part)
        case Compare(target) | OneOf(target) | Exists(target):
            yield target
