"""What the answers need of the strands beside their services, and what surfaces may ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.answers.documents import CorrelateReport
    from clew.answers.parameters import CorrelateQuery
    from clew.base.times import TimeRange
    from clew.telemetry.query.metrics.around_documents import SeriesSummaries
    from clew.tree.machine.app import Status
    from clew.twin.documents import Participant


class MetricSource(Protocol):
    """What services measured. Calls block and may come from any thread."""

    def sum_up_series(
        self, services: Sequence[str], window: TimeRange, limit: int
    ) -> SeriesSummaries:
        """Return the series of services in a range, at most so many, and how many there are."""
        ...


class KnownApp(Protocol):
    """As much of an app of the tree as an answer tells."""

    @property
    def app_name(self) -> str:
        """What it is called."""
        ...

    @property
    def status(self) -> Status:
        """How it stands."""
        ...

    @property
    def parent_id(self) -> str | None:
        """The app that it stands under."""
        ...

    @property
    def path(self) -> Sequence[str]:
        """The ids from the root down to it."""
        ...


class AppSource(Protocol):
    """Knows the apps of the tree. Calls block and may come from any thread."""

    def find_known(self, app_ids: Collection[str]) -> Mapping[str, KnownApp]:
        """Return those of these apps that are known, by id."""
        ...


class ObjectSource(Protocol):
    """Knows which objects traces touched. Calls block and may come from any thread."""

    def find_in_trace(self, trace_id: str, limit: int) -> tuple[list[Participant], int]:
        """Return the objects that a trace touched first, at most so many, and how many it did."""
        ...


class Answers(Protocol):
    """Answers questions that take more than one strand. Calls block."""

    def correlate(self, query: CorrelateQuery) -> CorrelateReport:
        """Return everything that belongs to one trace, each list bounded.

        Raises:
            ClewError: NOT_FOUND when no span of the trace is here, INVALID_ARGUMENT for a parameter
                that makes no sense, and what the strands raise.
        """
        ...
