"""Which items of its inputs an output was made of, and the windows that they make, by stream.

A set names trace ids, and an id is shared by the items of a chain. So the item that went in is
taken to be the one that was put out last before the output was; where all of them were put out
later, as clocks of two machines may have it, the one that was put out first. Where an id branches
and both branches go into one output, that is one of the two.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.base.times import NS_PER_MS, format_time
from clew.lineage import documents as doc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_AT: Final = operator.itemgetter(0)


class PutOut(NamedTuple):
    """An item, and when it was put out (Unix nanoseconds)."""

    at: int
    stream_id: int
    epoch: int
    seq: int


class WentIn(NamedTuple):
    """An item that an output was made of, and when that was put out (Unix nanoseconds)."""

    item: PutOut
    emitted: int

    @property
    def age_ms(self) -> float:
        """How old the item was."""
        return (self.emitted - self.item.at) / NS_PER_MS


def choose_item(items: Sequence[PutOut], emitted: int, *, is_whole: bool) -> WentIn | None:
    """Return the item of an input that went into an output, None where that is not known.

    `items` are the first that have the input's id, ascending; where they are not all, what was put
    out after the last of them is not known.
    """
    if is_whole and len(items) == 1:
        return WentIn(items[0], emitted)
    place = bisect_right(items, emitted, key=_AT)
    if not items or (place == len(items) and not is_whole):
        return None
    return WentIn(items[max(place, 1) - 1], emitted)


def find_windows(inputs: Iterable[WentIn]) -> list[doc.StageWindow]:
    """Return the windows of what went into one output, by stream and epoch, ascending."""
    streams: dict[tuple[int, int], list[WentIn]] = {}
    for each in inputs:
        streams.setdefault((each.item.stream_id, each.item.epoch), []).append(each)
    return [_window(taken) for _, taken in sorted(streams.items())]


def _window(taken: list[WentIn]) -> doc.StageWindow:
    # Nearly always one set tells of all of them, so the oldest is the one that was put out first.
    (first, begun), (last, ended) = min(taken), max(taken)
    oldest, newest = begun - first.at, ended - last.at
    if any(each.emitted != begun for each in taken):
        ages = [each.emitted - each.item.at for each in taken]
        oldest, newest = max(ages), min(ages)
    return doc.StageWindow(
        stream_id=first.stream_id,
        epoch=str(first.epoch),
        count=len(taken),
        first_seq=str(first.seq),
        first_at=format_time(first.at),
        last_seq=str(last.seq),
        last_at=format_time(last.at),
        span_ms=(last.at - first.at) / NS_PER_MS,
        oldest_ms=oldest / NS_PER_MS,
        newest_ms=newest / NS_PER_MS,
    )
