"""The disk of a server in a town: what is there after a crash, and what a process makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from clew.store.log.receipt import Group
from clew.store.replication import standing as standing_module
from clew.store.replication.standing import Standing
from clew.store.replication.wire import Record

if TYPE_CHECKING:
    from tests.property.leader_parts import Process


class KilledError(BaseException):
    """A process ended here."""


@dataclass
class Disk:
    """What is there after a crash."""

    standing: bytes = b""
    frames: list[Record] = field(default_factory=list)
    oldest: int = 0
    acked: int = 0
    flushed: int = 0
    epoch: int = 0
    is_whole: bool = True
    leaders: dict[int, str | None] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return self.frames[-1].number if self.frames else 0

    def clear(self) -> None:
        self.frames, self.oldest, self.acked, self.flushed, self.epoch = [], 0, 0, 0, 0


class Life:
    """One process of a server. `fuse` is after how many steps of its disk it ends, None for never.

    What is durable changes between two steps. What is found to be wrong goes to `wrong`.
    """

    def __init__(self, name: str, disk: Disk, fuse: int | None, wrong: list[str]) -> None:
        self.name = name
        self.wrong = wrong
        self.disk = disk
        self.fuse = fuse
        self.is_over = False

    def step(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            self.is_over |= self.fuse < 0
        if self.is_over:
            raise KilledError


class KeptStanding(Standing):
    """What is known of leadership, on a disk in memory."""

    def __init__(self, life: Life) -> None:
        life.step()
        if not life.disk.standing:
            fresh = standing_module._Document(node_id=f"node {life.name}")
            life.disk.standing = msgspec.json.encode(fresh)
        found = msgspec.json.decode(life.disk.standing, type=standing_module._Document)
        super().__init__(Path(), found)
        self._life = life

    def _write(self, document: Any) -> None:
        self._life.step()
        self._life.disk.standing = msgspec.json.encode(document)
        self._document = document
        leader = self._life.disk.leaders.setdefault(document.epoch, document.leader)
        if leader != document.leader:
            self._life.wrong.append(f"{leader} and {document.leader} led {document.epoch}")
        self._life.step()


class MemoryLog:
    """What a part of a group sees of a log."""

    id = b""
    failure = None

    def __init__(self, process: Process, epoch: int) -> None:
        self.process = process
        self.folder = process.life.disk
        self.epoch = epoch
        self.next_number = self.folder.last + 1
        self.unsynced: list[Record] = []
        self.is_closed = False

    def append(
        self, kind: int, payload: bytes, *, received: int, oldest: int, number: int, epoch: int
    ) -> None:
        """Write a frame; a leader's is synced some time later, a standby's before it answers."""
        part = self.process.part
        assert part is not None
        frame = Record(number, epoch, kind, received, oldest, payload)
        self.next_number = number + 1
        self.unsynced.append(frame)
        if part.is_leader:
            self.process.town.later(self.sync, self.process.town.chance.choice((0.01, 0.2, 1.0)))
        else:
            self.process.life.step()
            self.sync()
            self.process.life.step()

    def sync(self) -> None:
        if self.process.life.is_over or self.is_closed or not self.unsynced:
            return
        town, part = self.process.town, self.process.part
        assert part is not None
        if part.is_leader and town.is_paused(self.process.life.name):
            town.later(self.sync, 0.3)
            return
        frames, self.unsynced = self.unsynced, []
        self.folder.frames = [*self.folder.frames, *frames]
        part.hear_of_group(Group(frames[0].number, frames[-1].number))

    def cut_off(self, after: int) -> None:
        self.process.life.step()
        self.folder.frames = [each for each in self.folder.frames if each.number <= after]
        self.process.life.step()
        self.next_number = after + 1

    def note_acked(self, through: int) -> None:
        if self.process.town.chance.random() < 0.3:
            self.folder.acked = max(self.folder.acked, through)

    def check_room(self, _size: int) -> None: ...


class MemoryReader:
    """Reads a log that is in memory."""

    def __init__(self, folder: Disk, _id: bytes) -> None:
        self._disk = folder

    def read(self, after: int, *, bytes_max: int) -> list[Record] | None:
        assert bytes_max
        if after < self._disk.oldest:
            return None
        return [each for each in self._disk.frames if each.number > after][:10]

    def close(self) -> None: ...
