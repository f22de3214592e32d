"""How much is on disk, by table and signal: asked of the engine at most every few seconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clew.store.engine.contract import TableSize

FRESH_SECONDS: Final = 10
"""How long a measurement counts as new: what is asked for by every open page costs milliseconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Sizes at one moment (Unix nanoseconds), in the order of the tables."""

    at: int
    tables: Sequence[TableSize]


class StorageMeter:
    """Measures tables. Calls may come from any thread; they block while the engine answers.

    `signals` gives the signal of each table by name. `registry` gives the bytes of the registry,
    None where another server keeps it.
    """

    def __init__(
        self,
        measure: Callable[[], Sequence[TableSize]],
        signals: Mapping[str, str],
        registry: Callable[[], int | None],
        now: Callable[[], int],
    ) -> None:
        self._measure = measure
        self._now = now
        self._lock = threading.Lock()
        self._newest: Measured | None = None
        self.signals = signals
        self.registry = registry

    @property
    def newest(self) -> Measured | None:
        """What was measured last, however long ago; None before the first time."""
        return self._newest

    def measure(self, fresh_seconds: float = FRESH_SECONDS) -> Measured:
        """Return what was measured at most so many seconds ago.

        Raises:
            ClewError: the engine does not answer.
        """
        # Whoever comes meanwhile waits for the same measurement.
        with self._lock:
            now = self._now()
            newest = self._newest
            if newest is None or now - newest.at > fresh_seconds * NS_PER_S:
                newest = self._newest = Measured(now, self._measure())
            return newest

    def by_signal(self, measured: Measured) -> dict[str, list[TableSize]]:
        """Return the tables of each signal."""
        found: dict[str, list[TableSize]] = {}
        for table in measured.tables:
            found.setdefault(self.signals[table.table], []).append(table)
        return found
