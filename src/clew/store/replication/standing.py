"""What a server knows of leadership, on disk before it is used: who it is, who leads, since when.

Theory of operation. An *epoch* is one leadership: a number that is larger than any that was seen,
and that belongs to one server. Everything that servers tell one another names it. The *fence* is
here: a smaller epoch than the one known is refused, and so is an equal one of another server. As
what is known is durable before it is acted on, a crash forgets no fence.

`starts` says for each epoch under which this log was written the first number of it. From two such
lists follows up to where two logs are the same (`clew.store.replication.position`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Final, Self

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.store.folder import open_folder, storage_error, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "replication.json"

EPOCH_MAX: Final = 2**32 - 1
"""What a frame's header has room for."""

STARTS_MAX: Final = 64
"""So many epochs are remembered: a server that missed more leaderships than this takes a snapshot,
and what two servers tell one another at the beginning stays below a kilobyte."""

Starts = tuple[tuple[int, int], ...]
"""Epochs with the first number of each, both ascending."""

Led = tuple[int, str | None]
"""A leadership that came to be: its epoch, and whose it was; 0 and None before there was any."""


class FencedError(ClewError):
    """Whoever asked speaks for an epoch that is over, or for one of another server.

    `epoch` is the one it gave, `current` the one known here, which `leader_url` leads.
    """

    def __init__(self, epoch: int, current: int, leader_url: str | None) -> None:
        super().__init__(
            ErrorCode.CONFLICT,
            f"epoch {epoch} does not lead: epoch {current} is known here"
            if epoch != current
            else f"epoch {epoch} belongs to another server, as it is known here",
            hint=f"the leader is {leader_url}" if leader_url else "another server leads",
        )
        self.epoch = epoch
        self.current = current
        self.leader_url = leader_url


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content."""

    node_id: str
    epoch: int = 0
    leader: str | None = None
    leader_url: str | None = None
    group: str | None = None
    starts: Starts = ()
    required: int | None = None
    required_most: int | None = None
    led_epoch: int | None = None
    led_by: str | None = None


class Standing:
    """What is known of leadership. Safe to use from any thread; each change is durable first."""

    def __init__(self, folder: Path, document: _Document) -> None:
        self._folder = folder
        self._document = document
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what a data folder says, or give the server an id that it has from now on.

        The caller holds the folder's lock.

        Raises:
            ClewError: the folder cannot be used, or the file is not ours.
        """
        found = cls.find(folder)
        if found is not None:
            return found
        open_folder(folder)
        standing = cls(folder, _Document(node_id=new_uuid(time.time_ns())))
        standing._write(standing._document)
        return standing

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """Read what a data folder says, None when it never was one of several servers.

        Raises:
            ClewError: the file cannot be read, or is not ours.
        """
        path = folder / FILE_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, f"cannot read {path}", folder) from error
        try:
            return cls(folder, msgspec.json.decode(content, type=_Document))
        except msgspec.DecodeError as error:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{path} is not what a server writes: {error}",
                hint="begin anew as a standby: move the data folder away and start again",
            ) from error

    @property
    def node_id(self) -> str:
        """This server's id, for ever."""
        return self._document.node_id

    @property
    def epoch(self) -> int:
        """The newest epoch known; 0 before there was any."""
        return self._document.epoch

    @property
    def leader(self) -> str | None:
        """The id of the server that the epoch belongs to."""
        return self._document.leader

    @property
    def leader_url(self) -> str | None:
        """Where that server is reached."""
        return self._document.leader_url

    @property
    def group(self) -> str | None:
        """Which servers this one belongs to; None before it led or followed any."""
        return self._document.group

    @property
    def is_leading(self) -> bool:
        """Whether the newest epoch belongs to this server."""
        return self._document.leader == self._document.node_id

    @property
    def led(self) -> Led:
        """The newest leadership of which more is known than that it was asked for.

        Whoever lets another lead does not know yet whether anything comes of it.
        """
        return _find_led(self._document)

    @property
    def starts(self) -> Starts:
        """The epochs of this server's log, each with its first number."""
        return self._document.starts

    @property
    def required(self) -> int | None:
        """How many standbys have each acknowledged frame that may be missing here, at least.

        As its leader said, or as many as this server waited for when it led last; 0 as long as
        there may be some that nobody else has. None where it was not told.
        """
        return self._document.required

    @property
    def required_most(self) -> int:
        """The largest number that another server may go by since this one last had everything.

        One that was asked to let another lead goes by the smaller of two numbers, and those that
        were not reached by what the leader before had each record wait for.
        """
        return max(self._document.required or 0, self._document.required_most or 0)

    def accept(
        self,
        epoch: int,
        leader: str,
        url: str | None,
        required: int | None = None,
        led: Led = (0, None),
    ) -> bool:
        """Let a server lead that says it does; return whether that is news.

        `required` is how many standbys it will have each record wait for, where it says so: what it
        acknowledges may be missing here from now on. `led` is what is known besides of a leadership
        that came to be, this one or another.

        Raises:
            FencedError: the epoch is over, or belongs to another server.
            ClewError: it could not be made durable.
        """
        with self._lock:
            known = self._document
            if epoch < known.epoch or (epoch == known.epoch and leader != known.leader):
                raise FencedError(epoch, known.epoch, known.leader_url)
            led_epoch, led_by = max(_find_led(known), led, key=lambda each: each[0])
            if epoch == known.epoch and url == known.leader_url and led_epoch == known.led_epoch:
                return False
            most = known.required_most
            if required is None or epoch == known.epoch:
                required = known.required
            else:
                most = max(required, known.required or 0, most or 0)
                required = required if known.required is None else min(required, known.required)
            self._write(
                msgspec.structs.replace(
                    known,
                    epoch=epoch,
                    leader=leader,
                    leader_url=url,
                    required=required,
                    required_most=most,
                    led_epoch=led_epoch,
                    led_by=led_by,
                )
            )
            return epoch > known.epoch

    def lead(self, epoch: int, url: str | None = None, required: int | None = None) -> None:
        """Begin a leadership of this server's own. `url` is where others reach it.

        `required` is how many standbys it will have each record wait for. It may be set to another
        number when it is started anew, and what others go by meanwhile is this one.

        Raises:
            FencedError: the epoch is not larger than the newest known.
            ClewError: it could not be made durable.
        """
        with self._lock:
            known = self._document
            if not known.epoch < epoch <= EPOCH_MAX:
                raise FencedError(epoch, known.epoch, known.leader_url)
            self._write(
                msgspec.structs.replace(
                    known,
                    epoch=epoch,
                    leader=known.node_id,
                    leader_url=url,
                    group=known.group or new_uuid(time.time_ns()),
                    required=required,
                    required_most=None,
                    led_epoch=epoch,
                    led_by=known.node_id,
                )
            )

    def note_start(self, epoch: int, first: int) -> None:
        """Remember that frames from `first` on are of an epoch. Before the first is written.

        Of an epoch that is noted already nothing changes; the oldest are forgotten past
        `STARTS_MAX`.

        Raises:
            ClewError: it could not be made durable.
        """
        with self._lock:
            known = self._document
            if known.starts and known.starts[-1][0] >= epoch:
                return
            # An epoch that nothing was written in leaves no trace.
            before = tuple(start for start in known.starts if start[1] < first)
            starts = (*before, (epoch, first))[-STARTS_MAX:]
            self._write(msgspec.structs.replace(known, starts=starts))

    def cut_off(self, after: int) -> None:
        """Forget the epochs that began after a number, as the log was cut off there.

        Raises:
            ClewError: it could not be made durable.
        """
        with self._lock:
            known = self._document
            starts = tuple(start for start in known.starts if start[1] <= after)
            if starts != known.starts:
                self._write(msgspec.structs.replace(known, starts=starts))

    def note_required(self, required: int) -> None:
        """Remember `required`; what is known already costs nothing.

        Raises:
            ClewError: it could not be made durable.
        """
        with self._lock:
            known = self._document
            # Whoever leads has asked so many that nobody goes by what was before.
            most = None if required else known.required_most
            if (required, most) != (known.required, known.required_most):
                self._write(msgspec.structs.replace(known, required=required, required_most=most))

    def join(self, group: str) -> None:
        """Belong to the servers of a group from now on; what they acknowledged may not be here yet.

        Raises:
            ClewError: it could not be made durable.
        """
        with self._lock:
            if group != self._document.group:
                self._write(msgspec.structs.replace(self._document, group=group, required=0))

    def begin(self, starts: Starts, group: str | None) -> None:
        """Take over the epochs of a snapshot's log, and the group that it is of.

        Raises:
            ClewError: it could not be made durable.
        """
        with self._lock:
            self._write(
                msgspec.structs.replace(self._document, starts=starts, group=group, required=0)
            )

    def _write(self, document: _Document) -> None:
        """Make a document durable, then what is known."""
        path = self._folder / FILE_NAME
        fresh = path.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(msgspec.json.format(msgspec.json.encode(document), indent=1))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            fresh.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise storage_error(error, f"cannot write {path}", self._folder) from error
        self._document = document


def _find_led(document: _Document) -> Led:
    if document.led_epoch is None:
        # A version that noted no such thing wrote this, or nothing was known yet.
        return (document.epoch, document.leader)
    return (document.led_epoch, document.led_by)
