"""Pages over lists of several servers: each row once, in one order, whatever changes meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard
from clew.remote.http import Server
from clew.remote.merging import Asked, Listing, Merged, Part, merge_lists
from clew.remote.shards import Shards

NAMES = ("a:1", "b:2", "c:3")
Row = tuple[str, str]


@dataclass
class Lists:
    """Lists of rows (key, id), the newest first, kept by shards; `away` do not answer."""

    rows: dict[str, list[Row]]
    page_rows_max: int = 1000
    away: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)

    def listing(self, digest: bytes = b"q") -> Listing[Row]:
        return Listing(
            ask=self.ask,
            key=lambda row: row[0],
            name=lambda row: row[1],
            reverse=True,
            most=1000,
            digest=digest,
        )

    def ask(self, server: Server, asked: Asked) -> Part[Row]:
        """Answer as a server does: a cursor names the last row of the page before."""
        name = f"{server.host}:{server.port}"
        if name in self.away:
            raise ClewError(ErrorCode.UNAVAILABLE, "away")
        self.asked.append(asked)
        rows = self.rows[name]
        if asked.next is not None:
            key, own = asked.next.split("|")
            rows = [row for row in rows if (row[0], row[1]) < (key, own)]
        page = rows[: min(asked.limit, self.page_rows_max)]
        following = "|".join(page[-1]) if len(rows) > len(page) else None
        return Part(page, following, len(self.rows[name]))


@pytest.fixture(scope="module")
def shards() -> Any:
    # Nobody listens there, and nobody connects: the lists are asked in the stead of servers.
    opened = Shards([Shard(name, f"http://{name}") for name in NAMES])
    yield opened
    opened.close()


def page(shards: Shards, lists: Lists, limit: int, following: str | None) -> Merged[Row]:
    return merge_lists(shards, lists.listing(), limit=limit, following=following, now=7)


KEYS = st.integers(10, 30).map(str)
ROWS = st.fixed_dictionaries({name: st.lists(KEYS, max_size=9) for name in NAMES})


def made(keys: dict[str, list[str]]) -> dict[str, list[Row]]:
    return {
        name: sorted(
            ((key, f"{name}/{number:02d}") for number, key in enumerate(of_shard)), reverse=True
        )
        for name, of_shard in keys.items()
    }


@given(ROWS, st.integers(1, 7), st.integers(1, 5), st.data())
def test_pages_give_every_row_once_in_order_and_nothing_that_came_since(
    shards: Shards,
    keys: dict[str, list[str]],
    limit: int,
    page_rows_max: int,
    chance: st.DataObject,
) -> None:
    lists = Lists(made(keys), page_rows_max)
    expected = sorted(
        (row for rows in lists.rows.values() for row in rows),
        key=lambda row: row[0],
        reverse=True,
    )
    total = len(expected)
    given_rows: list[Row] = []
    gone: set[Row] = set()
    following: str | None = None
    new = 0
    while True:
        merged = page(shards, lists, limit, following)
        assert len(merged.rows) <= limit
        given_rows += [row for _, row in merged.rows]
        following = merged.next
        if following is None:
            break
        assert merged.rows, "a page that goes on has rows"
        # Something new, and something that was given goes.
        name = chance.draw(st.sampled_from(NAMES))
        new += 1
        lists.rows[name].insert(0, ("99", f"{name}/new{new}"))
        if chance.draw(st.booleans()):
            row = chance.draw(st.sampled_from(given_rows))
            for rows in lists.rows.values():
                if row in rows:
                    rows.remove(row)
                    gone.add(row)
    assert len(given_rows) == total
    assert sorted(given_rows) == sorted(expected)
    assert [row[0] for row in given_rows] == [row[0] for row in expected]
    of_shard = {name: [r for r in given_rows if r[1].startswith(name)] for name in NAMES}
    for rows in of_shard.values():
        assert rows == sorted(rows, reverse=True)


def test_totals_are_those_of_all_shards_on_every_page(shards: Shards) -> None:
    lists = Lists(made({"a:1": ["11", "12"], "b:2": ["13"], "c:3": ["14", "15", "16"]}))
    following: str | None = None
    totals = []
    while True:
        merged = page(shards, lists, 2, following)
        totals.append(merged.total)
        following = merged.next
        if following is None:
            break
    assert totals == [6, 6, 6]


def test_who_is_away_for_a_page_goes_on_where_it_was(shards: Shards) -> None:
    lists = Lists(made({"a:1": ["11", "21"], "b:2": ["12", "22"], "c:3": ["13", "23"]}))
    first = page(shards, lists, 3, None)
    assert [row[0] for _, row in first.rows] == ["23", "22", "21"]
    lists.away = {"b:2"}
    second = page(shards, lists, 3, first.next)
    assert [row[0] for _, row in second.rows] == ["13", "11"]
    lists.away = set()
    third = page(shards, lists, 3, second.next)
    assert [row[0] for _, row in third.rows] == ["12"]
    assert third.next is None


def test_who_was_away_from_the_start_does_not_come_in_late(shards: Shards) -> None:
    lists = Lists(made({"a:1": ["11", "21"], "b:2": ["12", "22"], "c:3": []}), away={"b:2"})
    first = page(shards, lists, 1, None)
    lists.away = set()
    second = page(shards, lists, 5, first.next)
    assert [row[0] for _, row in second.rows] == ["11"]


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é", "eJyTAQAAEgAQ"])
def test_what_is_no_cursor_is_refused(shards: Shards, text: str) -> None:
    with pytest.raises(ClewError, match="next is not a cursor of this list"):
        page(shards, Lists(made({name: [] for name in NAMES})), 1, text)


def test_a_cursor_of_another_question_is_refused(shards: Shards) -> None:
    lists = Lists(made({"a:1": ["11", "12"], "b:2": [], "c:3": []}))
    following = page(shards, lists, 1, None).next
    with pytest.raises(ClewError, match="next belongs to another question"):
        merge_lists(shards, lists.listing(b"other"), limit=1, following=following, now=7)
