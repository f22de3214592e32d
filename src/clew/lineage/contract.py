"""What lineage answers, and what it needs of others: the contracts that every surface speaks to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clew.lineage import documents as doc
    from clew.lineage import parameters as ask


class Lineages(Protocol):
    """Walks of the graph. Every method blocks and may be called from any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what cannot be asked, TIMEOUT and TOO_LARGE
    at a limit. An id that nothing is known of is no error.
    """

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> doc.Lineage:
        """Return what an id was made of, or what was made of it."""
        ...

    def find_path(self, query: ask.PathQuery) -> doc.LineagePath:
        """Return how one id leads to another."""
        ...

    def find_items(self, query: ask.ItemQuery) -> doc.ItemList:
        """Return the items with a number in a stream, and the trace ids that they have."""
        ...


@dataclass(slots=True)
class Witnessed:
    """What telemetry, tree and twin know of a trace id: the first of each, and how many there are.

    `stages` are in the order in which they began.
    """

    stages: list[doc.Stage] = field(default_factory=list)
    stage_count: int = 0
    apps: list[doc.StageApp] = field(default_factory=list)
    objects: list[doc.StageObject] = field(default_factory=list)
    log_count: int = 0


class Witnesses(Protocol):
    """Knows who spoke of trace ids. Blocks; from any thread."""

    def find_witnesses(self, trace_ids: Collection[int]) -> Mapping[int, Witnessed]:
        """Return what is known of those of these ids of which anything is."""
        ...
