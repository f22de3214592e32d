"""A lease in memory, for the servers of a town: what keeps it, and by which clock it is held.

What runs is `Candidacy` and `Lease`. What keeps the lease compares and sets by the town's clock; a
server's own clock goes a little faster or slower, and it may not reach the lease, or not hear what
came of what it asked.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, TypeVar

from clew.app.group import candidacy as candidacy_module
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.lease import hold as hold_module
from clew.store.replication.lease.contract import Holder
from clew.store.replication.lease.hold import Lease
from tests.property.leader_disk import KilledError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from clew.store.replication.lease.contract import Candidate
    from tests.property.leader_disk import Life
    from tests.property.leader_town import LeaderTown

Answered = TypeVar("Answered")

DRIFT_MAX: Final = 0.02
"""By which part of its speed a server's clock differs from that of what keeps the lease."""


class Register:
    """Who holds the lease, and until when. It is reached by nobody while it is away."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.url = ""
        self.epoch = 0
        self.until = 0.0
        self.cuts: set[str] = set()

    def is_of(self, node_id: str, now: float) -> bool:
        """Return whether a server has it, whatever that one believes."""
        return self.holder == node_id and self.until > now


class RegisterLeases:
    """See `LeaseStore`."""

    shown = "a register"

    def __init__(self, town: LeaderTown, candidate: Candidate) -> None:
        name = candidate.url.removeprefix("http://").removesuffix(":7701")
        self._town = town
        self._life: Life = town.processes[name].life
        self._mine = candidate

    def read(self) -> Holder | None:
        return self._ask(self._read)

    def acquire(self, least: int) -> int | None:
        return self._ask(partial(self._acquire, least))

    def renew(self, epoch: int) -> bool:
        return self._ask(partial(self._end_at, epoch, self._mine.seconds))

    def release(self, epoch: int) -> None:
        self._ask(partial(self._end_at, epoch, 0.0))

    def close(self) -> None: ...

    def _ask(self, call: Callable[[Register, float], Answered]) -> Answered:
        town, name = self._town, self._life.name
        if self._life.is_over:
            raise KilledError
        assert town.register is not None
        is_cut = name in town.register.cuts or town.is_paused(name)
        if is_cut or town.is_unlucky(0.05):
            raise ClewError(ErrorCode.UNAVAILABLE, "the register does not answer")
        answer = call(town.register, town.loop.time())
        if town.is_unlucky(0.05):
            raise ClewError(ErrorCode.TIMEOUT, "the register did not answer in time")
        return answer

    def _read(self, kept: Register, now: float) -> Holder | None:
        if kept.holder is None:
            return None
        return Holder(kept.holder, kept.url, kept.epoch, kept.until - now)

    def _acquire(self, least: int, kept: Register, now: float) -> int | None:
        if kept.until > now and kept.holder != self._mine.node_id:
            return None
        kept.holder, kept.url = self._mine.node_id, self._mine.url
        kept.epoch = max(kept.epoch, least) + 1
        kept.until = now + self._mine.seconds
        return kept.epoch

    def _end_at(self, epoch: int, seconds: float, kept: Register, now: float) -> bool:
        if (kept.holder, kept.epoch) != (self._mine.node_id, epoch):
            return False
        kept.until = now + seconds
        return True


def patch_lease(town: LeaderTown, patch: pytest.MonkeyPatch) -> None:
    """Have servers of a town ask its register for the lease, each by a clock of its own."""

    def open_store(_address: str, candidate: Candidate, _patience_s: float) -> RegisterLeases:
        return RegisterLeases(town, candidate)

    def open_lease(address: str, node_id: str, url: str, seconds: float) -> Lease:
        speed = 1 + DRIFT_MAX * (2 * town.chance.random() - 1)
        began = 1000 * town.chance.random()
        return Lease(address, node_id, url, seconds, clock=lambda: began + speed * town.loop.time())

    patch.setattr(hold_module, "EtcdLeases", open_store)
    patch.setattr(candidacy_module, "Lease", open_lease)
    patch.setattr(candidacy_module, "time", SimpleNamespace(monotonic=town.loop.time))
