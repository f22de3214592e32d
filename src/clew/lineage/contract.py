"""What lineage answers, and what it needs of others: the contracts that every surface speaks to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.lineage import documents as doc
    from clew.lineage import parameters as ask
    from clew.lineage.naming import SpanName


class Lineages(Protocol):
    """Walks of the graph. Every method blocks and may be called from any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what cannot be asked, TIMEOUT and TOO_LARGE
    at a limit. An id that nothing is known of is no error.
    """

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> doc.Lineage:
        """Return what an id was made of, or what was made of it; ids are `parse_name`'s."""
        ...

    def find_path(self, query: ask.PathQuery) -> doc.LineagePath:
        """Return how one id leads to another."""
        ...

    def find_items(self, query: ask.ItemQuery) -> doc.ItemList:
        """Return the items that have a trace id, or a number in a stream."""
        ...


class Place(NamedTuple):
    """Where an item stands: stream, epoch, and its number in it."""

    stream_id: int
    epoch: int
    seq: int


@dataclass(slots=True)
class Witnessed:
    """What telemetry, tree and twin know of a trace id: the first of each, and how many there are.

    `stages` are in the order in which they began. `records` are the spans and logs among the first
    that say of an item that it has the id. `span` is the span that the id was made of, or `dataset`
    the dataset.
    """

    stages: list[doc.Stage] = field(default_factory=list)
    stage_count: int = 0
    apps: list[doc.StageApp] = field(default_factory=list)
    objects: list[doc.StageObject] = field(default_factory=list)
    log_count: int = 0
    records: dict[Place, doc.ItemRecord] = field(default_factory=dict)
    span: SpanName | None = None
    dataset: doc.NodeDataset | None = None


class Seen(NamedTuple):
    """An item that a span or a log record says is there, and when (Unix nanoseconds)."""

    trace_id: int
    place: Place
    at: int
    record: doc.ItemRecord


class Witnesses(Protocol):
    """Knows who spoke of trace ids. Blocks; from any thread."""

    def find_witnesses(
        self, trace_ids: Collection[int], spans: Mapping[int, SpanName] | None = None
    ) -> Mapping[int, Witnessed]:
        """Return what is known of those of these ids of which anything is.

        `spans` are those that some of the ids were made of.
        """
        ...

    def find_carried(self, span: SpanName) -> int | None:
        """Return the trace id that a span carries, None where it carries none or is not here."""
        ...

    def find_seen(self, stream_id: int, epoch: int | None, seq: int, limit: int) -> list[Seen]:
        """Return items with a number in a stream that spans and logs say are there, some of each.

        Spans stand before logs. Without an epoch, of any.
        """
        ...
