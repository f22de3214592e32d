"""Folding rows as they came from the engine, where the last value of each field is the state.

Of some thousand events the engine's answer is there in the time of two questions, and what takes
longer is to make an event of each row. Where all that they do is to set fields it need not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.twin.events import EventType, Order
from clew.twin.fold import Folded
from clew.twin.query.start import Known, Source

if TYPE_CHECKING:
    import pyarrow as pa

_SETTING: Final = frozenset({str(EventType.STATE_CHANGE), str(EventType.PHASE_CHANGE)})

_decode_patches = msgspec.json.Decoder(list[dict[str, Any]]).decode


def fold_rows(rows: pa.Table) -> Known | None:
    """Return what rows of `CHANGE_COLUMNS` came to, in whatever order, None where it is not simple.

    It is where each event came once and sets fields; the first may create the object.
    """
    count = rows.num_rows
    columns = {name: rows[name] for name in rows.column_names}
    ids = columns["EventId"].to_pylist()
    if not count or len(set(ids)) < count:
        return None
    places = sorted(
        zip(columns["at"].to_pylist(), columns["Seq"].to_pylist(), ids, range(count), strict=True)
    )
    order = [place[3] for place in places]
    types = columns["type"].to_pylist()
    first, last = order[0], order[-1]
    others = set(types[:first]).union(types[first + 1 :])
    if not others <= _SETTING or types[first] not in {*_SETTING, EventType.CREATED}:
        return None
    patches = columns["patch"].to_pylist()
    state: dict[str, Any] = {}
    for patch in _decode_patches(f"[{','.join([patches[number] for number in order])}]"):
        state.update(patch)
    at, seq, event_id, _ = places[-1]
    folded = Folded(
        exists=True,
        state=state,
        version=count,
        created_at=places[0][0],
        updated_at=at,
        last=Order(at, seq, event_id),
        phase=_last_of(columns["phase"].to_pylist(), order),
        status=_last_of(columns["status"].to_pylist(), order),
    )
    trace_id, span_id, checksum = (
        columns[name][last].as_py() for name in ("TraceId", "SpanId", "checksum")
    )
    return Known(folded, Source(event_id, at, trace_id, span_id, checksum), replayed=count)


def _last_of(words: list[str], order: list[int]) -> str:
    return next((words[number] for number in reversed(order) if words[number]), "")
