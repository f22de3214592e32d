"""Log records that tell of lineage: link sets and items, as docs/internals/lineage.md has them.

A record that names an item otherwise is about it, no more: a stage logs before its output is put
out, and as often as it likes, so its logs say neither that there is one nor when.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from clew.lineage.ingest.columns import align, find_values, may_hold, texts_of
from clew.lineage.ingest.decoder import TIME
from clew.lineage.ingest.rows import LinkRows
from clew.lineage.ingest.told import INCOMPLETE, OTLP, ROWS_MAX, TOO_MUCH, WRONG_TYPE, Arrival, Told
from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.numbers import U32_MAX, U64_MAX
from clew.lineage.sbe.descriptor import FrameDescriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import PARENTS_MAX, TraceLinkSet, find_fault
from clew.lineage.stages import names
from clew.store.hot import frame_numbers
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EVENTS: Final = ("tracelink.set", "tracelink.item")
"""The event names of records that tell of lineage; one with parents is a set without them, too."""

SET_EVENT, ITEM_EVENT = EVENTS

_NAMES: Final = (names.TRACE_ID, names.STREAM_ID, names.EPOCH, names.SEQ, names.PARENTS)
_PLACE: Final = ((names.STREAM_ID, U32_MAX), (names.EPOCH, U64_MAX), (names.SEQ, U64_MAX))

_DIGITS_MAX: Final = 20


def read_records(
    rows: pa.RecordBatch, arrivals: Sequence[Arrival], *, kept_ns: int | None = None
) -> Told | None:
    """Return what rows of ``otel_logs`` tell of lineage, None where they tell nothing.

    As `clew.lineage.ingest.spans.read_spans`. An item that a request tells of again is told of
    once.
    """
    candidates = _find_candidates(rows)
    if candidates is None:
        return None
    told = LinkRows()
    taken: list[int] = []
    refused: defaultdict[str, list[int]] = defaultdict(list)
    received = dict(arrivals)
    frame, edges = -1, 0
    items: set[tuple[int, ...]] = set()
    for at, brought, event, texts in candidates:
        if brought != frame:
            frame, edges = brought, 0
            items.clear()
        said = read_record(event, texts)
        parents = len(said.parents) if isinstance(said, TraceLinkSet) else 0
        if said is None:
            continue
        if isinstance(said, str):
            refused[said].append(frame)
        elif kept_ns is not None and at < received[frame] - kept_ns:
            refused[TIME].append(frame)
        elif edges + parents > ROWS_MAX:
            refused[TOO_MUCH].append(frame)
        else:
            taken.append(frame)
            item = (said.trace_id, said.stream_id, said.epoch, said.seq)
            if parents or item not in items:
                told.append(said, at=at, received=received[frame], source=OTLP, frame=frame)
            items.add(item)
            edges += parents
    return Told(told.finish(), taken, refused)


def read_record(
    event: str, texts: Mapping[str, str | None]
) -> TraceLinkSet | FrameDescriptor | str | None:
    """Return what a record says; why it is refused; None where it is about something else.

    `texts` are its attributes as the columns have them, those that are not there being None.
    """
    parents = texts.get(names.PARENTS)
    is_set = parents is not None or event == SET_EVENT
    if not is_set and event != ITEM_EVENT:
        return None
    place = [texts.get(name) for name, _ in _PLACE]
    trace_id = texts.get(names.TRACE_ID)
    if not is_set and None in (trace_id, *place):
        return INCOMPLETE if trace_id is not None else Fault.NO_TRACE_ID.value
    found = [
        0 if text is None else _read_number(text, most)
        for text, most in ((trace_id, U64_MAX), *zip(place, (m for _, m in _PLACE), strict=True))
    ]
    if None in found:
        return Fault.OUT_OF_RANGE.value
    number, stream_id, epoch, seq = (each or 0 for each in found)
    if not is_set:
        if number == NULL_TRACE_ID:
            return Fault.NO_TRACE_ID.value
        return FrameDescriptor(stream_id, epoch, seq, trace_id=number)
    inputs = _read_parents(parents)
    if isinstance(inputs, str):
        return inputs
    fault = find_fault(number, inputs, PARENTS_MAX)
    if fault is not None:
        return fault.value
    return TraceLinkSet(stream_id, epoch, seq, number, inputs)


def _read_parents(text: str | None) -> tuple[int, ...] | str:
    """Return the inputs that a list names, or why it names none.

    Lists stand as JSON in the columns. One that was sent as a text is read like that, too: some
    pipelines know no lists.
    """
    try:
        given = msgspec.json.decode(text) if text is not None else []
    except (msgspec.DecodeError, RecursionError):
        return WRONG_TYPE
    if not isinstance(given, list):
        return WRONG_TYPE
    inputs: list[int] = []
    for each in given:
        if isinstance(each, bool) or not isinstance(each, int | str):
            return WRONG_TYPE
        number = _read_number(str(each), U64_MAX)
        if number is None:
            return Fault.OUT_OF_RANGE.value
        inputs.append(number)
    return tuple(inputs)


def _read_number(text: str, most: int) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    number = int(text) if is_number else -1
    return number if 0 <= number <= most else None


def _find_candidates(
    rows: pa.RecordBatch,
) -> Iterator[tuple[int, int, str, dict[str, str | None]]] | None:
    """Return the records that may tell something: time, frame, event name, what they say."""
    attributes, events = rows.column("LogAttributes"), rows.column("EventName")
    may_tell = may_hold(attributes.keys.dictionary, names.PARENTS)
    if not may_tell and not may_hold(events.dictionary, names.PREFIX):
        return None
    import pyarrow.compute as pc

    several = []
    if (parents := find_values(attributes, names.PARENTS)) is not None:
        several.append(parents[0])
    is_named = pc.is_in(events.dictionary, value_set=texts_of(EVENTS))
    if pc.any(is_named).as_py():
        several.append(pc.indices_nonzero(is_named.take(events.indices)).cast(pa.int64()))
    if not several:
        return None
    places = pc.unique(pa.concat_arrays(several))
    places = places.take(pc.sort_indices(places))
    columns = [align(find_values(attributes, name), places).to_pylist() for name in _NAMES]
    return zip(
        rows.column("Timestamp").take(places).cast(pa.int64()).to_pylist(),
        frame_numbers(rows.column(FRAME).take(places)),
        events.dictionary.take(events.indices.take(places)).to_pylist(),
        (dict(zip(_NAMES, row, strict=True)) for row in zip(*columns, strict=True)),
        strict=True,
    )
