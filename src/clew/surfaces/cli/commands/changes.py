"""`clew anomalies`, `clew diff` and `clew patterns`."""

from __future__ import annotations

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    AnomalyFlags,
    AnswerFlags,
    DiffFlags,
    PatternFlags,
    to_query,
)
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.changes import (
    anomaly_legend,
    anomaly_lines,
    diff_legend,
    diff_lines,
    pattern_legend,
    pattern_table,
)
from clew.telemetry.analytics.parameters import AnomalyQuery, DiffQuery, PatternQuery
from clew.telemetry.analytics.remote import AnalyticsClient


def anomalies(*, flags: AnomalyFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show what is not as it was."""
    session = Session(answer)
    client = AnalyticsClient(session.client.server)
    find = paged(client.find_anomalies, to_query(flags, AnomalyQuery))
    reply = find()
    shown = session.show(
        Listing(
            reply,
            "anomalies",
            "finding",
            anomaly_lines,
            find,
            legend=anomaly_legend,
        )
    )
    compared = reply.document().compared
    if not (compared.current_spans or compared.baseline_spans or compared.log_patterns):
        raise explain_nothing(session.client, "records", flags)
    return shown


def diff(*, flags: DiffFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show two windows side by side, and what the bad spans have."""
    session = Session(answer)
    client = AnalyticsClient(session.client.server)
    find = paged(client.diff, to_query(flags, DiffQuery))
    reply = find()
    shown = session.show(Listing(reply, "values", "value", diff_lines, find, legend=diff_legend))
    totals = reply.document().totals
    if not any(
        (totals.current.spans, totals.current.logs, totals.baseline.spans, totals.baseline.logs)
    ):
        raise explain_nothing(session.client, "records", flags)
    return shown


def patterns(*, flags: PatternFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show what log records say."""
    session = Session(answer)
    client = AnalyticsClient(session.client.server)
    find = paged(client.list_patterns, to_query(flags, PatternQuery))
    listing = Listing(find(), "patterns", "pattern", pattern_table, find, legend=pattern_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "log records", flags))
