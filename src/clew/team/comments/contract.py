"""What every surface may ask of comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clew.access.caller import LOCAL

if TYPE_CHECKING:
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Transaction
    from clew.team.comments import parameters as ask
    from clew.team.comments.documents import Comment, CommentList


class Comments(Protocol):
    """Comments on traces and spans. From any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what does not parse, NOT_FOUND for an id
    that is nobody's, and what `clew.store.database.contract.Database` raises. What is wrong with a
    write in itself is raised at once; the rest comes with its future, whose result is durable.
    """

    def add(
        self,
        trace_id: str,
        comment: ask.NewComment,
        by: Caller = LOCAL,
        session_id: str | None = None,
    ) -> Future[Comment]:
        """Keep a comment. Its trace need not be here: telemetry may come after what is said of it.

        The author is the name of who says it, unless they give another. It becomes a finding of the
        session in which it is made, if there is one.

        Raises:
            ClewError: ALREADY_EXISTS (with the future) when its id is that of another comment.
        """
        ...

    def edit(self, comment_id: str, edit: ask.CommentEdit, by: Caller = LOCAL) -> Future[Comment]:
        """Change what a comment says; it keeps its place, its author and its time.

        Raises:
            ClewError: FORBIDDEN (with the future) to all but its owner and admins.
        """
        ...

    def delete(self, comment_id: str, by: Caller = LOCAL) -> Future[Comment]:
        """Remove a comment and return what it was.

        Raises:
            ClewError: as `edit`.
        """
        ...

    def get(self, comment_id: str) -> Comment:
        """Return one comment."""
        ...

    def find(self, query: ask.CommentQuery) -> CommentList:
        """Return one page of matching comments.

        Order:  by when they were written; an edit does not move a comment.
        Bounds: pages after the first see nothing written since, and never repeat a comment.
        """
        ...


class CommentSharing(Protocol):
    """Whoever shares comments with teams. Asked in the transactions of comments."""

    def changed(self, writing: Transaction, comment: Comment) -> None:
        """Bring shared copies to what a comment says now, if there are any."""
        ...

    def gone(self, writing: Transaction, comment: Comment) -> None:
        """Take shared copies back, if there are any: the comment was deleted."""
        ...


class Findings(Protocol):
    """Whoever keeps what was found in a session. Asked in the transactions of comments."""

    def keep(self, writing: Transaction, session_id: str, comment: Comment) -> None:
        """Make a finding of a comment, if there is such a session and it has room."""
        ...
