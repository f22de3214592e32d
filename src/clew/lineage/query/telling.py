"""What is told of a walk: its nodes with their items, stages and windows, and its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.times import format_time
from clew.lineage import documents as doc
from clew.lineage.contract import Place, Witnessed
from clew.lineage.query.items import NO_ITEMS, find_items_before, find_items_of
from clew.lineage.query.windows import WentIn, choose_item, find_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.lineage.query.edges import Edges, Link
    from clew.lineage.query.items import Items
    from clew.lineage.query.walk import Walk
    from clew.lineage.query.windows import PutOut

ITEMS_OF_NODE_MAX: Final = 10
"""Of one node: an id may be that of every item of a chain."""

INPUTS_MIN: Final = 2
"""An output of one input was not joined, and its window would say what its edge says."""


@dataclass(frozen=True, slots=True)
class Told:
    """A walk, and what is told of it."""

    walk: Walk
    nodes: list[doc.Node]
    edges: list[doc.Edge]


@dataclass(frozen=True, slots=True)
class History:
    """What outputs were made of.

    `inputs` are, by output, all edges to its inputs, where any of them is in the answer; `items`
    are, by an edge's input and the moment at which its output was put out, the item that went in.
    """

    inputs: Mapping[int, Sequence[Link]]
    items: Mapping[tuple[int, int], WentIn]


def read_history(
    edges: Edges, walk: Walk, links: Sequence[Link], items: Mapping[int, Items]
) -> History:
    """Return what the outputs of a walk were made of, also where it does not go to all inputs."""
    inputs = _group(links)
    partial = [output for output, found in inputs.items() if len(found) < found[0].parents]
    known = dict(items)
    if walk.is_cut and partial:
        inputs |= _group(edges.find_inputs(partial))
        beside = {link.parent for output in partial for link in inputs[output]} - walk.depths.keys()
        if beside:
            known |= find_items_of(edges.store, edges.snapshot, beside)
    went_in: dict[tuple[int, int], WentIn] = {}
    unread: list[tuple[int, int]] = []
    for found in inputs.values():
        for link in found:
            of_input = known.get(link.parent, NO_ITEMS)
            chosen = choose_item(of_input.first, link.at, is_whole=of_input.is_whole)
            if chosen is not None:
                went_in[link.parent, link.at] = chosen
            elif of_input.total:
                unread.append((link.parent, link.at))
    return History(inputs, went_in | _read_late(edges, unread))


def tell_nodes(
    walk: Walk,
    history: History,
    items: Mapping[int, Items],
    witnessed: Mapping[int, Witnessed],
) -> list[doc.Node]:
    """Return the nodes of a walk with what is known of each, in their order."""
    nobody = Witnessed()
    return [
        _tell_node(
            trace_id,
            depth,
            items.get(trace_id, NO_ITEMS),
            witnessed.get(trace_id, nobody),
            history,
        )
        for trace_id, depth in walk.depths.items()
    ]


def tell_edges(links: Sequence[Link], history: History) -> list[doc.Edge]:
    """Return edges with what is told of each, in their order."""
    # Ids and moments stand in many edges each, and writing them takes longer than all else.
    names = {each: str(each) for link in links for each in (link.trace_id, link.parent)}
    moments = {link.at: format_time(link.at) for link in links}
    return [
        doc.Edge(
            trace_id=names[link.trace_id],
            parent_trace_id=names[link.parent],
            stream_id=link.stream_id,
            epoch=str(link.epoch),
            seq=str(link.seq),
            at=moments[link.at],
            position=link.position,
            age_ms=taken.age_ms if (taken := history.items.get((link.parent, link.at))) else None,
        )
        for link in links
    ]


def tell_item(item: PutOut, record: doc.ItemRecord | None) -> doc.Item:
    """Return an item, and the span or log that says that it is there."""
    return doc.Item(
        stream_id=item.stream_id,
        epoch=str(item.epoch),
        seq=str(item.seq),
        at=format_time(item.at),
        record=msgspec.UNSET if record is None else record,
    )


def _group(links: Iterable[Link]) -> dict[int, list[Link]]:
    inputs: dict[int, list[Link]] = {}
    for link in links:
        inputs.setdefault(link.trace_id, []).append(link)
    return inputs


def _read_late(edges: Edges, moments: Sequence[tuple[int, int]]) -> dict[tuple[int, int], WentIn]:
    """Return the items that went in of inputs that have more than were read."""
    if not moments:
        return {}
    found = find_items_before(edges.store, edges.snapshot, sorted(set(moments)))
    return {moment: WentIn(item, moment[1]) for moment, item in found.items()}


def _tell_node(
    trace_id: int, depth: int, items: Items, witnessed: Witnessed, history: History
) -> doc.Node:
    inputs = history.inputs.get(trace_id, ())
    input_count = max(len(inputs), inputs[0].parents) if inputs else 0
    is_told = bool(items.total or witnessed.stage_count or witnessed.log_count)
    return doc.Node(
        trace_id=str(trace_id),
        depth=depth,
        items=[
            tell_item(item, witnessed.records.get(Place(*item[1:])))
            for item in items.first[:ITEMS_OF_NODE_MAX]
        ],
        item_count=items.total,
        stages=witnessed.stages,
        stage_count=witnessed.stage_count,
        apps=witnessed.apps,
        objects=witnessed.objects,
        log_count=witnessed.log_count,
        input_count=input_count,
        windows=_tell_windows(inputs, history) if input_count >= INPUTS_MIN else [],
        span=doc.NodeSpan(**span._asdict()) if (span := witnessed.span) else msgspec.UNSET,
        dataset=msgspec.UNSET if witnessed.dataset is None else witnessed.dataset,
        missing=msgspec.UNSET if is_told or witnessed.dataset is not None else True,
    )


def _tell_windows(inputs: Sequence[Link], history: History) -> list[doc.StageWindow]:
    taken = (history.items.get((link.parent, link.at)) for link in inputs)
    return find_windows(each for each in taken if each is not None)
