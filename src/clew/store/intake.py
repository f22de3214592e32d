"""Where records go: the pipeline of a server that holds data, or a door that is shut.

A query tier has no log. What stands in the place of its pipeline takes nothing in, says where to
send, and tells of itself that it is empty.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from clew.store.engine.contract import Snapshot
from clew.store.refusal import refused_write
from clew.store.status import KindStatus, PipelineStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clew.base.gathering import Shard
    from clew.store.decoder import Decoded
    from clew.store.pipeline import RecordKind


class RecordIntake(Protocol):
    """What doors need of a pipeline, and `clew.store.pipeline.Pipeline` is one."""

    @property
    def acked(self) -> int:
        """The newest acknowledged frame."""
        ...

    async def accept(self, kind: RecordKind, body: bytes) -> Decoded:
        """Make a record durable and visible."""
        ...

    def snapshot(self) -> Snapshot:
        """Return what a query that starts now may see."""
        ...

    def flush(self, timeout_s: float = 30.0) -> None:
        """Block until everything acknowledged so far is in the engine."""
        ...

    async def wait_acked(self, after: int, timeout_s: float) -> int:
        """Wait until a frame after `after` is acknowledged, and return the newest one."""
        ...

    def status(self) -> PipelineStatus:
        """Return how the pipeline is."""
        ...

    async def close(self) -> None:
        """Take in nothing more."""
        ...


class ShutIntake:
    """Takes nothing in: what a query tier over these shards has for a pipeline."""

    def __init__(self, shards: Sequence[Shard], kinds: Iterable[str]) -> None:
        self._shards = tuple(shards)
        self._kinds = tuple(kinds)
        self._closing = asyncio.Event()

    @property
    def acked(self) -> int:
        """There is no frame."""
        return 0

    async def accept(self, kind: RecordKind, body: bytes) -> Decoded:
        """Refuse a record.

        Raises:
            ClewError: UNSUPPORTED, always; the hint names the shards.
        """
        raise refused_write(self._shards)

    def snapshot(self) -> Snapshot:
        """Return the moment of nothing."""
        return Snapshot(0, 0)

    def flush(self, timeout_s: float = 30.0) -> None:
        """Nothing waits."""

    async def wait_acked(self, after: int, timeout_s: float) -> int:
        """Wait until the time is up or the server closes; nothing comes."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._closing.wait()
        except TimeoutError:
            return 0
        return 0

    def status(self) -> PipelineStatus:
        """Return that nothing is here."""
        return PipelineStatus(
            acked=0,
            flushed=0,
            hot_rows=0,
            hot_bytes=0,
            hot_bytes_max=0,
            batches_waiting=0,
            batches_waiting_max=0,
            log_bytes=0,
            log_bytes_max=0,
            kinds={name: KindStatus() for name in self._kinds},
            damaged_frames=0,
            refused_frames=0,
            last_error=None,
            writable=False,
        )

    async def close(self) -> None:
        """Let whoever waits go."""
        self._closing.set()
