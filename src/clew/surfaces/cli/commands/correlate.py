"""`clew correlate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from clew.answers.parameters import CorrelateQuery
from clew.answers.remote import AnswerClient
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import PAGE, AnswerFlags, PageNumber, PageText, to_query
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.views.correlate import LISTS, report_lines

if TYPE_CHECKING:
    from clew.answers.documents import CorrelateReport, Section, Sections


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class CorrelateFlags:
    """`CorrelateQuery`, but for the trace, which is the argument."""

    limit: PageNumber = None
    """Items of each list, at most 1000. [default: 100]"""

    margin: PageText = None
    """How far around the trace metrics are looked at. [default: 1m]"""


def correlate(
    trace_id: Annotated[str, Parameter(help="The trace's id, 32 hexadecimal digits.")],
    /,
    *,
    flags: CorrelateFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show everything that belongs to one trace."""
    session = Session(answer)
    query = to_query(flags, CorrelateQuery, trace=trace_id)
    reply = AnswerClient(session.client.server).correlate(query)
    report = reply.document()
    longest = max(len(getattr(report, name)) for name in LISTS)
    return session.show_sheet(
        Sheet(reply, report_lines, first_of_each, longest, how="a larger --max-tokens, or --limit")
    )


def first_of_each(report: CorrelateReport, kept: int) -> CorrelateReport:
    """Return a report with so many items of each list; its sections say what that leaves out."""
    lists: dict[str, Any] = {name: getattr(report, name)[:kept] for name in LISTS}
    cut: dict[str, Any] = {
        name: _cut(getattr(report.sections, name), len(items)) for name, items in lists.items()
    }
    sections: Sections = msgspec.structs.replace(report.sections, **cut)
    return msgspec.structs.replace(report, **lists, sections=sections)


def _cut(section: Section, count: int) -> Section:
    if count == section.count:
        return section
    # The cursor went on after the items that are left out now.
    return msgspec.structs.replace(section, count=count, truncated=True, next=None)
