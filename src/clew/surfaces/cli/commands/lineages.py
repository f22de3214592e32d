"""`clew lineage`: which inputs made an output, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.naming import parse_name
from clew.lineage.parameters import LineageQuery, PathQuery
from clew.lineage.remote import LineageClient
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    FILTERS,
    AnswerFlags,
    PageNumber,
    PageText,
    Switch,
    read_whole_number,
    to_query,
)
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.views.lineages import (
    first_nodes,
    first_of_path,
    lineage_lines,
    path_lines,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

_HOW: Final = "a larger --max-tokens, or a smaller --depth"


def read_id(_type: object, tokens: Sequence[Token]) -> str:
    """Read an id, decimal or hexadecimal, as the documents have it; or the ids of a span."""
    named = parse_name(tokens[0].value)
    return str(named) if isinstance(named, int) else ":".join(named)


Id = Annotated[
    str,
    Parameter(
        name="ID",
        converter=read_id,
        help="Decimal, or hexadecimal behind 0x; or TRACEID/SPANID of a span.",
    ),
]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class WalkFlags:
    """`LineageQuery` and `PathQuery`, but for where the walk goes."""

    depth: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """Steps in a row, at most 1000. [default: 20]"""

    limit: PageNumber = None
    """Nodes at most, the nearest ones first. [default: 1000]"""

    last: PageText = None
    """Only links that were made in the last 15m, 2h, 7d, 1w, or bare seconds."""

    start: PageText = None
    """From this moment on: RFC 3339, a Unix time, 15m (ago), now."""

    end: PageText = None
    """Up to, not including, this moment."""


def lineage(
    trace_id: Id,
    /,
    *,
    up: Annotated[Switch, Parameter(help="What it was made of; the default.")] = False,
    down: Annotated[Switch, Parameter(help="What was made of it.")] = False,
    path: Annotated[
        str | None,
        Parameter(converter=read_id, help="How it leads to this id, whichever came first."),
    ] = None,
    flags: WalkFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show which inputs an output was made of."""
    if up + down + (path is not None) > 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "--up, --down and --path are three questions",
            hint="ask one at a time",
        )
    session = Session(answer)
    client = LineageClient(session.client.server)
    if path is not None:
        return _show_path(session, client, to_query(flags, PathQuery, from_=trace_id, to=path))
    direction = "down" if down else "up"
    reply = client.get_lineage(trace_id, to_query(flags, LineageQuery, direction=direction))
    document = reply.document()
    session.show_sheet(Sheet(reply, lineage_lines, first_nodes, len(document.nodes), _HOW))
    if not document.edges and document.missing:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"nothing is known of {trace_id}",
            hint="sets may be on their way, or lost: clew ingest tells what the server dropped",
        )
    return ExitCode.OK


def _show_path(session: Session, client: LineageClient, query: PathQuery) -> ExitCode:
    reply = client.find_path(query)
    document = reply.document()
    session.show_sheet(Sheet(reply, path_lines, first_of_path, len(document.nodes), _HOW))
    if not document.found:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"no way is known between {query.from_} and {query.to}",
            hint="a larger --depth looks further",
        )
    return ExitCode.OK
