"""Folding rows as they came from the engine, where the last value of each field is the state.

Of some thousand events the engine's answer is there in the time of two questions, and what takes
longer is to make an event of each row. Where all that they do is to set fields it need not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.twin.events import EventType, Order
from clew.twin.fold import Folded
from clew.twin.state.course import PLACE
from clew.twin.state.start import Known, Source

if TYPE_CHECKING:
    import pyarrow as pa

_SETTING: Final = frozenset({str(EventType.STATE_CHANGE), str(EventType.PHASE_CHANGE)})

_OF_LAST: Final = ("at", "Seq", "EventId", "TraceId", "SpanId", "checksum")

_decode_patches = msgspec.json.Decoder(list[dict[str, Any]]).decode


def fold_rows(rows: pa.Table) -> Known | None:
    """Return what rows of `CHANGE_COLUMNS` came to, in whatever order, None where it is not simple.

    It is where each event came once and sets fields; the first may create the object.
    """
    import pyarrow.compute as pc  # a start need not wait for it

    count = rows.num_rows
    if not count or pc.count_distinct(rows["EventId"]).as_py() < count:
        return None
    ordered = _put_in_order(rows)
    if not _only_sets(ordered, pc.unique(ordered["type"]).to_pylist()):
        return None
    state: dict[str, Any] = {}
    for patch in _decode_patches(f"[{','.join(ordered['patch'].to_pylist())}]"):
        state.update(patch)
    last = {name: ordered[name][-1].as_py() for name in _OF_LAST}
    folded = Folded(
        exists=True,
        state=state,
        version=count,
        created_at=ordered["at"][0].as_py(),
        updated_at=last["at"],
        last=Order(last["at"], last["Seq"], last["EventId"]),
        phase=_last_word(ordered["phase"], pc.unique(ordered["phase"]).to_pylist()),
        status=_last_word(ordered["status"], pc.unique(ordered["status"]).to_pylist()),
    )
    source = Source(last["EventId"], last["at"], last["TraceId"], last["SpanId"], last["checksum"])
    return Known(folded, source, replayed=count)


def _put_in_order(rows: pa.Table) -> pa.Table:
    times = rows["at"].to_numpy()
    if (times[1:] > times[:-1]).all():
        return rows
    return rows.sort_by([(name, "ascending") for name in PLACE])


def _only_sets(ordered: pa.Table, types: list[str]) -> bool:
    """Whether the events set fields and nothing else, but for the first, which may create."""
    if _SETTING.issuperset(types):
        return True
    first, *others = ordered["type"].to_pylist()
    return first == EventType.CREATED and _SETTING.issuperset(others)


def _last_word(column: pa.ChunkedArray, words: list[str]) -> str:
    if not any(words):
        return ""
    said: list[str] = column.to_pylist()
    return next(word for word in reversed(said) if word)
