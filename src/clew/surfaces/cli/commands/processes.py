"""`clew processes` and `process`: what runs through phases, and how it went."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.cli.completion import complete_types
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, Switch, to_query
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.twin_flags import ProcessFlags, TraceProcessFlags
from clew.surfaces.cli.views.processes import (
    first_of_each,
    longest_list,
    process_legend,
    process_lines,
    process_table,
)
from clew.twin.parameters import ProcessQuery, ProcessStatus, TraceProcessQuery
from clew.twin.remote import TwinClient

_STUCK: Final[tuple[ProcessStatus, ...]] = ("stuck", "timed_out")

_FIRST: Final = (
    "a process tells of its phases: with anchor(Checkout()): "
    "TriLogLogger('shop').phase_change('pay')"
)


def processes(
    process_type: Annotated[
        str | None,
        Parameter(name="TYPE", help="Only processes of this type."),
        Parameter(completer=complete_types),
    ] = None,
    /,
    *,
    stuck: Annotated[
        Switch, Parameter(group=FILTERS, help="Those that take longer than their type allows.")
    ] = False,
    flags: ProcessFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List processes as they stand now."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    query = to_query(flags, ProcessQuery, type=process_type)
    if stuck:
        statuses = list(dict.fromkeys((*query.status, *_STUCK)))
        query = msgspec.structs.replace(query, status=statuses)
    find = paged(client.find_processes, query)
    listing = Listing(find(), "processes", "process", process_table, find, legend=process_legend)
    return session.show(listing, lambda: _explain_none(client, query))


def process(
    trace_id: Annotated[
        str, Parameter(name="TRACE", help="The trace's id, or the id of the process.")
    ],
    /,
    *,
    flags: TraceProcessFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show the processes of a trace."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    reply = client.get_processes(trace_id, to_query(flags, TraceProcessQuery))
    longest = longest_list(reply.document())
    return session.show_sheet(Sheet(reply, process_lines, first_of_each, longest))


def _explain_none(client: TwinClient, query: ProcessQuery) -> ClewError:
    """Return the error for an empty list, with the likeliest reason as its hint."""
    if query == ProcessQuery(limit=query.limit):
        return ClewError(ErrorCode.NOT_FOUND, "no process is known yet", hint=_FIRST)
    if query.type is not None:
        wider = ProcessQuery(type=query.type, limit=1)
        if not client.find_processes(wider).document().processes:
            said = f"no process of the type {shorten(query.type, 80)!r} is known"
            return ClewError(ErrorCode.NOT_FOUND, said, hint="see what there is: clew processes")
    if query.status and set(query.status) <= set(_STUCK):
        hint = "those that go on: clew processes --status started"
        return ClewError(ErrorCode.NOT_FOUND, "no process is stuck", hint=hint)
    return ClewError(ErrorCode.NOT_FOUND, "no process matched", hint="ask for less at once")
