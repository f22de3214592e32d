"""`clew summary` and `clew topology`."""

from __future__ import annotations

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, SummaryFlags, TopologyFlags, to_query
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.summary import first_items, summary_lines
from clew.surfaces.cli.views.topology import topology_legend, topology_lines
from clew.telemetry.analytics.parameters import SummaryQuery, TopologyQuery
from clew.telemetry.analytics.remote import AnalyticsClient


def summary(*, flags: SummaryFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show what happened, at a glance."""
    session = Session(answer)
    reply = AnalyticsClient(session.client.server).summarize(to_query(flags, SummaryQuery))
    document = reply.document()
    shown = session.show_sheet(Sheet(reply, summary_lines, first_items, document.limit))
    if not (document.traces.span_count or document.logs.total or document.metrics.point_count):
        raise explain_nothing(session.client, "records", flags)
    return shown


def topology(*, flags: TopologyFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show who calls whom."""
    session = Session(answer)
    client = AnalyticsClient(session.client.server)
    query = to_query(flags, TopologyQuery)
    find = paged(client.map_topology, query)
    listing = Listing(
        find(), "edges", "edge", topology_lines, find, how="raise --limit", legend=topology_legend
    )
    return session.show(listing, lambda: explain_nothing(session.client, "calls", flags))
