"""Comments that several servers keep: each at the owner of its trace; questions go to all."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from clew.access.caller import LOCAL, CallerKind
from clew.base.ids import parse_trace_id, parse_uuid
from clew.base.sharding import Ring
from clew.base.times import format_time, parse_range
from clew.remote.finding import find_keeper
from clew.remote.merging import Asked, Listing, Part, merge_lists
from clew.store.page import check_limit, digest_question
from clew.team.comments.documents import CommentList
from clew.team.comments.parameters import LIMIT_MAX, CommentQuery
from clew.team.remote import CommentClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.reply import Reply
    from clew.remote.shards import Shards
    from clew.team.comments import parameters as ask
    from clew.team.comments.documents import Comment, CommentAnswer

WRITES_AT_ONCE: Final = 8
"""Threads that wait for a shard to keep something: people write comments, and one at a time."""

_KNOWN: Final = frozenset({CallerKind.KEY, CallerKind.APP})


class ShardedComments:
    """Implements `clew.team.comments.contract.Comments` over the shards of a query tier.

    The shards know whoever writes here by the key of the tier, and by no other.
    """

    def __init__(self, shards: Shards, now: Callable[[], int]) -> None:
        """Ask these shards; `now` gives Unix nanoseconds."""
        self._shards = shards
        self._now = now
        self._ring = Ring(shard.name for shard in shards.shards)
        self._threads = ThreadPoolExecutor(WRITES_AT_ONCE, thread_name_prefix="clew-comment")

    def add(
        self,
        trace_id: str,
        comment: ask.NewComment,
        by: Caller = LOCAL,
        session_id: str | None = None,
    ) -> Future[Comment]:
        """Have the owner of the trace keep a comment; nobody else does if it is away."""
        del session_id  # A tier has no sessions of its own.
        trace = parse_trace_id(trace_id)
        if comment.author is None and by.kind in _KNOWN:
            comment = msgspec.structs.replace(comment, author=by.name)
        return self._write(
            self._ring.owner_of_trace(trace), lambda client: client.add(trace, comment)
        )

    def edit(self, comment_id: str, edit: ask.CommentEdit, by: Caller = LOCAL) -> Future[Comment]:
        """Change what a comment says, wherever it is kept."""
        del by
        return self._write_where_kept(comment_id, lambda client: client.edit(comment_id, edit))

    def delete(self, comment_id: str, by: Caller = LOCAL) -> Future[Comment]:
        """Remove a comment, wherever it is kept, and return what it was."""
        del by
        return self._write_where_kept(comment_id, lambda client: client.delete(comment_id))

    def get(self, comment_id: str) -> Comment:
        """Return one comment."""
        return self._find(parse_uuid(comment_id))[1]

    def find(self, query: ask.CommentQuery) -> CommentList:
        """Return one page of matching comments, by when they were written."""
        check_limit(query.limit, LIMIT_MAX)
        listing = Listing(
            ask=lambda server, asked: _ask(server, query, asked),
            key=lambda comment: comment.created_at,
            name=lambda comment: comment.id,
            reverse=query.order == "newest",
            most=LIMIT_MAX,
            digest=digest_question("comments of shards", query),
        )
        merged = merge_lists(
            self._shards, listing, limit=query.limit, following=query.next, now=self._now()
        )
        comments = [comment for _, comment in merged.rows]
        return CommentList(
            comments=comments,
            count=len(comments),
            total=merged.total,
            truncated=merged.next is not None,
            next=merged.next,
        )

    def _find(self, comment_id: str) -> tuple[Shard, Comment]:
        return find_keeper(
            self._shards,
            lambda server: CommentClient(server).get(comment_id).document().comment,
            f"comment {comment_id}",
            hint="list comments with: clew comment list",
        )

    def _write_where_kept(
        self, comment_id: str, call: Callable[[CommentClient], Reply[CommentAnswer]]
    ) -> Future[Comment]:
        wanted = parse_uuid(comment_id)

        def work() -> Comment:
            shard, _ = self._find(wanted)
            return self._send(shard.name, call)

        return self._submit(work)

    def _write(
        self, name: str, call: Callable[[CommentClient], Reply[CommentAnswer]]
    ) -> Future[Comment]:
        return self._submit(lambda: self._send(name, call))

    def _submit(self, work: Callable[[], Comment]) -> Future[Comment]:
        # Whose key a shard is shown is in the request's context, which threads do not inherit.
        return self._threads.submit(contextvars.copy_context().run, work)

    def _send(self, name: str, call: Callable[[CommentClient], Reply[CommentAnswer]]) -> Comment:
        return self._shards.one(name, lambda server: call(CommentClient(server)).document().comment)


def _ask(server: Server, query: CommentQuery, asked: Asked) -> Part[Comment]:
    window = parse_range(last=query.last, start=query.start, end=query.end, now=asked.at)
    narrowed = msgspec.structs.replace(
        query,
        last=None,
        start=None if window.start is None else format_time(window.start),
        end=None if window.end is None else format_time(window.end),
        limit=asked.limit,
        next=asked.next,
    )
    found = CommentClient(server).find(narrowed).document()
    return Part(found.comments, found.next, found.total)
