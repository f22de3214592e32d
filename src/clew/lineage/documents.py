"""What lineage answers, as documents; ids are decimal texts: numbers in JSON lose their ends."""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, TIME_NS_MAX, format_time
from clew.lineage.layout import IdLayout


class TraceId(msgspec.Struct, kw_only=True, frozen=True):
    """A trace id and what it tells of itself."""

    id: str
    timestamp: str
    """When it was made, to the millisecond."""

    node_id: int
    sequence: int
    """Its place among those that the node made in the millisecond."""


class TraceIdList(msgspec.Struct, kw_only=True, frozen=True):
    """Trace ids in the order in which they were made."""

    trace_ids: tuple[TraceId, ...]
    count: int
    total: int
    truncated: bool = False
    next: str | None = None


class LinksTaken(msgspec.Struct, kw_only=True, frozen=True):
    """What became of messages: how many are kept, how many were refused, and why."""

    accepted: int
    rejected: int
    reasons: dict[str, int]


class ItemRecord(msgspec.Struct, kw_only=True, frozen=True):
    """The span, or else the log record, that says of an item that it is there.

    `trace_id` and `span_id` are OpenTelemetry's; a log record may have none. `name` is the
    operation of a span, the event of a log record.
    """

    kind: Literal["span", "log"]
    trace_id: str | None
    span_id: str | None
    service: str
    name: str


class Item(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """An item of a stream, and when it was put out, as far as was told.

    `record` is there where a span or a log record carries the item's stream, epoch and number.
    """

    stream_id: int
    epoch: str
    seq: str
    at: str
    record: ItemRecord | msgspec.UnsetType = msgspec.UNSET


class Stage(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """A span that says that it made an item with the id, or had to do with one: when, and where.

    `trace_id` and `span_id` are OpenTelemetry's.
    """

    service: str
    operation: str
    trace_id: str
    span_id: str
    start_time: str
    end_time: str
    duration_ms: float
    status: str
    app_id: str | None


class StageApp(msgspec.Struct, kw_only=True, frozen=True):
    """An app of the tree whose process wrote spans of the node; null where the tree knows none."""

    app_id: str
    app_name: str | None
    status: str | None


class StageObject(msgspec.Struct, kw_only=True, frozen=True):
    """An object that a span of the node said something of."""

    type: str
    id: str


class TracedItem(Item, kw_only=True, frozen=True):
    """An item, its trace id, and the stages and apps that had to do with that id.

    `stages` are the first of them, and `stage_count` says how many there are.
    """

    trace_id: str
    stages: list[Stage]
    stage_count: int
    apps: list[StageApp]


class ItemList(msgspec.Struct, kw_only=True, frozen=True):
    """Items, those that were put out first first."""

    items: list[TracedItem]
    count: int
    total: int
    truncated: bool


class StageWindow(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """The items of one stream and epoch that went into an output.

    `count` of them, from the one that was put out first to the one that was put out last, `span_ms`
    later. `oldest_ms` and `newest_ms` are how old the oldest and the newest of them were when the
    output was put out. An age below 0 says that the clocks of two machines differ.
    """

    stream_id: int
    epoch: str
    count: int
    first_seq: str
    first_at: str
    last_seq: str
    last_at: str
    span_ms: float
    oldest_ms: float
    newest_ms: float


class NodeSpan(msgspec.Struct, kw_only=True, frozen=True):
    """The span that an id of 2^63 and above was made of; ids are OpenTelemetry's."""

    trace_id: str
    span_id: str


class NodeDataset(msgspec.Struct, kw_only=True, frozen=True):
    """The dataset that an id of 2^63 and above was made of, as an event of OpenLineage named it."""

    namespace: str
    name: str
    version: str | None


class Node(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """A trace id, and what is known of it. `missing`: nothing, but that others name it.

    `depth` is how many steps it is away. Each list holds the first of what there is, and the count
    beside it says how many there are. `windows` tell of what a joined output was made of, by
    stream; their counts add up to `input_count` where of each input an item is known. `span` is
    there where the id stands for a span that carries none, which may not be here; `dataset`, where
    it stands for one.
    """

    trace_id: str
    depth: int
    items: list[Item]
    item_count: int
    stages: list[Stage]
    stage_count: int
    apps: list[StageApp]
    objects: list[StageObject]
    log_count: int
    input_count: int
    windows: list[StageWindow]
    span: NodeSpan | msgspec.UnsetType = msgspec.UNSET
    dataset: NodeDataset | msgspec.UnsetType = msgspec.UNSET
    missing: bool | msgspec.UnsetType = msgspec.UNSET


class Edge(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """That an output was made of an input: the output's item, and when that was told first.

    `position` is the input's place among all inputs, and `age_ms` how old its item was then: null
    where none is known.
    """

    trace_id: str
    parent_trace_id: str
    stream_id: int
    epoch: str
    seq: str
    at: str
    position: int
    age_ms: float | None


class Lineage(msgspec.Struct, kw_only=True, frozen=True):
    """What an id was made of, or what was made of it; those fewer steps away stand first.

    `truncated` with `stopped_by` says that there is more: ``depth``, ``nodes``, ``edges``,
    ``time``. `cycles` are sets of ids each of which is an ancestor of itself. Sets may be lost on
    their way, and a node whose set was looks like a root: `losses` counts, by reason, those that
    this server lost since it started.
    """

    root: str
    direction: str
    nodes: list[Node]
    edges: list[Edge]
    missing: int
    cycles: list[list[str]]
    truncated: bool
    stopped_by: list[str]
    losses: dict[str, int]


class LineagePath(msgspec.Struct, kw_only=True, frozen=True):
    """How one id leads to another: every shortest way, from the later output to the earlier input.

    `length` counts edges; null, with `found` false, where no way is known. `direction` is ``up``
    where `to` came before `from`, and ``down`` where it was made of it.
    """

    from_: str = msgspec.field(name="from")
    to: str
    found: bool
    direction: str | None
    length: int | None
    nodes: list[Node]
    edges: list[Edge]
    truncated: bool
    stopped_by: list[str]
    losses: dict[str, int]


def describe_trace_id(trace_id: int, layout: IdLayout) -> TraceId:
    """Return what an id tells of itself.

    Raises:
        ClewError: INVALID_ARGUMENT for an id that no generator made, or not with this layout.
    """
    parts = layout.decode(trace_id)
    at = parts.timestamp_ms * NS_PER_MS
    if at > TIME_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{trace_id} was made later than 2262 if its bits are split like this",
            hint="give the split of the deployment: --node-bits, --sequence-bits",
        )
    return TraceId(
        id=str(trace_id),
        timestamp=format_time(at),
        node_id=parts.node_id,
        sequence=parts.sequence,
    )
