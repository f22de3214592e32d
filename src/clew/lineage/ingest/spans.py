"""Spans that have links, or carry trace ids: what they tell of lineage, many at once.

Theory of operation. A span that has links was made of what it links to. Where spans and links carry
ids of TraceLink, these are the ends of the edges; where they do not, spans have ids that follow
from their own (`clew.lineage.exchange.identity`), so both ends of an edge know them, whichever
comes first, and from whatever program. Which id is whose span is a row besides.

A span that sends a message and carries an id of TraceLink may be linked to by those who never heard
of such ids. So an edge leads from that id to the span's own.

Nothing here loops over spans: a batch without links and ids costs a look at two numbers and at the
names of its attributes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from clew.lineage.ingest.columns import (
    align,
    count_values,
    find_values,
    may_hold,
    mix_span_ids,
    nothing,
    number,
    numbers_of,
    read_numbers,
    text,
    texts_of,
    true,
)
from clew.lineage.ingest.decoder import FUTURE_NS_MAX, TIME
from clew.lineage.ingest.told import NO_SPAN, OTLP, ROWS_MAX, TOO_MUCH, Arrival, Told
from clew.lineage.numbers import U32_MAX, U64_MAX
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import PARENTS_MAX
from clew.lineage.stages import names
from clew.lineage.tables import ITEMS, LINKS, SPANS
from clew.store.hot import frame_numbers
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.table import Table

_KINDS: Final = ("Producer", "Client")
"""Of spans that send messages, as the table has them."""

_TRACE_DIGITS: Final = 32
_SPAN_DIGITS: Final = 16

_OWN: Final = ("Timestamp", "TraceId", "SpanId", "SpanKind", "Duration", FRAME)


def read_spans(
    rows: pa.RecordBatch, arrivals: Sequence[Arrival], *, kept_ns: int | None = None
) -> Told | None:
    """Return what rows of ``otel_traces`` tell of lineage, None where they tell nothing.

    `rows` are in the order of their frames, and `arrivals` are those frames. Edges are in the order
    of the links, each input once; a link of a span to itself says nothing, nor does one to the item
    that the span goes on with. What is older than `kept_ns` when it comes is refused.
    """
    attributes = rows.column("SpanAttributes")
    has_links = count_values(rows.column("Links.TraceId"))
    if not has_links and not may_hold(attributes.keys.dictionary, names.TRACE_ID):
        return None
    marked = find_values(attributes, names.TRACE_ID)
    if not has_links and marked is None:
        return None
    refusals = _Refusals({})
    spans = _read_spans(rows, marked, arrivals, kept_ns, refusals)
    items = _read_items(rows, marked, spans, refusals)
    edges = _read_edges(rows, spans, refusals)
    told = Told(refused=refusals.finish())
    aliases = spans.find_aliases()
    batches = (
        _write_links(spans, edges, aliases, items),
        _write_items(spans, items),
        _write_spans(spans, edges, aliases),
    )
    for table, batch in zip((LINKS, ITEMS, SPANS), batches, strict=True):
        if batch.num_rows:
            told.batches[table.name] = _in_frame_order(batch)
    told.taken = spans.frames_of(edges.column("owner"), items.owners, aliases)
    return told


@dataclass(frozen=True, slots=True)
class _Refusals:
    """The frames of what is refused, by reason."""

    frames: dict[str, list[int]]

    def add(self, reason: str, frames: pa.Array) -> None:
        if len(frames):
            self.frames.setdefault(reason, []).extend(frame_numbers(frames))

    def finish(self) -> dict[str, list[int]]:
        return {reason: sorted(frames) for reason, frames in self.frames.items()}


@dataclass(frozen=True, slots=True)
class _Spans:
    """The spans that have links or carry an id. Arrays have a value for each.

    `rows` are their places in the batch, `own` the ids that they carry (null where they carry
    none), `made` those that follow from their own, and `sends` says whether they send messages.
    """

    rows: pa.Array
    frames: pa.Array
    at: pa.Array
    received: pa.Array
    trace_ids: pa.Array
    span_ids: pa.Array
    own: pa.Array
    made: pa.Array
    sends: pa.Array

    def ids(self) -> pa.Array:
        """Return the ids under which they stand in the graph."""
        import pyarrow.compute as pc

        return pc.coalesce(self.own, self.made)

    def find_aliases(self) -> pa.Array:
        """Return which of them stand there under two ids."""
        import pyarrow.compute as pc

        return _places(pc.and_(self.sends, pc.is_valid(self.own)))

    def frames_of(self, *several: pa.Array) -> memoryview:
        """Return the frames of those that any of several lists name, each span once."""
        import pyarrow.compute as pc

        named = pc.unique(pa.concat_arrays([each.cast(pa.int64()) for each in several]))
        return frame_numbers(self.frames.take(named.take(pc.sort_indices(named))))


@dataclass(frozen=True, slots=True)
class _Items:
    """The items that spans tell of: whose they are, and their places, one for each span.

    Places are 0 for spans that tell of none.
    """

    owners: pa.Array
    places: tuple[pa.Array, ...]


def _read_spans(
    rows: pa.RecordBatch,
    marked: tuple[pa.Array, pa.Array] | None,
    arrivals: Sequence[Arrival],
    kept_ns: int | None,
    refusals: _Refusals,
) -> _Spans:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(rows.column("Links.TraceId"))
    places = _places(pc.greater(lengths, number(pa.int32(), 0)))
    if marked is not None:
        places = pc.unique(pa.concat_arrays([places, marked[0]]))
        places = places.take(pc.sort_indices(places))
    spans = rows.select(list(_OWN)).take(places)
    received = _times_of(frame_numbers(spans.column(FRAME)), arrivals)
    starts = spans.column("Timestamp").cast(pa.int64())
    ends = pc.add(starts, spans.column("Duration").cast(pa.int64()))
    # An output is there when its span ends, which its writer may say to be in a hundred years.
    is_late = pc.greater(ends, pc.add(received, number(pa.int64(), FUTURE_NS_MAX)))
    at = pc.if_else(is_late, starts, ends)
    if kept_ns is not None:
        is_kept = pc.greater_equal(at, pc.subtract(received, number(pa.int64(), kept_ns)))
        refusals.add(TIME, spans.column(FRAME).filter(pc.invert(is_kept)))
        places, spans = places.filter(is_kept), spans.filter(is_kept)
        at, received = at.filter(is_kept), received.filter(is_kept)
    frames = spans.column(FRAME)
    own, is_wrong = read_numbers(align(marked, places))
    refusals.add(Fault.OUT_OF_RANGE, frames.filter(is_wrong))
    is_zero = pc.fill_null(pc.equal(own, number(pa.uint64(), 0)), _false())
    refusals.add(Fault.NO_TRACE_ID, frames.filter(is_zero))
    kinds = spans.column("SpanKind")
    codes = pc.is_in(kinds.dictionary, value_set=texts_of(_KINDS))
    return _Spans(
        rows=places,
        frames=frames,
        at=at,
        received=received,
        trace_ids=spans.column("TraceId"),
        span_ids=spans.column("SpanId"),
        own=pc.if_else(is_zero, nothing(pa.uint64()), own),
        made=mix_span_ids(spans.column("TraceId"), spans.column("SpanId")),
        sends=codes.take(kinds.indices),
    )


def _read_items(
    rows: pa.RecordBatch,
    marked: tuple[pa.Array, pa.Array] | None,
    spans: _Spans,
    refusals: _Refusals,
) -> _Items:
    import pyarrow.compute as pc

    attributes = rows.column("SpanAttributes")
    if marked is None:
        none = numbers_of(pa.uint64(), array("Q", bytes(8 * len(spans.rows))))
        return _Items(spans.rows[:0], (none.cast(pa.uint32()), none, none))
    (stream, stream_wrong), (epoch, epoch_wrong), (seq, seq_wrong) = (
        read_numbers(align(find_values(attributes, name), spans.rows), most)
        for name, most in ((names.STREAM_ID, U32_MAX), (names.EPOCH, U64_MAX), (names.SEQ, U64_MAX))
    )
    # Of a span that says nothing of its id the other names are not ours to judge.
    is_wrong = pc.and_(
        pc.or_(pc.or_(stream_wrong, epoch_wrong), seq_wrong),
        pc.is_in(spans.rows, value_set=marked[0]),
    )
    refusals.add(Fault.OUT_OF_RANGE, spans.frames.filter(is_wrong))
    is_item = pc.and_(
        pc.and_(pc.is_valid(spans.own), pc.is_valid(stream)),
        pc.and_(pc.is_valid(epoch), pc.is_valid(seq)),
    )
    zero = number(pa.uint64(), 0)
    places = tuple(pc.if_else(is_item, each, zero) for each in (stream, epoch, seq))
    return _Items(_places(is_item), (places[0].cast(pa.uint32()), *places[1:]))


def _read_edges(rows: pa.RecordBatch, spans: _Spans, refusals: _Refusals) -> pa.RecordBatch:
    """Return the inputs of spans: `owner` is the span's place, `parent` the input's id.

    `is_made` says that the id follows from those of the linked span, `trace_id` and `span_id`.
    """
    import pyarrow.compute as pc

    linked = rows.column("Links.TraceId")
    owners = pc.index_in(pc.list_parent_indices(linked), value_set=spans.rows)
    traces, ends = linked.flatten(), rows.column("Links.SpanId").flatten()
    attributes = rows.column("Links.Attributes").flatten()
    found = find_values(attributes, names.TRACE_ID)
    carried, is_wrong = read_numbers(align(found, pa.arange(0, len(owners))))
    is_zero = pc.fill_null(pc.equal(carried, number(pa.uint64(), 0)), _false())
    carried = pc.if_else(is_zero, nothing(pa.uint64()), carried)
    names_span = pc.and_(_is_id(traces, _TRACE_DIGITS), _is_id(ends, _SPAN_DIGITS))
    is_ours = pc.is_valid(owners)
    is_named = pc.or_(pc.is_valid(carried), names_span)
    for reason, which in ((Fault.OUT_OF_RANGE, is_wrong), (NO_SPAN, pc.invert(is_named))):
        refusals.add(reason, spans.frames.take(owners.filter(pc.and_(is_ours, which))))
    is_kept = pc.and_(is_ours, is_named)
    traces, ends = traces.filter(is_kept), ends.filter(is_kept)
    carried = carried.filter(is_kept)
    is_made = pc.is_null(carried)
    made = mix_span_ids(traces.filter(is_made), ends.filter(is_made))
    edges = pa.RecordBatch.from_arrays(
        [
            owners.filter(is_kept),
            pc.replace_with_mask(carried, is_made, made),
            is_made,
            traces,
            ends,
        ],
        ["owner", "parent", "is_made", "trace_id", "span_id"],
    )
    is_itself = pc.equal(edges.column("parent"), spans.ids().take(edges.column("owner")))
    return _bound(_distinct(edges.filter(pc.invert(is_itself)), "owner", "parent"), spans, refusals)


def _bound(edges: pa.RecordBatch, spans: _Spans, refusals: _Refusals) -> pa.RecordBatch:
    """Leave out the spans that say too much, alone or after those before them in a request."""
    import pyarrow.compute as pc

    owners, counts = _count_each(edges.column("owner"))
    if len(edges) <= ROWS_MAX and (pc.max(counts).as_py() or 0) <= PARENTS_MAX:
        return edges
    frames = frame_numbers(spans.frames)
    frame, said = -1, 0
    left_out = array("i")
    for owner, count in zip(owners.to_pylist(), counts.to_pylist(), strict=True):
        if frames[owner] != frame:
            frame, said = frames[owner], 0
        reason = Fault.TOO_MANY_PARENTS if count > PARENTS_MAX else TOO_MUCH
        if reason is TOO_MUCH and said + count <= ROWS_MAX:
            said += count
            continue
        left_out.append(owner)
        refusals.frames.setdefault(reason, []).append(frame)
    out = pc.is_in(edges.column("owner"), value_set=numbers_of(pa.int32(), left_out))
    return edges.filter(pc.invert(out))


def _write_links(
    spans: _Spans, edges: pa.RecordBatch, aliases: pa.Array, items: _Items
) -> pa.RecordBatch:
    import pyarrow.compute as pc

    owners = edges.column("owner")
    having, counts = _count_each(owners)
    place = pc.index_in(owners, value_set=having)
    firsts = pc.subtract(pc.cumulative_sum(counts), counts)
    positions = pc.subtract(pa.arange(0, len(owners)), firsts.take(place))
    links = _fill(
        LINKS,
        spans,
        owners,
        spans.ids().take(owners),
        edges.column("parent"),
        positions.cast(pa.uint32()),
        counts.take(place).cast(pa.uint32()),
        *(each.take(owners) for each in items.places),
    )
    if not len(aliases):
        return links
    ones = [array("I", [each]) * len(aliases) for each in (0, 1)]
    more = _fill(
        LINKS,
        spans,
        aliases,
        spans.made.take(aliases),
        spans.own.take(aliases),
        *(numbers_of(pa.uint32(), each) for each in ones),
        *(place.take(aliases) for place in items.places),
    )
    return _join(links, more)


def _write_items(spans: _Spans, items: _Items) -> pa.RecordBatch:
    return _fill(
        ITEMS,
        spans,
        items.owners,
        spans.own.take(items.owners),
        *(place.take(items.owners) for place in items.places),
    )


def _write_spans(spans: _Spans, edges: pa.RecordBatch, aliases: pa.Array) -> pa.RecordBatch:
    """Return which span each id is of: of those that were linked to, and of those that link."""
    import pyarrow.compute as pc

    links = edges.filter(edges.column("is_made"))
    linking = pc.unique(edges.column("owner")).cast(pa.int64())
    own = pa.concat_arrays([linking.filter(pc.is_null(spans.own.take(linking))), aliases])
    batches = [
        _fill(SPANS, spans, owners, *columns)
        for owners, *columns in (
            (links.column("owner"), *(links.column(n) for n in ("parent", "trace_id", "span_id"))),
            (own, *(each.take(own) for each in (spans.made, spans.trace_ids, spans.span_ids))),
        )
    ]
    return _distinct(_join(*batches), FRAME, "TraceId")


def _fill(table: Table, spans: _Spans, owners: pa.Array, *columns: pa.Array) -> pa.RecordBatch:
    """Return rows of a table, each with the times and the frame of the span that it is owed to."""
    indices = numbers_of(pa.int32(), array("i", bytes(4 * len(owners))))
    return pa.RecordBatch.from_arrays(
        [
            spans.at.take(owners).cast(pa.timestamp("ns")),
            *columns,
            spans.received.take(owners).cast(pa.timestamp("ns")),
            pa.DictionaryArray.from_arrays(indices, texts_of([OTLP])),
            spans.frames.take(owners),
        ],
        schema=table.arrow_schema,
    )


def _join(*batches: pa.RecordBatch) -> pa.RecordBatch:
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches() or batches[:1]
    return joined


def _in_frame_order(batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow.compute as pc

    frames = batch.column(FRAME)
    if pc.all(pc.less_equal(frames[:-1], frames[1:])).as_py():
        return batch
    return batch.take(pc.sort_indices(frames))


def _distinct(batch: pa.RecordBatch, near: str, far: str) -> pa.RecordBatch:
    """Return the first row of those that are alike in two columns, in their order.

    It is quick where none is alike in the second one.
    """
    import pyarrow.compute as pc

    if pc.count_distinct(batch.column(far)).as_py() == len(batch):
        return batch
    keys = batch.select([near, far])
    # Stable, so that of rows that are alike the first one stays in front.
    order = pc.sort_indices(keys, sort_keys=[(near, "ascending"), (far, "ascending")])
    columns = keys.take(order).columns
    is_new = pc.or_(*(pc.not_equal(column[1:], column[:-1]) for column in columns))
    firsts = order.filter(pa.concat_arrays([true(), is_new]))
    return batch.take(firsts.take(pc.sort_indices(firsts)))


def _count_each(owners: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the spans that have edges, ascending, and how many each has."""
    import pyarrow.compute as pc

    counted = pc.value_counts(owners)
    return counted.field(0), counted.field(1)


def _times_of(frames: memoryview, arrivals: Sequence[Arrival]) -> pa.Array:
    """Return when each of some rows came."""
    times = array("q")
    for frame, received in arrivals:
        first = len(times)
        times.extend(repeat(received, bisect_right(frames, frame, first) - first))
    return numbers_of(pa.int64(), times)


def _is_id(texts: pa.Array, digits: int) -> pa.Array:
    """Return which texts are ids of spans or traces: of so many digits, and not all zero."""
    import pyarrow.compute as pc

    is_long = pc.equal(pc.binary_length(texts), number(pa.int32(), digits))
    return pc.and_(is_long, pc.not_equal(texts, text("0" * digits)))


def _places(mask: pa.Array) -> pa.Array:
    """Return where a mask is true."""
    import pyarrow.compute as pc

    return pc.indices_nonzero(mask).cast(pa.int64())


@cache
def _false() -> pa.Scalar:
    import pyarrow.compute as pc

    return pc.is_valid(pa.nulls(1, pa.int64()))[0]
