"""Which span refers to which: children to their parents, and spans to what they link to.

Theory of operation. A parent is of the same trace, so nothing is joined: the spans of a trace are
put into arrays, every span stands in them once as itself and once as a child, and what has one id
comes to stand together, the parent first, by sorting numbers that the engine gives to equal ids.
That costs the same for each span however many there are, where a table of all ids no longer fits
any cache (measured at ten million spans: a third of the join's time). What is compared are the ids
themselves. Links lead to other traces and are few: they alone are joined.

A span is a *mark*: its service's number and its kind in one number, beside a few flags.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import Final

_KINDS: Final = ("Client", "Producer", "Server", "Consumer")
_CLIENT, _PRODUCER, _SERVER, _CONSUMER = range(1, 5)

# Bits of a mark, from the lowest: the span stands here as a child; it has a parent; it began in the
# window; it failed. Then three bits of its kind, and from the ninth on the number of its service,
# which is above 0: a mark of 0 is no span.
_IS_CHILD, _HAS_PARENT, _IS_INSIDE, _HAS_FAILED = 1, 2, 4, 8
_KIND_SHIFT: Final = 4
_KIND_BITS: Final = 7
_SERVICE_SHIFT: Final = 8

TRACE: Final = "reinterpretAsUInt128(unhex(TraceId)) AS trace"
ID: Final = "reinterpretAsUInt64(unhex(SpanId)) AS id"
_PARENT: Final = "reinterpretAsUInt64(unhex(ParentSpanId)) AS parent"

LINK_TARGET: Final = (
    "cityHash64(reinterpretAsUInt128(unhex(TraceId)), reinterpretAsUInt64(unhex(SpanId)))"
)
"""What a span is found by that links lead to."""

REFERS: Final = "notEmpty(Links.SpanId)"
"""The condition of spans that link to others."""

# A link to the parent says nothing new.
_LINKED: Final = (
    "arrayJoin(arrayFilter(linked -> ParentSpanId = '' OR linked != (trace, parent),"
    " arrayDistinct(arrayMap((in_trace, span) -> (reinterpretAsUInt128(unhex(in_trace)),"
    " reinterpretAsUInt64(unhex(span))), Links.TraceId, Links.SpanId)))) AS linked"
)


def span_columns(is_inside: str) -> tuple[str, ...]:
    """Return the columns of the scan ``@spans``: ids, mark and duration of a span.

    `is_inside` is the condition that it began in the window. ``{services:Array(String)}`` and
    ``{numbers:Array(UInt32)}`` must be bound to all services and their numbers.
    """
    kinds = ", ".join(f"'{kind}'" for kind in _KINDS)
    numbers = ", ".join(str(number) for number in range(1, len(_KINDS) + 1))
    service = "transform(ServiceName, {services:Array(String)}, {numbers:Array(UInt32)}, 0)"
    flags = (
        f"(ParentSpanId != '') * {_HAS_PARENT} + ({is_inside}) * {_IS_INSIDE}"
        f" + (StatusCode = 'Error') * {_HAS_FAILED}"
        f" + transform(SpanKind, [{kinds}], [{numbers}], 0) * {1 << _KIND_SHIFT}"
    )
    mark = f"toUInt64({service}) * {1 << _SERVICE_SHIFT} + toUInt64({flags}) AS mark"
    return (TRACE, ID, _PARENT, mark, "Duration AS duration")


def link_columns(is_inside: str) -> tuple[str, ...]:
    """Return the columns of the scan ``@linking``, one row for each link of a span."""
    return (*span_columns(is_inside), _LINKED)


def _kind(mark: str) -> str:
    return f"bitAnd(bitShiftRight({mark}, {_KIND_SHIFT}), {_KIND_BITS})"


def _service(mark: str) -> str:
    return f"bitShiftRight({mark}, {_SERVICE_SHIFT})"


# A service that calls itself over the wire is an edge; a span inside the same one is not.
_IS_ACROSS: Final = (
    f"({_service('origin')} != {_service('child')} OR ({_kind('origin')} IN ({_CLIENT},"
    f" {_PRODUCER}) AND {_kind('child')} IN ({_SERVER}, {_CONSUMER})))"
)
_IS_REFERENCE: Final = f"bitAnd(child, {_IS_INSIDE}) != 0 AND (origin = 0 OR {_IS_ACROSS})"
_IS_ANSWERED: Final = (
    f"origin != 0 AND {_IS_ACROSS} AND {_kind('origin')} IN ({_CLIENT}, {_PRODUCER})"
)
_IS_RECEIVED: Final = (
    f"origin != 0 AND bitAnd(child, {_IS_INSIDE}) != 0 AND {_IS_ACROSS}"
    f" AND {_kind('child')} IN ({_CLIENT}, {_CONSUMER})"
)


def _parents(own: str, childs: str, condition: str) -> str:
    """Return SQL of the pairs of spans and parents, ``trace``, ``child``, ``origin``, ``value``.

    `value` is of the array `childs`, where the child stands; the parent has its own in `own`. The
    mark of a parent that is not there is 0.
    """
    group = "bitShiftRight({}, 3)".format
    # Of spans that share an id, as the two ends of a call do with some tracers, the called one is
    # sorted last of the parents, and is taken.
    key = (
        f"toUInt64(number) * 8 + if(bitAnd(mark, {_IS_CHILD}) = 1, {_KIND_BITS}, {_kind('mark')}) "
    )
    is_origin = f"mark -> bitAnd(mark, {_IS_CHILD}) = 0"
    filters = f"bitAnd(child, {_IS_CHILD | _HAS_PARENT}) = {_IS_CHILD | _HAS_PARENT}"
    return f"""
