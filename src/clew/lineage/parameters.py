"""What may be said and asked of lineage. Every surface uses the names of these fields."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

DEPTH_DEFAULT: Final = 20
DEPTH_MAX: Final = 1000
"""Each step is a question to the engine, some 4 ms: a walk of a thousand ends with the time."""

NODES_DEFAULT: Final = 1000
NODES_MAX: Final = 10_000
"""Of one answer: some 10 MB with the items and stages of each."""

PARENTS_TEXT_MAX: Final = 65_534
"""What a set may name on the wire, and so in JSON."""

Number = str | int
"""A number of 64 bits: a decimal text, or a number where the writer's JSON has whole ones."""

Direction = Literal["up", "down"]


class NewLinkSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An output and all that it was made of, in the order observed.

    Stream, epoch and number are those of the output, 0 where there are none. `at` is when it was
    made: now, when left out.
    """

    trace_id: Number
    parents: Annotated[list[Number], msgspec.Meta(max_length=PARENTS_TEXT_MAX)]
    stream_id: Number = 0
    epoch: Number = 0
    seq: Number = 0
    at: str | None = None


class NewItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item that was put out, and the trace id that it has."""

    trace_id: Number
    stream_id: Number = 0
    epoch: Number = 0
    seq: Number = 0
    at: str | None = None


class NewLinks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Link sets, and items that have trace ids."""

    sets: list[NewLinkSet] = []
    items: list[NewItem] = []


class LineageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an id was made of (``up``), or what was made of it (``down``), so many steps away.

    `limit` is the most nodes of the answer: those that are fewer steps away come first. Links that
    were made outside the time range are passed over.
    """

    direction: Direction = "up"
    depth: Annotated[int, msgspec.Meta(ge=0, le=DEPTH_MAX)] = DEPTH_DEFAULT
    limit: Annotated[int, msgspec.Meta(ge=1, le=NODES_MAX)] = NODES_DEFAULT
    last: str | None = None
    start: str | None = None
    end: str | None = None


class PathQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one id leads to another: ``from`` is the one that came first, or ``to`` is.

    Both ways are tried. The answer holds every shortest path.
    """

    from_: str = msgspec.field(name="from")
    to: str
    depth: Annotated[int, msgspec.Meta(ge=0, le=DEPTH_MAX)] = DEPTH_DEFAULT
    limit: Annotated[int, msgspec.Meta(ge=1, le=NODES_MAX)] = NODES_DEFAULT
    last: str | None = None
    start: str | None = None
    end: str | None = None


class ItemQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items have a trace id, and which trace ids an item has.

    Either is enough: a trace id, or a stream with a number in it. An epoch that is left out is any.
    """

    trace_id: str | None = None
    stream_id: str | None = None
    epoch: str | None = None
    seq: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=NODES_MAX)] = 100
