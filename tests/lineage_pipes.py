"""Pipelines of tests: tracing into a ring of this process, and what was told there."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clew.lineage import LinkRing, TraceLinkPoller, enable_tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.lineage import FrameDescriptor, TraceLinkSet, Tracing

NODE_ID = 901


@dataclass
class Told:
    """What the stages of a pipeline told, in its order."""

    tracing: Tracing
    poller: TraceLinkPoller
    _links: list[TraceLinkSet] = field(default_factory=list)
    _items: list[FrameDescriptor] = field(default_factory=list)

    @property
    def links(self) -> list[TraceLinkSet]:
        self._read()
        return self._links

    @property
    def items(self) -> list[FrameDescriptor]:
        self._read()
        return self._items

    @property
    def edges(self) -> set[tuple[int, int]]:
        return {(link.trace_id, parent) for link in self.links for parent in link.parents}

    def _read(self) -> None:
        while self.poller.poll():
            continue


@contextmanager
def traced(*, reuse_single: bool = False, spans: bool = False) -> Iterator[Told]:
    ring = LinkRing(slots=1024)
    links: list[TraceLinkSet] = []
    items: list[FrameDescriptor] = []
    poller = TraceLinkPoller(ring, links.append, on_trace_id=items.append)
    with enable_tracing(NODE_ID, to=ring, reuse_single=reuse_single, spans=spans) as tracing:
        yield Told(tracing, poller, links, items)