SELECT trace, pair.1 AS child, pair.2 AS origin, pair.3 AS value FROM (
  SELECT trace, arrayJoin(arrayFilter(
      (pair, child, origin) -> {filters} AND {condition},
      arrayZip(children, origins, values), children, origins)) AS pair
  FROM (
    SELECT trace, children, values,
      arrayMap(
        (key, nearest, origin) -> if({group("key")} = {group("nearest")}, origin, 0),
        arraySort(keys),
        arrayFill(key -> bitAnd(key, {_KIND_BITS}) != {_KIND_BITS}, arraySort(keys)),
        arrayFill({is_origin}, children)) AS origins
    FROM (
      SELECT trace, keys,
        arraySort((mark, key) -> key, both, keys) AS children,
        arraySort((value, key) -> key, arrayConcat({own}, {childs}), keys) AS values
      FROM (
        SELECT trace, ids, parents, durations,
          arrayConcat(marks, arrayMap(mark -> bitOr(mark, {_IS_CHILD}), marks)) AS both,
          arrayMap((number, mark) -> {key},
            arrayEnumerateDense(arrayConcat(ids, parents)), both) AS keys
        FROM (
          SELECT trace, groupArray(id) AS ids, groupArray(parent) AS parents,
            groupArray(mark) AS marks, groupArray(duration) AS durations
          FROM @spans GROUP BY trace
        )
      )
    )
  )
)"""


_LINK_PAIRS: Final = """
SELECT linking.trace AS trace, linking.id AS id, linking.linked AS linked,
  linking.mark AS child, origins.mark AS origin, linking.duration AS value
FROM @linking AS linking ANY LEFT JOIN (
  SELECT (trace, id) AS linked, mark FROM @linked
  WHERE (trace, id) IN (SELECT linked FROM @linking)
) AS origins ON linking.linked = origins.linked
"""

_FIGURES: Final = f"""
SELECT {_service("origin")} AS source, {_service("child")} AS target,
  multiIf(origin != 0 AND ({_kind("origin")} = {_PRODUCER} OR {_kind("child")} = {_CONSUMER}),
    'messaging', {{is_link}}, 'link', 'call') AS edge_kind,
  countIf(bitAnd(child, {_HAS_FAILED}) != 0) AS errors, groupArray(value) AS durations
FROM ({{pairs}}) GROUP BY source, target, edge_kind
"""

PARENT_EDGES: Final = _FIGURES.format(
    is_link=0, pairs=_parents("durations", "durations", f"({_IS_REFERENCE})")
)
"""Edges by parents: numbers of the services (0 for a parent that is not there), the kind of edge,
how many spans failed, and the durations of all."""

LINK_EDGES: Final = _FIGURES.format(is_link=1, pairs=f"{_LINK_PAIRS} WHERE {_IS_REFERENCE}")
"""Edges by links, in the same columns."""

_ANSWERED: Final = f"SELECT trace, value FROM ({_parents('ids', 'parents', f'({_IS_ANSWERED})')})"
_RECEIVED: Final = f"SELECT trace, value FROM ({_parents('ids', 'ids', f'({_IS_RECEIVED})')})"


def answered_sql(*, with_links: bool) -> str:
    """Return SQL of trace and id of calls that a span of another service, or a server, answers."""
    links = f"SELECT linked.1, linked.2 FROM ({_LINK_PAIRS}) WHERE {_IS_ANSWERED}"
    return f"{_ANSWERED} UNION ALL {links}" if with_links else _ANSWERED


def received_sql(*, with_links: bool) -> str:
    """Return SQL of trace and id of receipts whose producer is known."""
    links = f"SELECT trace, id FROM ({_LINK_PAIRS}) WHERE {_IS_RECEIVED}"
    return f"{_RECEIVED} UNION ALL {links}" if with_links else _RECEIVED
