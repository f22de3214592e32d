"""Comments against a plain list: whatever is written, edited, removed, searched and paged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.store.database.contract import Database
from clew.team.comments.documents import Comment
from clew.team.comments.parameters import CommentEdit, CommentQuery, NewComment, Order
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments
from tests.conformance.registry_places import PLACES, Place, PostgresPlace, SqlitePlace
from tests.trying import examples

NS = 10**9
START = 1_790_812_800 * NS
WORDS = ["bank", "banks", "Bänk", "timeout", "time", "out", "at", "42"]
AUTHORS = ["ann", "bob", None]


@dataclass
class Clock:
    """Runs a second with each look, and jumps back now and then."""

    ticks: Iterator[int] = field(default_factory=count)

    def __call__(self) -> int:
        tick = next(self.ticks)
        return START + (tick - (tick % 7 == 3) * 5) * NS


@dataclass(frozen=True)
class Kept:
    """What the model knows of a comment."""

    number: int
    comment: Comment

    @property
    def words(self) -> list[str]:
        plain = self.comment.body.lower().replace("ä", "a")
        return plain.split()


BODIES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
TRACES = st.integers(1, 3)
SPANS = st.sampled_from([None, "a", "b"])
ADD = st.tuples(st.just("add"), TRACES, BODIES, st.sampled_from(AUTHORS), SPANS)
EDIT = st.tuples(st.just("edit"), st.integers(0, 30), BODIES)
DELETE = st.tuples(st.just("delete"), st.integers(0, 30))
STEPS = st.lists(st.one_of(ADD, ADD, ADD, EDIT, DELETE), max_size=25)
QUERIES: st.SearchStrategy[dict[str, str]] = st.builds(
    dict,
    trace_id=st.none() | TRACES.map(lambda number: f"{number:x}"),
    span_id=st.none() | st.sampled_from(["a", "b"]),
    author=st.none() | st.sampled_from(["ann", "bob", "anonymous"]),
    text=st.none()
    | st.lists(st.sampled_from([*WORDS, '"bank time"', "ban"]), min_size=1, max_size=2).map(
        " ".join
    ),
    order=st.sampled_from(["newest", "oldest"]),
)


@pytest.fixture(scope="module", params=PLACES)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        place: Place
        if request.param == "sqlite":
            place = SqlitePlace(Path(folder))
        else:
            server = request.getfixturevalue("postgres_server")
            place = PostgresPlace(server, server.new_url())
        yield place.open(SCHEMA)
        place.close()


def emptied(database: Database) -> TeamComments:
    database.submit(lambda writing: writing.run("DELETE FROM comments")).result()
    return TeamComments(database, Clock())


def apply(comments: TeamComments, kept: list[Kept], step: tuple[object, ...], number: int) -> None:
    match step:
        case ("add", int() as trace, str() as body, author, span):
            new = NewComment(body=body, author=author, span_id=span)  # type: ignore[arg-type]
            kept.append(Kept(number, comments.add(f"{trace:x}", new).result()))
        case ("edit", int() as place, str() as body) if kept:
            at = place % len(kept)
            comment = comments.edit(kept[at].comment.id, CommentEdit(body=body)).result()
            before = kept[at].comment
            assert comment.updated_at is not None
            assert (comment.created_at, comment.author) == (before.created_at, before.author)
            kept[at] = replace(kept[at], comment=comment)
        case ("delete", int() as place) if kept:
            gone = kept.pop(place % len(kept))
            assert comments.delete(gone.comment.id).result() == gone.comment
            with pytest.raises(ClewError) as caught:
                comments.get(gone.comment.id)
            assert caught.value.code is ErrorCode.NOT_FOUND


def matches(kept: Kept, query: CommentQuery) -> bool:
    comment = kept.comment
    return (
        (query.trace_id is None or comment.trace_id == query.trace_id.rjust(32, "0"))
        and (query.span_id is None or comment.span_id == query.span_id.rjust(16, "0"))
        and (query.author is None or comment.author == query.author)
        and (query.text is None or has_words(kept.words, query.text))
    )


def has_words(words: list[str], text: str) -> bool:
    looked_for = text.lower().replace("ä", "a")
    if '"bank time"' in looked_for:
        if ("bank", "time") not in pairwise(words):
            return False
        looked_for = looked_for.replace('"bank time"', "")
    return all(any(word.startswith(each) for word in words) for each in looked_for.split())


def page_through(
    comments: TeamComments, query: CommentQuery, limit: int
) -> tuple[list[Comment], set[int]]:
    """Return the comments of all pages, and the totals that they told."""
    found: list[Comment] = []
    totals = set()
    cursor = None
    while True:
        page = comments.find(replace_page(query, limit, cursor))
        assert page.count == len(page.comments) <= limit
        assert page.truncated == (page.next is not None)
        found += page.comments
        totals.add(page.total)
        cursor = page.next
        if cursor is None:
            return found, totals


def replace_page(query: CommentQuery, limit: int, cursor: str | None) -> CommentQuery:
    values = {name: getattr(query, name) for name in CommentQuery.__struct_fields__}
    return CommentQuery(**(values | {"limit": limit, "next": cursor}))


@given(STEPS, QUERIES, st.integers(1, 7))
@settings(max_examples=examples(20))
def test_a_search_finds_what_a_list_would(
    database: Database, steps: list[tuple[object, ...]], asked: dict[str, str], limit: int
) -> None:
    comments = emptied(database)
    kept: list[Kept] = []
    for number, step in enumerate(steps):
        apply(comments, kept, step, number)
    query = CommentQuery(**asked)  # type: ignore[arg-type]
    found, totals = page_through(comments, query, limit)
    expected = [each.comment for each in kept if matches(each, query)]
    assert found == (expected if query.order == "oldest" else expected[::-1])
    assert totals == {len(expected)}


@given(
    st.lists(BODIES, min_size=1, max_size=12),
    st.lists(ADD, max_size=5),
    st.integers(1, 5),
    st.data(),
)
@settings(max_examples=examples(20))
def test_pages_stand_still_while_comments_come_and_change(
    database: Database,
    bodies: list[str],
    later: list[tuple[object, ...]],
    limit: int,
    data: st.DataObject,
) -> None:
    comments = emptied(database)
    first = [comments.add("1", NewComment(body=body)).result().id for body in bodies]
    order: Order = data.draw(st.sampled_from(["newest", "oldest"]))
    found: list[str] = []
    removed: set[str] = set()
    cursor = None
    steps = iter(later)
    while True:
        page = comments.find(CommentQuery(order=order, limit=limit, next=cursor))
        found += [comment.id for comment in page.comments]
        cursor = page.next
        if cursor is None:
            break
        if (step := next(steps, None)) is not None:
            apply(comments, [], step, 0)
        place = data.draw(st.integers(0, len(first) - 1))
        comments.edit(first[place], CommentEdit(body="edited")).exception()
        if data.draw(st.booleans()) and first[place] not in removed:
            comments.delete(first[place]).result()
            removed.add(first[place])
    assert len(set(found)) == len(found)
    in_order = first if order == "oldest" else first[::-1]
    # Whatever was not removed is given exactly once, in its place; nothing later is.
    assert [each for each in found if each not in removed] == [
        each for each in in_order if each not in removed
    ]
    assert set(found) <= set(first)


def test_times_narrow_by_when_a_comment_was_written(database: Database) -> None:
    comments = emptied(database)
    kept = [comments.add("1", NewComment(body=str(n))).result() for n in range(10)]
    since = kept[4].created_at
    found = comments.find(CommentQuery(start=since, order="oldest", limit=3))
    assert [each.created_at >= since for each in found.comments] == [True] * 3
    total = sum(each.created_at >= since for each in kept)
    assert found.total == total
    until = comments.find(CommentQuery(end=since))
    assert until.total == len(kept) - total
    recent = comments.find(CommentQuery(last="3s"))
    assert 0 < recent.total < len(kept)
    assert format_time(START)[:10] == kept[0].created_at[:10]
