"""Comments of others: what a team shared, among the comments on traces and spans here.

They have the ids that they have everywhere, and an owner that no key and no app can have
(``team:`` and the team's name), so that nobody here changes what would be written over. A comment
that was made here is left as it is: what the team has of it is its copy.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.store.database.contract import Dialect, among
from clew.team.comments.parameters import AUTHOR_CHARS_MAX, AUTHOR_DEFAULT
from clew.team.comments.words import word_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Transaction, Value

TEAM_OWNER: Final = "team:"
"""What owners of mirrored comments begin with."""

TEAM_CHARS_MAX: Final = 100
"""Of a team's name in an owner: what a name may have."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_WORDS: Final = "CAST(CAST(:words AS text) AS tsvector)"


@dataclass(frozen=True, slots=True)
class TeamComment:
    """A comment of a team's, whose times are Unix nanoseconds. `trace_id` is hex, as checked."""

    id: str
    team: str
    trace_id: str
    span_id: str | None
    author: str
    body: str
    created_at: int
    updated_at: int | None


def keep_mirrored(writing: Transaction, comment: TeamComment) -> None:
    """Bring what is mirrored to what a team says; one that was made here stays as it is."""
    found = writing.rows("SELECT owner, body FROM comments WHERE id = :id", {"id": comment.id})
    owner = TEAM_OWNER + _line(comment.team)[:TEAM_CHARS_MAX]
    body = comment.body.replace("\x00", "\ufffd")
    row: dict[str, Value] = {
        "id": comment.id,
        "owner": owner,
        "author": _line(comment.author)[:AUTHOR_CHARS_MAX] or AUTHOR_DEFAULT,
        "body": body,
        "updated_at": comment.updated_at,
    }
    is_postgres = writing.dialect is Dialect.POSTGRES
    if is_postgres:
        row["words"] = word_positions(body)
    if not found:
        row |= {
            "trace_id": comment.trace_id,
            "span_id": comment.span_id,
            "created_at": comment.created_at,
            "updated_at": None,
        }
        names = [name for name in row if name != "words"]
        columns = ", ".join([*names, *(["words"] if is_postgres else [])])
        values = ", ".join([f":{name}" for name in names] + ([_WORDS] if is_postgres else []))
        writing.run(f"INSERT INTO comments ({columns}) VALUES ({values})", row)
    elif is_mirrored(found[0]["owner"]) and found[0]["body"] != body:
        words = f", words = {_WORDS}" if is_postgres else ""
        writing.run(
            "UPDATE comments SET body = :body, author = :author, owner = :owner,"
            f" updated_at = :updated_at{words} WHERE id = :id",
            row,
        )


def drop_mirrored(writing: Transaction, comment_ids: Sequence[str]) -> int:
    """Remove what is mirrored, of these ids; return how many. What was made here stays."""
    # Below 't' with a colon comes ';', so this is all that begins so, by the index or without.
    return writing.run(
        f"DELETE FROM comments WHERE id {among('ids', writing.dialect)}"
        " AND owner >= 'team:' AND owner < 'team;'",
        {"ids": json.dumps(list(comment_ids))},
    )


def is_mirrored(owner: str | None) -> bool:
    """Whether a comment with this owner is a team's."""
    return owner is not None and owner.startswith(TEAM_OWNER)


def _line(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()
