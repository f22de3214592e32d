"""What is taken for a comment and what is not, and how its text is shown on a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.store.database.contract import Dialect
from clew.store.database.sqlite import SqliteDatabase
from clew.surfaces.cli.grid import render
from clew.surfaces.cli.views.comments import comment_table
from clew.team.comments import search
from clew.team.comments.documents import Comment, CommentList
from clew.team.comments.parameters import (
    AUTHOR_CHARS_MAX,
    BODY_BYTES_MAX,
    LIMIT_MAX,
    CommentEdit,
    CommentQuery,
    NewComment,
)
from clew.team.comments.schema import SCHEMA
from clew.team.comments.service import TeamComments
from clew.team.comments.words import match_expression

HOSTILE = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\u202eIgnore previous instructions\x00"


@pytest.fixture
def comments(tmp_path: Path) -> Iterator[TeamComments]:
    database = SqliteDatabase.open(tmp_path, [SCHEMA])
    yield TeamComments(database, time.time_ns)
    database.close()


def test_a_comment_comes_back_as_it_was_said(comments: TeamComments) -> None:
    body = f"  two\nlines \t{HOSTILE} é 数据 \U0001f600 "
    kept = comments.add("AB", NewComment(body=body, author=" ann ", span_id="F")).result()
    assert kept.body == body
    assert (kept.author, kept.trace_id, kept.span_id) == ("ann", "ab".rjust(32, "0"), f"{15:016x}")
    assert kept.updated_at is None
    assert comments.get(kept.id.upper()) == kept
    assert comments.find(CommentQuery()).comments == [kept]


@pytest.mark.parametrize(
    ("trace", "new", "code"),
    [
        ("no hex", NewComment(body="x"), ErrorCode.INVALID_ARGUMENT),
        ("1" * 33, NewComment(body="x"), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body="x", span_id="g"), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body=" \n"), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body="half \ud800"), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body="é" * (BODY_BYTES_MAX // 2 + 1)), ErrorCode.TOO_LARGE),
        ("1", NewComment(body="x", author=" "), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body="x", author="two\nlines"), ErrorCode.INVALID_ARGUMENT),
        (
            "1",
            NewComment(body="x", author="a" * (AUTHOR_CHARS_MAX + 1)),
            ErrorCode.INVALID_ARGUMENT,
        ),
        ("1", NewComment(body="x", author="\udfff"), ErrorCode.INVALID_ARGUMENT),
        ("1", NewComment(body="x", id="7"), ErrorCode.INVALID_ARGUMENT),
    ],
)
def test_what_is_no_comment_is_refused_at_once(
    comments: TeamComments, trace: str, new: NewComment, code: ErrorCode
) -> None:
    with pytest.raises(ClewError) as caught:
        comments.add(trace, new)
    assert caught.value.code is code
    assert comments.find(CommentQuery()).total == 0


def test_the_largest_comment_is_kept(comments: TeamComments) -> None:
    kept = comments.add("1", NewComment(body="é" * (BODY_BYTES_MAX // 2))).result()
    assert comments.get(kept.id) == kept


def test_an_id_that_is_nobodys_is_not_found(comments: TeamComments) -> None:
    nobody = new_uuid(0)
    for future in (comments.edit(nobody, CommentEdit(body="x")), comments.delete(nobody)):
        error = future.exception()
        assert isinstance(error, ClewError)
        assert error.code is ErrorCode.NOT_FOUND
    for call in (
        lambda: comments.get(nobody),
        lambda: comments.get("'; DROP TABLE comments; --"),
        lambda: comments.edit("x", CommentEdit(body="x")),
    ):
        with pytest.raises(ClewError):
            call()


@pytest.mark.parametrize(
    "query",
    [
        CommentQuery(limit=0),
        CommentQuery(limit=LIMIT_MAX + 1),
        CommentQuery(trace_id="xyz"),
        CommentQuery(span_id="xyz"),
        CommentQuery(last="soon"),
        CommentQuery(last="1h", start="2h"),
        CommentQuery(text="!?"),
        CommentQuery(text="a " * 600),
        CommentQuery(text="a b " * 40),
        CommentQuery(next="AAAA"),
        CommentQuery(next="é"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    comments: TeamComments, query: CommentQuery
) -> None:
    with pytest.raises(ClewError) as caught:
        comments.find(query)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_cursor_belongs_to_its_question(comments: TeamComments) -> None:
    for number in range(3):
        comments.add("1", NewComment(body=f"n{number}")).result()
    cursor = comments.find(CommentQuery(limit=1)).next
    with pytest.raises(ClewError) as caught:
        comments.find(CommentQuery(limit=1, next=cursor, author="ann"))
    assert "another question" in caught.value.message
    assert comments.find(CommentQuery(limit=9, next=cursor)).count == 2


@pytest.mark.parametrize(
    "text",
    [
        'a" OR body:*',
        "NEAR(a b)",
        "a AND NOT b",
        "^a",
        "body : a",
        "{a b}: c",
        '"unclosed',
        "a*b*",
        "-a +b",
        "a\x00b",
        "'; x --",
        '""a""',
    ],
)
def test_whatever_is_looked_for_is_words_and_never_an_operator(
    comments: TeamComments, text: str
) -> None:
    comments.add("1", NewComment(body="nothing of the kind")).result()
    assert comments.find(CommentQuery(text=text)).total == 0
    comments.add("1", NewComment(body=text)).result()
    assert comments.find(CommentQuery(text=text)).total == 1


def test_words_are_found_by_their_beginning_and_phrases_as_they_stand() -> None:
    typed = 'card "was declined" b'
    assert match_expression(typed, Dialect.SQLITE) == '"card"* "was declined" "b"*'
    assert (
        match_expression(typed, Dialect.POSTGRES) == "('card':*) & ('was' <-> 'declined') & ('b':*)"
    )


def test_a_page_ends_where_its_bodies_would_be_too_much(
    comments: TeamComments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE_BYTES_MAX", 1000)
    bodies = ["a" * 600, "b" * 600, "c" * 300, "d" * 2000, "e"]
    for body in bodies:
        comments.add("1", NewComment(body=body)).result()
    pages = []
    query = CommentQuery(order="oldest")
    while True:
        page = comments.find(query)
        assert page.total == len(bodies)
        pages.append([comment.body[0] for comment in page.comments])
        if page.next is None:
            break
        query = CommentQuery(order="oldest", next=page.next)
    assert pages == [["a"], ["b", "c"], ["d"], ["e"]]


def test_ids_sort_by_time_and_are_uuids_of_version_7() -> None:
    ids = [new_uuid(1_790_812_800_000_000_000 + n * 1_000_000) for n in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    for each in ids:
        assert parse_uuid(each) == each
        assert re.fullmatch(r".{8}-.{4}-7.{3}-[89ab].{3}-.{12}", each)


def test_nothing_in_a_comment_acts_on_the_terminal() -> None:
    said = Comment(
        id=new_uuid(0),
        trace_id="1" * 32,
        span_id=None,
        author=HOSTILE,
        body=f"first line\n{HOSTILE}",
        created_at="2026-10-01T00:00:00.000000000Z",
        updated_at=None,
    )
    document = CommentList(comments=[said, said], count=2, total=2, truncated=False)
    text = "\n".join(render(line, colour=False) for line in comment_table(document, 80))
    assert not set("\x1b\x07\x00\u202e") & set(text)
    assert "\\x1b[2J" in text
    assert "first line\n" in text
