"""What every surface may ask of comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from clew.team.comments import parameters as ask
    from clew.team.comments.documents import Comment, CommentList


class Comments(Protocol):
    """Comments on traces and spans. From any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what does not parse, NOT_FOUND for an id
    that is nobody's, and what `clew.store.database.contract.Database` raises. What is wrong with a
    write in itself is raised at once; the rest comes with its future, whose result is durable.
    """

    def add(self, trace_id: str, comment: ask.NewComment) -> Future[Comment]:
        """Keep a comment. Its trace need not be here: telemetry may come after what is said of it.

        Raises:
            ClewError: ALREADY_EXISTS (with the future) when its id is that of another comment.
        """
        ...

    def edit(self, comment_id: str, edit: ask.CommentEdit) -> Future[Comment]:
        """Change what a comment says; it keeps its place, its author and its time."""
        ...

    def delete(self, comment_id: str) -> Future[Comment]:
        """Remove a comment and return what it was."""
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
