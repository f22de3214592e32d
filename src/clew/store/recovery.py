"""Go on where the last process stopped: the rows that its log holds beyond the engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.store.decoder import MalformedRecordError
from clew.store.engine.contract import Snapshot
from clew.store.hot import HotRows
from clew.store.log.frame import WITHOUT_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clew.store.engine.contract import Engine
    from clew.store.hot import Batch
    from clew.store.log.frame import Split
    from clew.store.log.history import History
    from clew.store.log.segment import FrameRef
    from clew.store.pipeline import RecordKind
    from clew.store.refused import RefusedRecords

    Prepare = Callable[[Sequence[bytes], Callable[[], Snapshot]], None]

logger = logging.getLogger(__name__)

PREPARED_BYTES: Final = 16 * 1024 * 1024
"""So much of a log is prepared at once, so that an engine is asked seldom and memory stays small;
a record alone may be larger."""

PREPARED_RECORDS: Final = 1000
"""So many records at once: a second's worth of small ones."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the log of an earlier process left to be done.

    `batch` was cut and may or may not be in the engine, `splits` were recorded for it. `present`
    says, by table, up to which frame the engine has rows although the log knows nothing of it;
    empty unless the log was damaged.
    """

    batch: Batch | None
    splits: tuple[Split, ...]
    present: Mapping[str, int]


def recover(
    history: History,
    newest: int,
    engine: Engine,
    kinds: Sequence[RecordKind],
    refused: RefusedRecords,
    *,
    acked: int,
    decode_through: int,
) -> tuple[HotRows, Recovered]:
    """Decode what a log holds beyond the engine; `newest` is the engine's newest frame.

    Frames up to `acked` may be seen; those after `decode_through` are left for later.
    """
    hot = HotRows(
        {kind.code: kind.open_decoder for kind in kinds},
        flushed=history.flushed if history.frames else max(history.last, newest),
        acked=history.flushed,
    )
    names = {kind.code: kind.name for kind in kinds}
    for frame, payload in _read_prepared(history, newest, kinds):
        if frame.kind in WITHOUT_ROWS or frame.number > decode_through:
            continue
        if frame.kind not in names:
            unknown = ValueError(f"no kind of record has the code {frame.kind}")
            refused.keep(frame, table="unknown", error=unknown)
            continue
        try:
            hot.decode(
                frame.kind,
                payload,
                frame=frame.number,
                received=frame.received,
                oldest=frame.oldest,
            )
        except (MalformedRecordError, ClewError) as error:
            refused.keep(frame, table=names[frame.kind], error=error)
    hot.acknowledge(acked)
    batch = None
    splits = history.batch.splits if history.batch else ()
    if history.batch is not None:
        batch = hot.take_batch(history.batch.first, history.batch.last)
    if history.frames:
        logger.info("read %d records back from the log", len(history.frames))
    return hot, Recovered(batch, splits, _find_present(history, newest, engine, kinds))


def _read_prepared(
    history: History, newest: int, kinds: Sequence[RecordKind]
) -> Iterator[tuple[FrameRef, bytes]]:
    """Yield what is to be decoded, a stretch of it having been prepared where its kind asks so."""
    prepares = {kind.code: kind.prepare for kind in kinds if kind.prepare is not None}
    if not prepares:
        yield from history.read_payloads()
        return
    # What the engine has of later frames is told again as they are decoded, in its turn; only where
    # the end of the log was lost, it is told by nobody else.
    through = newest if newest > _last_cut(history) else history.flushed
    before = Snapshot(through, through)
    stretch: list[tuple[FrameRef, bytes]] = []
    size = 0
    for frame, payload in history.read_payloads():
        if frame.kind in WITHOUT_ROWS:
            continue
        if stretch and (size + len(payload) > PREPARED_BYTES or len(stretch) >= PREPARED_RECORDS):
            yield from _prepared(stretch, prepares, before)
            stretch, size = [], 0
        stretch.append((frame, payload))
        size += len(payload)
    yield from _prepared(stretch, prepares, before)


def _prepared(
    stretch: list[tuple[FrameRef, bytes]], prepares: Mapping[int, Prepare], before: Snapshot
) -> list[tuple[FrameRef, bytes]]:
    for code, prepare in prepares.items():
        bodies = [payload for frame, payload in stretch if frame.kind == code]
        if bodies:
            prepare(bodies, lambda: before)
    return stretch


def _last_cut(history: History) -> int:
    return history.batch.last if history.batch else history.flushed


def _find_present(
    history: History, newest: int, engine: Engine, kinds: Sequence[RecordKind]
) -> dict[str, int]:
    """Return up to which frame each table has rows of records that no recorded batch covers.

    A batch is recorded before it is inserted, so such rows mean that the end of the log was lost.
    """
    known = _last_cut(history)
    if newest <= known or not history.frames or history.frames[-1].number <= known:
        return {}
    logger.warning(
        "the engine has frames up to %d, the log knows of batches up to %d; its end was lost",
        newest,
        known,
    )
    return {t.name: engine.newest_frame([t]) for kind in kinds for t in kind.tables}
