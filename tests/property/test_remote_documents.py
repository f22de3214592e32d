"""What a server answers decodes and encodes to the same bytes: a client loses nothing of it."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.remote.reply import decode
from clew.surfaces.rest.answers import encode
from clew.surfaces.rest.routes.table import ROUTES
from tests.trying import examples

TAGS = {"traces", "logs", "metrics", "services", "attributes", "sql", "analytics", "comments"}

DOCUMENTS = sorted(
    {document for route in ROUTES if route.tag in TAGS for document in route.documents},
    key=lambda document: document.__name__,
)

TEXTS = st.text(max_size=6)
# JSON has no infinity, and clew writes null for it: what is a number stays one.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(TEXTS, inside, max_size=2),
    max_leaves=3,
)


@cache
def documents_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {name: values_of(hints[name]) for name in kind.__struct_fields__}
    return st.deferred(lambda: st.builds(kind, **fields))


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return every value of a type that documents are made of."""
    simple = {str: TEXTS, int: INTEGERS, float: FLOATS, bool: st.booleans(), Any: JSON}
    if kind in simple:
        return simple[kind]
    if kind in (None, type(None)):
        return st.none()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return documents_of(kind)
    inside = get_args(kind)
    match get_origin(kind):
        case typing.Literal:
            return st.sampled_from(inside)
        case origin if origin is list:
            return st.lists(values_of(inside[0]), max_size=2)
        case origin if origin is dict:
            return st.dictionaries(values_of(inside[0]), values_of(inside[1]), max_size=2)
        case origin if origin in (Union, types.UnionType):
            return st.one_of([values_of(each) for each in inside if each is not msgspec.UnsetType])
    raise AssertionError(f"documents have no such type: {kind}")


def test_every_answer_of_telemetry_and_comments_is_among_them() -> None:
    names = {document.__name__ for document in DOCUMENTS}
    assert {"SpanList", "Trace", "LogList", "MetricList", "SeriesList", "CommentList"} <= names
    assert {"Summary", "AnomalyReport", "DifferenceReport", "CorrelateReport"} <= names


@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
@given(chance=st.data())
@settings(max_examples=examples(12))
def test_a_document_comes_through_a_client_as_it_was_sent(
    kind: type[msgspec.Struct], chance: st.DataObject
) -> None:
    sent = encode(chance.draw(documents_of(kind)))
    assert encode(decode(sent, kind)) == sent
