"""What was found out, kept where others look: comments on traces and spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from clew.surfaces.mcp.answers import TEXT_CHARS, Answer, Draft, Table, table, whole
from clew.surfaces.mcp.tool import (
    Asked,
    Cursor,
    Limit,
    TextChars,
    Timed,
    Tool,
    TraceId,
    call,
    pick,
)
from clew.surfaces.mcp.tools.find import draft_page
from clew.team.comments import documents as doc
from clew.team.comments.parameters import CommentQuery, NewComment

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

COLUMNS = ("trace_id", "span_id", "author", "written", "body", "id")


class CommentsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which comments; all of them when nothing is given."""

    trace_id: Annotated[str | None, Meta(description="Only on this trace")] = None
    span_id: Annotated[str | None, Meta(description="Only on this span")] = None
    author: str | None = None
    text: Annotated[str | None, Meta(description='Words, or "a phrase"')] = None
    limit: Limit = 20
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class CommentsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Comments, newest first."""

    total: int | None = None
    at_least: int | None = None
    comments: Table


class AddAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to say, and of what."""

    trace_id: TraceId
    body: Annotated[str, Meta(description="What was found, with ids and figures")]
    author: Annotated[str | None, Meta(description="Who says it")] = None
    span_id: Annotated[str | None, Meta(description="Of this span of it")] = None


class AddedAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The comment as it is kept."""

    comment: doc.Comment


def _comments(questions: Questions, asked: CommentsAsked) -> Draft:
    def fetch(limit: int) -> doc.CommentList:
        query = pick(asked, CommentQuery, limit=limit, next=asked.cursor)
        return questions.ask("/comments", doc.CommentList, query)

    def write(found: doc.CommentList, items: int, page: dict[str, Any]) -> CommentsAnswer:
        shown = found.comments[:items]
        rows = (
            [
                *(each.trace_id, each.span_id, each.author, each.created_at[:23]),
                *(each.body, each.id),
            ]
            for each in shown
        )
        steps = [
            call("trace_outline", "the trace it is about", trace_id=each.trace_id)
            for each in shown[:1]
        ]
        return CommentsAnswer(comments=table(COLUMNS, rows), next=steps, **page)

    return draft_page(*("comments", asked, fetch, write, "comments"), text_chars=asked.text_chars)


def _add_comment(questions: Questions, asked: AddAsked) -> Draft:
    comment = NewComment(body=asked.body, author=asked.author, span_id=asked.span_id)
    kept = questions.add_comment(asked.trace_id, comment)
    steps = [call("comments", "all comments on this trace", trace_id=asked.trace_id)]
    return whole(AddedAnswer(comment=kept, next=steps))


COMMENTS = Tool(
    name="comments",
    title="Comments",
    description="What people and agents said of traces and spans; list or search.",
    parameters=CommentsAsked,
    answer=CommentsAnswer,
    run=_comments,
    example={"limit": 5},
)
ADD_COMMENT = Tool(
    name="add_comment",
    title="Comment on a trace",
    description="Leave a finding on a trace or span, durably.",
    parameters=AddAsked,
    answer=AddedAnswer,
    run=_add_comment,
    example={
        "trace_id": "{trace_id}",
        "body": "the card was declined; not a fault of the shop",
        "author": "agent",
    },
    is_read_only=False,
)
