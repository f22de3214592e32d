"""Go on where the last process stopped: the rows that its log holds beyond the engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.base.errors import ClewError
from clew.store.decoder import MalformedRecordError
from clew.store.hot import HotRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Engine
    from clew.store.frame import Split
    from clew.store.history import History
    from clew.store.hot import Batch
    from clew.store.pipeline import RecordKind
    from clew.store.refused import RefusedRecords

logger = logging.getLogger(__name__)


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
) -> tuple[HotRows, Recovered]:
    """Decode what a log holds beyond the engine; `newest` is the engine's newest frame."""
    acked = max(history.last, newest)
    hot = HotRows(
        {kind.code: kind.open_decoder for kind in kinds},
        flushed=history.flushed if history.frames else acked,
        acked=history.flushed,
    )
    names = {kind.code: kind.name for kind in kinds}
    for frame, payload in history.read_payloads():
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


def _find_present(
    history: History, newest: int, engine: Engine, kinds: Sequence[RecordKind]
) -> dict[str, int]:
    """Return up to which frame each table has rows of records that no recorded batch covers.

    A batch is recorded before it is inserted, so such rows mean that the end of the log was lost.
    """
    known = history.batch.last if history.batch else history.flushed
    if newest <= known or not history.frames or history.frames[-1].number <= known:
        return {}
    logger.warning(
        "the engine has frames up to %d, the log knows of batches up to %d; its end was lost",
        newest,
        known,
    )
    return {t.name: engine.newest_frame([t]) for kind in kinds for t in kind.tables}
