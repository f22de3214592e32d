"""`clew comment`: add, list, search, edit, delete."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, PageText, TimeFlags, to_query
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.comments import comment_lines, comment_table
from clew.team.comments.parameters import BODY_BYTES_MAX, CommentEdit, CommentQuery, NewComment
from clew.team.remote import CommentClient
from clew.telemetry.query.parameters import SpanQuery

if TYPE_CHECKING:
    from clew.remote.reply import Reply
    from clew.surfaces.cli.grid import Line
    from clew.team.comments.documents import CommentAnswer

AUTHOR_DEFAULT: Final = "cli"

STDIN: Final = "-"

TraceId = Annotated[str, Parameter(help="The trace's id, 32 hexadecimal digits.")]
CommentId = Annotated[str, Parameter(help="The comment's id, as a list shows it.")]
Body = Annotated[
    str,
    Parameter(help="What to say; - reads it from standard input.", allow_leading_hyphen=True),
]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class NewCommentFlags:
    """`NewComment`, but for the body, which is an argument."""

    span_id: str | None = None
    """Say it about this span of the trace."""

    author: str | None = None
    """Who says it. [default: the name of the key that is shown, else cli]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class CommentFlags(TimeFlags):
    """`CommentQuery`, but for the trace and the words, which are arguments."""

    span_id: str | None = None
    """Only about this span."""

    author: str | None = None
    """Only by this author."""

    order: Literal["newest", "oldest"] | None = None
    """Which come first. [default: oldest of one trace, newest of all]"""

    limit: PageNumber = None
    """Comments of one page, at most 100000. [default: 1000]"""

    next: PageText = None
    """The cursor of the answer before: the next page, untouched by what was said since."""


def add(
    trace_id: TraceId,
    body: Body,
    /,
    *,
    flags: NewCommentFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Say something about a trace, or about one span of it."""
    flags = flags or NewCommentFlags()
    session = Session(answer)
    comment = NewComment(
        body=_read_body(body),
        author=_author(flags, answer),
        span_id=flags.span_id,
        # An id of our own: when the connection breaks, sending again does not say it twice.
        id=new_uuid(time.time_ns()),
    )
    reply = _client(session).add(trace_id, comment)
    code = _show_one(session, reply)
    _note_unknown_trace(session, reply.document().comment.trace_id)
    return code


def list_(
    trace_id: Annotated[str | None, Parameter(help="Only the comments on this trace.")] = None,
    /,
    *,
    flags: CommentFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List comments."""
    query = to_query(flags, CommentQuery, **({} if trace_id is None else {"trace_id": trace_id}))
    if trace_id is not None and (flags is None or flags.order is None):
        query = msgspec.structs.replace(query, order="oldest")
    return _show_list(Session(answer), query)


def search(
    text: Annotated[str, Parameter(help="Words that must all occur; a phrase in double quotes.")],
    /,
    *,
    trace_id: Annotated[str | None, Parameter(group=FILTERS, help="Only this trace.")] = None,
    flags: CommentFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Find comments by their words."""
    query = to_query(flags, CommentQuery, text=text, trace_id=trace_id)
    return _show_list(Session(answer), query)


def edit(comment_id: CommentId, body: Body, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Change what a comment says."""
    session = Session(answer)
    edited = _client(session).edit(comment_id, CommentEdit(body=_read_body(body)))
    return _show_one(session, edited)


def delete(comment_id: CommentId, /, *, answer: AnswerFlags | None = None) -> ExitCode:
    """Remove a comment for good."""
    session = Session(answer)
    return _show_one(session, _client(session).delete(comment_id))


def _author(flags: NewCommentFlags, answer: AnswerFlags | None) -> str | None:
    """Return who says it, None where the server knows: by the key."""
    has_key = answer is not None and answer.api_key
    return flags.author or (None if has_key else AUTHOR_DEFAULT)


def _client(session: Session) -> CommentClient:
    return CommentClient(session.client.server)


def _show_list(session: Session, query: CommentQuery) -> ExitCode:
    client = _client(session)
    find = paged(client.find, query)
    listing = Listing(find(), "comments", "comment", comment_table, find)
    return session.show(listing, lambda: _nothing(query))


def _show_one(session: Session, reply: Reply[CommentAnswer]) -> ExitCode:
    """Show one comment: a document without a list, so there is nothing to shorten."""

    def table(document: CommentAnswer, width: int) -> list[Line]:
        return comment_lines(document.comment, width)

    return session.show_sheet(Sheet(reply, table, lambda document, _: document, longest=0))


def _nothing(query: CommentQuery) -> ClewError:
    narrowed: dict[str, Any] = {
        name: value
        for name, value in msgspec.structs.asdict(query).items()
        if value is not None and name in {"author", "text", "span_id", "last", "start", "end"}
    }
    hint = "ask for less at once" if narrowed else "say something with: clew comment add"
    return ClewError(ErrorCode.NOT_FOUND, "no comment matched", hint=hint)


def _note_unknown_trace(session: Session, trace_id: str) -> None:
    """Say when nothing of the trace is here: a slip of the pen is kept like any other comment."""
    try:
        with session.client.server.unrecorded():
            found = session.client.find_spans(SpanQuery(trace_id=trace_id, limit=1)).document()
    except ClewError as error:
        print_note(f"kept, but whether the trace is here is not known: {error.message}")
        return
    if not found.spans:
        print_note(f"kept, though no span of trace {trace_id} is here yet", trace_id=trace_id)


def _read_body(body: str) -> str:
    if body != STDIN:
        return body
    read = sys.stdin.buffer.read(BODY_BYTES_MAX + 1)
    try:
        return read.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        # What is too long may have been cut inside a character; its size is what is wrong then.
        if len(read) > BODY_BYTES_MAX:
            return read.decode(errors="replace")
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "standard input is not UTF-8", hint="a comment is text"
        ) from error
