"""Analytics, as every surface sees it.

Calls block (the engine does); a surface on an event loop runs them on the query threads that `app`
provides. An answer sees every record acknowledged before the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.telemetry.analytics import documents as doc
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics import reports


class Analytics(Protocol):
    """Answers questions about many records at once, each exact over the window it states.

    Every method raises ClewError: INVALID_ARGUMENT for a parameter that does not parse (the hint
    says what would), TIMEOUT and TOO_LARGE at a limit, UNAVAILABLE when the store does not answer.
    """

    def summarize(self, query: ask.SummaryQuery) -> doc.Summary:
        """Return spans, errors, logs, metrics and language models of a window at a glance."""
        ...

    def count_over_time(self, query: ask.DensityQuery) -> doc.Density:
        """Return how many spans and log records there are in each part of a window."""
        ...

    def map_topology(self, query: ask.TopologyQuery) -> doc.Topology:
        """Return who calls whom; TOO_LARGE when a window has more spans than can be joined."""
        ...

    def find_anomalies(self, query: ask.AnomalyQuery) -> reports.AnomalyReport:
        """Return what differs from the baseline by more than chance, the worst first."""
        ...

    def diff(self, query: ask.DiffQuery) -> reports.DifferenceReport:
        """Return every figure of two windows, and the values that set bad spans apart.

        TOO_LARGE when the values of the bad spans do not fit into memory.
        """
        ...

    def list_patterns(self, query: ask.PatternQuery) -> reports.LogPatternList:
        """Return what log records say, most frequent first.

        TOO_LARGE when they say too many different things for memory.
        """
        ...
