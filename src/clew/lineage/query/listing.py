"""Lists of items: those that have a trace id, and those that have a number in a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.lineage import documents as doc
from clew.lineage.contract import Place, Witnessed
from clew.lineage.numbers import U32_MAX, parse_number
from clew.lineage.query.items import NO_ITEMS, Traced, find_items_of, find_traced
from clew.lineage.query.telling import tell_item
from clew.lineage.query.windows import PutOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clew.lineage.contract import Witnesses
    from clew.lineage.parameters import ItemQuery
    from clew.lineage.query.store import Store

Key = tuple[int, Place]
"""A trace id, and an item that has it."""


def find_items(
    store: Store, witnesses: Witnesses, query: ItemQuery, read_id: Callable[[str], int]
) -> doc.ItemList:
    """Return the items that a query asks for, those that were put out first first.

    `read_id` gives the trace id that is named.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    by_place = query.stream_id is not None and query.seq is not None
    if query.trace_id is not None and not (query.stream_id or query.epoch or query.seq):
        return _find_by_id(store, witnesses, read_id(query.trace_id), query.limit)
    if query.trace_id is None and by_place:
        return _find_by_place(store, witnesses, query)
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "items are asked for by a trace id, or by a stream and a number in it",
        hint="give trace_id alone, or stream_id with seq and, to mean one epoch, epoch",
    )


def _find_by_id(store: Store, witnesses: Witnesses, trace_id: int, limit: int) -> doc.ItemList:
    found = find_items_of(store, store.snapshot(), [trace_id], limit).get(trace_id, NO_ITEMS)
    witnessed = witnesses.find_witnesses([trace_id])
    records = witnessed[trace_id].records if trace_id in witnessed else {}
    traced = [Traced(item, trace_id) for item in found.first]
    by_key = {(trace_id, place): record for place, record in records.items()}
    return _list(traced, found.total, by_key, witnessed)


def _find_by_place(store: Store, witnesses: Witnesses, query: ItemQuery) -> doc.ItemList:
    stream_id = parse_number(query.stream_id or "", "a stream", U32_MAX)
    seq = parse_number(query.seq or "", "a number in a stream")
    epoch = None if query.epoch is None else parse_number(query.epoch, "an epoch")
    traced, total = find_traced(store, stream_id, epoch, seq, query.limit)
    records: dict[Key, doc.ItemRecord] = {}
    told = {(each.trace_id, Place(*each.item[1:])) for each in traced}
    beside: dict[Key, Traced] = {}
    for seen in witnesses.find_seen(stream_id, epoch, seq, query.limit):
        key = (seen.trace_id, seen.place)
        records.setdefault(key, seen.record)
        if key not in told:
            beside.setdefault(key, Traced(PutOut(seen.at, *seen.place), seen.trace_id))
    if total <= len(traced):
        # What is in the table is all here, so what spans and logs say beside it is more.
        traced = sorted([*traced, *beside.values()])
        total += len(beside)
    traced = traced[: query.limit]
    witnessed = witnesses.find_witnesses({each.trace_id for each in traced}) if traced else {}
    return _list(traced, total, records, witnessed)


def _list(
    traced: Sequence[Traced],
    total: int,
    records: Mapping[Key, doc.ItemRecord],
    witnessed: Mapping[int, Witnessed],
) -> doc.ItemList:
    nobody = Witnessed()
    items = []
    for item, trace_id in traced:
        plain = tell_item(item, records.get((trace_id, Place(*item[1:]))))
        known = witnessed.get(trace_id, nobody)
        items.append(
            doc.TracedItem(
                **msgspec.structs.asdict(plain),
                trace_id=str(trace_id),
                stages=known.stages,
                stage_count=known.stage_count,
                apps=known.apps,
            )
        )
    return doc.ItemList(items=items, count=len(items), total=total, truncated=total > len(items))
