"""Looking for words in comments finds the same on PostgreSQL as on SQLite."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.team.comments.parameters import BODY_BYTES_MAX, CommentQuery, NewComment
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments
from tests.conformance.registry_places import PostgresPlace, SqlitePlace

Both = tuple[TeamComments, TeamComments]

# Letters whose case or accents are not simple, what is no letter, and what means something in SQL
# or in the language of either index.
LETTERS = st.sampled_from(
    [
        *"aAbBzßẞäÄåéÉÅñøİ한하ㅎ数据дДйΣς0²½",
        *"_'\"-.:&|!()*<>\\ \n\t😀",
        *"\u0131\u017f\u03c3\u0663\u0301\u200d\ue000",
    ]
)
TEXTS = st.text(LETTERS, max_size=12)


@pytest.fixture(scope="module")
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """The same comments on SQLite and on PostgreSQL."""
    server = request.getfixturevalue("postgres_server")
    with tempfile.TemporaryDirectory() as folder:
        places = SqlitePlace(Path(folder)), PostgresPlace(server, server.new_url())
        one, two = (TeamComments(place.open(SCHEMA), time.time_ns) for place in places)
        yield one, two
        for place in places:
            place.close()


@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=4), TEXTS)
@example(["time-out of the bank"], "time-o")
@example(["crème brûlée"], '"creme brulee"')
@example(["say: it's O'Neil"], "o'n")
def test_what_is_found_does_not_depend_on_where_it_is_kept(
    both: Both, bodies: list[str], looked_for: str
) -> None:
    trace = f"{time.time_ns():x}"
    found: list[list[str] | ErrorCode] = []
    for comments in both:
        for body in bodies:
            comments.add(trace, NewComment(body=body)).result()
        try:
            query = CommentQuery(trace_id=trace, text=looked_for, order="oldest")
            found.append([each.body for each in comments.find(query).comments])
        except ClewError as error:
            found.append(error.code)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("body", "looked_for"),
    [
        ("a" * BODY_BYTES_MAX, "a" * 999),
        ("a " * (BODY_BYTES_MAX // 2), "a"),
        (" ".join(map(str, range(9000))), '"8998 8999"'),
    ],
    ids=["one word", "one word again and again", "many words"],
)
def test_the_largest_comments_are_found_on_both(both: Both, body: str, looked_for: str) -> None:
    for comments in both:
        trace = f"{time.time_ns():x}"
        kept = comments.add(trace, NewComment(body=body)).result()
        assert comments.find(CommentQuery(trace_id=trace, text=looked_for)).comments == [kept]


def test_a_character_of_the_code_zero_is_kept_on_sqlite_alone(both: Both) -> None:
    on_sqlite, on_postgres = both
    assert on_sqlite.add("1", NewComment(body="a\0b")).result().body == "a\0b"
    error = on_postgres.add("1", NewComment(body="a\0b")).exception()
    assert isinstance(error, ClewError)
    assert error.code is ErrorCode.INVALID_ARGUMENT
    with pytest.raises(ClewError) as caught:
        on_postgres.find(CommentQuery(author="a\0b"))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
