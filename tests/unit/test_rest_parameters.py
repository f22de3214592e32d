"""Query strings: what is given arrives, and nothing else is ever taken for granted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.rest.parameters import (
    QUERY_BYTES_MAX,
    check_bounds,
    describe_fields,
    parse_parameters,
)
from clew.surfaces.rest.routes.table import ROUTES
from clew.telemetry.query.parameters import SpanQuery
from clew.telemetry.remote import to_pairs
from clew.tree.parameters import CancelParameters

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(
    query=st.builds(
        SpanQuery,
        service=st.none() | TEXT,
        attribute=st.lists(TEXT, max_size=5),
        limit=st.integers(-(2**40), 2**40),
        min_duration_ms=st.none() | st.integers(0, 10**9).map(lambda us: us / 1000),
        root=st.none() | st.booleans(),
        status=st.none() | st.sampled_from(["ok", "error", "unset"]),
    ),
    escape=st.sampled_from([quote, quote_plus]),
)
def test_what_our_own_client_sends_is_what_arrives(query: SpanQuery, escape: Any) -> None:
    pairs = to_pairs(query)
    text = "&".join(f"{escape(name, safe='')}={escape(value, safe='')}" for name, value in pairs)
    assert parse_parameters(text.encode(), SpanQuery) == query


@given(query=st.binary(max_size=200))
def test_bytes_of_any_kind_are_parameters_or_an_invalid_argument(query: bytes) -> None:
    try:
        parse_parameters(query, SpanQuery)
    except ClewError as error:
        assert error.code is ErrorCode.INVALID_ARGUMENT  # noqa: PT017


def test_an_empty_text_is_a_value_and_null_is_a_name() -> None:
    assert parse_parameters(b"service=", SpanQuery).service == ""
    assert parse_parameters(b"service=null", SpanQuery).service == "null"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"x" * (QUERY_BYTES_MAX + 1), ErrorCode.TOO_LARGE),
        (b"attribute=a&" * 300, ErrorCode.INVALID_ARGUMENT),
    ],
)
def test_a_query_string_has_a_size(query: bytes, code: ErrorCode) -> None:
    with pytest.raises(ClewError) as caught:
        parse_parameters(query, SpanQuery)
    assert caught.value.code is code


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_reads_its_parameters_and_forbids_others_in_bodies(route: Any) -> None:
    for kind in {route.parameters, route.body} - {None}:
        assert kind.__struct_config__.forbid_unknown_fields
        assert kind.__struct_config__.frozen
    required = [f.encode_name for f in msgspec.structs.fields(route.parameters) if f.required]
    if not required:
        assert parse_parameters(b"", route.parameters) == route.parameters()


def parameters_of(path: str) -> Any:
    return next(route.parameters for route in ROUTES if route.path == path)


def shapes_of(kind: Any) -> dict[str, tuple[Any, bool]]:
    return {name: (field.kind, field.is_list) for name, field in describe_fields(kind).items()}


@pytest.mark.parametrize("listed", ["/api/v1/traces", "/api/v1/logs"])
def test_a_feed_takes_every_filter_of_its_list_and_nothing_of_its_pages(listed: str) -> None:
    feed = parameters_of(f"{listed}/live")
    filters = shapes_of(parameters_of(listed))
    for name in ("last", "start", "end", "limit", "next", "count", "view", "explain"):
        filters.pop(name, None)
        with pytest.raises(ClewError, match=f"there is no parameter '{name}'"):
            parse_parameters(f"{name}=1".encode(), feed)
    assert shapes_of(feed) == {**filters, "after": (str, False)}


@pytest.mark.parametrize("wrong", ["-1", "3600001", "9" * 15])
def test_a_value_beyond_its_bound_is_refused_with_the_bound(wrong: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_parameters(f"grace_ms={wrong}".encode(), CancelParameters)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.message.startswith("grace_ms=")
    bound = ">= 0" if wrong == "-1" else "<= 3600000"
    assert caught.value.hint == f"grace_ms: expected int {bound}"
    long = f"reason={'x' * 4097}".encode()
    with pytest.raises(ClewError, match="out of bounds"):
        parse_parameters(long, CancelParameters)
    within = parse_parameters(b"grace_ms=3600000&reason=x", CancelParameters)
    assert (within.grace_ms, within.reason) == (3_600_000, "x")


def test_a_struct_that_the_program_made_is_held_to_the_same_bounds() -> None:
    assert check_bounds(CancelParameters(grace_ms=0)).grace_ms == 0
    for wrong in (CancelParameters(grace_ms=-1), CancelParameters(reason="\ud800")):
        with pytest.raises(ClewError) as caught:
            check_bounds(wrong)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
