"""The connection that writes, on a server of a group: what it commits is told to the log first.

Theory of operation. On the leader, each group of writes is gathered as statements while it runs.
Before COMMIT the payload goes to the log; when it has a number (it is on disk here and on as many
standbys as was promised) that number is written to the registry's own row and the transaction is
committed. On a standby, and on a server that is opened, changes come from the log in its order and
are applied with their numbers, each once.

What can come between:

===============================================  ===============================================
the log does not take it                         the group is undone; its callers are told why
nobody knows whether the log has it              the group is undone, its callers are told so, and
                                                 nothing is written until it is known: the next
                                                 change would be made without it
the log has it, and COMMIT fails                 it is applied from the payload, at once or as soon
                                                 as the disk takes it, before anything else; where
                                                 that is not at once, its callers are told that the
                                                 outcome is not known
the process ends between the two                 it is in the log: the next opening applies it
===============================================  ===============================================

A change that does not fit (a gap, rows of another origin, tables of other steps, a statement that
is refused) ends it all: nothing is applied any more until the registry is put in place anew.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.applied import (
    read_mark,
    read_schemas,
    write_number,
)
from clew.store.database.changes import (
    Changes,
    ChangesDraft,
    Mark,
    decode_changes,
)
from clew.store.database.contract import OutcomeUnknownError
from clew.store.database.session import RecordingSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from clew.store.database.session import SqliteWriting

    Record = Callable[[bytes], Future[int]]
    """Gives a payload to the log; the future holds its number once it is acknowledged."""

logger = logging.getLogger(__name__)

PAYLOAD_BYTES: Final = 4 << 20
"""A group is cut between two writes behind this much: as long as a megabyte takes over a network of
a hundred megabits, a caller waits for others' writes."""

WRITE_BYTES_MAX: Final = 48 << 20
"""The largest single write: with a group before it, it fits into a frame of the log (64 MiB)."""

RECORD_S_MAX: Final = 60.0
"""When the log's word is not waited for any longer: it says itself much sooner what it knows."""

APPLY_TOGETHER: Final = 64
"""Changes that are applied in one transaction, so that who catches up does not sync for each."""

WAITING_MAX: Final = 500
"""Changes of the log that wait to be applied; half of what the writer's queue holds."""

RETRY_MS: Final = 1000
"""When to try again what waits for standbys or for a disk."""

_UNKNOWN_HINT: Final = (
    "look whether it was done before you send it again; what has an id of your own counts once"
)

_COPY_HINT: Final = "give this server a new copy of the leader's registry: empty its data folder"


class RecordRefusedError(Exception):
    """The log, or a change from it, stands in the way of a write.

    `is_passing` says that the registry itself is well.
    """

    def __init__(self, error: ClewError, *, is_passing: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_passing = is_passing

    def explained(self) -> ClewError:
        """Return the error of the product, a new one each time."""
        error = self.error
        return type(error)(
            error.code, error.message, hint=error.hint, retry_after_ms=error.retry_after_ms
        )


@dataclass(frozen=True, slots=True)
class _Undecided:
    """A change that the log may have: its number or its future, where there is one."""

    payload: bytes
    number: int | None = None
    future: Future[int] | None = None


class Recording:
    """Implements `clew.store.database.writer.WritingConnection`. Follows until it is told to lead.

    `apply` and `watch` from any thread, the rest from the thread that writes.
    """

    refusals: tuple[type[Exception], ...] = (sqlite3.Error, RecordRefusedError)

    def __init__(self, inner: SqliteWriting, connection: sqlite3.Connection, path: Path) -> None:
        """Write over a connection whose registry has joined its group and has its schemas."""
        self._inner = inner
        self._connection = connection
        self._path = path
        self._schemas = read_schemas(connection)
        self._at = read_mark(connection)
        self._record: Record | None = None
        self._session = RecordingSession(connection, ChangesDraft())
        # What the log has and this registry has not yet, in order.
        self._pending: deque[tuple[int, bytes]] = deque()
        self._drained = threading.Condition()
        self._is_closing = False
        # What the log may have or not.
        self._undecided: list[_Undecided] = []
        self._broken: ClewError | None = None
        self._listeners: list[tuple[frozenset[str], Callable[[], None]]] = []

    @property
    def session(self) -> RecordingSession:
        """What a write gets to see."""
        return self._session

    @property
    def is_open(self) -> bool:
        """Whether a transaction is under way."""
        return self._inner.is_open

    @property
    def reconnections(self) -> int:
        """A file is never lost."""
        return 0

    @property
    def has_room(self) -> bool:
        """Whether another write may join the transaction."""
        return self._session.draft.size < PAYLOAD_BYTES

    @property
    def leads(self) -> bool:
        """Whether writes are taken here."""
        return self._record is not None

    @property
    def at(self) -> Mark:
        """Where the registry is, on disk."""
        return self._at

    @property
    def broken(self) -> ClewError | None:
        """Why nothing from the log is applied any more."""
        return self._broken

    def lead(self, record: Record, tail: Iterable[tuple[int, bytes]] = ()) -> None:
        """Take writes from now on, and give each group to the log first.

        `tail` are changes that stand in the log and may not be acknowledged yet: nothing is written
        before all of them came by `take`.
        """
        self._undecided = [_Undecided(payload, number) for number, payload in tail]
        self._record = record

    def take(self, number: int, payload: bytes) -> None:
        """Have a change from the log applied before the next transaction begins.

        From any thread; blocks while too many wait.

        Raises:
            ClewError: nothing is applied any more.
        """
        with self._drained:
            self._drained.wait_for(
                lambda: self._is_closing or self._broken or len(self._pending) < WAITING_MAX
            )
            if self._broken is not None:
                raise RecordRefusedError(self._broken).explained()
            if self._is_closing:
                raise ClewError(ErrorCode.UNAVAILABLE, "the registry is closed")
            self._pending.append((number, payload))

    def refuse_more(self) -> None:
        """Take nothing more from the log."""
        with self._drained:
            self._is_closing = True
            self._drained.notify_all()

    def catch_up(self, changes: Iterable[tuple[int, bytes]]) -> None:
        """Apply changes at once, before there is a thread that writes.

        Raises:
            ClewError: one of them does not fit.
            sqlite3.Error: the registry cannot be written.
        """
        try:
            for number, payload in changes:
                self._pending.append((number, payload))
                if len(self._pending) >= APPLY_TOGETHER:
                    self._catch_up()
            self._catch_up()
        except RecordRefusedError as error:
            raise error.error from error

    def watch(self, tables: Iterable[str], listener: Callable[[], None]) -> None:
        """Call `listener`, in the thread that writes, when changes from the log came to tables."""
        self._listeners.append((frozenset(tables), listener))

    def begin(self) -> None:
        """Apply what the log has, then begin a transaction.

        Raises:
            RecordRefusedError: what the log has does not fit, or it is not known yet whether it has
                a change that would come first.
        """
        self._undecided = [each for each in self._undecided if not self._is_decided(each)]
        self._catch_up()
        if self._undecided:
            raise RecordRefusedError(
                ClewError(
                    ErrorCode.UNAVAILABLE,
                    "an earlier change of the registry waits for the other servers",
                    hint="see that the standbys run and are reached",
                    retry_after_ms=RETRY_MS,
                )
            )
        self._session.begin(ChangesDraft())
        self._inner.begin()

    def mark(self) -> None:
        """Begin what `undo` takes back and `keep` keeps."""
        self._session.refusal = None
        self._inner.mark()

    def keep(self) -> None:
        """Keep what was done since `mark`; refused when a statement of it was, heeded or not."""
        session = self._session
        if session.refusal is not None:
            raise session.refusal
        size = session.draft.keep()
        if size > WRITE_BYTES_MAX:
            session.draft.take_back(size)
            raise RecordRefusedError(
                ClewError(
                    ErrorCode.TOO_LARGE,
                    f"one write of {size} bytes does not fit into the log",
                    hint=f"write at most {WRITE_BYTES_MAX} bytes at once",
                ),
                is_passing=True,
            )
        self._inner.keep()

    def undo(self) -> None:
        """Take back what was done since `mark`."""
        self._session.refusal = None
        self._session.draft.drop()
        self._inner.undo()

    def probe(self) -> None:
        """Change a page, which must then reach the disk. No other server hears of it."""
        self._inner.probe()

    def commit(self) -> None:
        """Give the group to the log, then make it durable here.

        Raises:
            RecordRefusedError: the log did not take it, or nobody knows, or it is in the log and
                not here yet.
            sqlite3.Error: the registry refused a group that changed nothing to be told.
        """
        draft = self._session.draft
        if not draft:
            self._inner.commit()
            return
        payload = draft.encode(self._at, self._schemas)
        number = self._tell_log(payload)
        if number <= self._at.number:
            # Every registry of the group takes it for one that it has.
            self._broken = ClewError(
                ErrorCode.CONFLICT,
                f"the log gave a change the number {number}, and this registry is at"
                f" {self._at.number}: it is not the log that belongs to it",
                hint=_COPY_HINT,
            )
            raise RecordRefusedError(self._broken)
        try:
            write_number(self._connection, number)
            self._inner.commit()
        except sqlite3.Error as error:
            logger.warning("change %d is in the log and could not be committed: %s", number, error)
            self._inner.abandon()
            self._pending.append((number, payload))
            self._apply_late()
        else:
            self._at = Mark(number, self._at.origin)

    def abandon(self) -> None:
        """Take back the transaction when there is one."""
        self._session.begin(ChangesDraft())
        self._inner.abandon()

    def is_lost(self, _error: Exception) -> bool:
        """A file is never lost."""
        return False

    def is_passing(self, error: Exception) -> bool:
        """Whether a refusal says nothing of the registry itself."""
        return isinstance(error, RecordRefusedError) and error.is_passing

    def explain(self, error: Exception) -> ClewError:
        """Return what a refusal means to a caller."""
        if isinstance(error, RecordRefusedError):
            return error.explained()
        return self._inner.explain(error)

    def _tell_log(self, payload: bytes) -> int:
        assert self._record is not None, "who follows takes no writes"
        future: Future[int] | None = None
        try:
            future = self._record(payload)
            return future.result(RECORD_S_MAX)
        except OutcomeUnknownError as error:
            self._undecided.append(_Undecided(payload))
            # Bodies of telemetry are told apart by the log; what asks for a commit is not.
            told = OutcomeUnknownError(
                error.code, error.message, hint=_UNKNOWN_HINT, retry_after_ms=error.retry_after_ms
            )
            raise RecordRefusedError(told) from error
        except ClewError as error:
            raise RecordRefusedError(error, is_passing=True) from error
        except (TimeoutError, CancelledError) as error:
            self._undecided.append(_Undecided(payload, future=future))
            raise RecordRefusedError(
                OutcomeUnknownError(
                    ErrorCode.UNAVAILABLE,
                    "the log does not say whether it has a change of the registry",
                    hint="read before writing again",
                    retry_after_ms=RETRY_MS,
                )
            ) from error

    def _apply_late(self) -> None:
        """Apply what was recorded and could not be committed, now that the transaction is over."""
        try:
            self._catch_up()
        except (sqlite3.Error, RecordRefusedError) as error:
            why = self.explain(error)
            raise RecordRefusedError(
                OutcomeUnknownError(
                    ErrorCode.UNAVAILABLE,
                    "the change is in the log, and is applied as soon as the registry can be"
                    f" written: {why.message}",
                    hint=why.hint,
                    retry_after_ms=RETRY_MS,
                )
            ) from error

    def _is_decided(self, change: _Undecided) -> bool:
        """Whether a change came from the log, or never will; one that the future tells is taken."""
        if change.number is not None and change.number <= self._at.number:
            return True
        if any(change.payload == payload for _, payload in tuple(self._pending)):
            return True
        if change.future is None or not change.future.done():
            return False
        try:
            number = change.future.result(0)
        except (OutcomeUnknownError, CancelledError):
            return False
        except ClewError:
            # It never came into the log.
            return True
        self._pending.append((number, change.payload))
        return True

    def _catch_up(self) -> None:
        """Apply all that waits, a few at a time, each once.

        Raises:
            RecordRefusedError: one of them does not fit; nothing is applied from now on.
            sqlite3.Error: the registry cannot be written; it all waits still.
        """
        while self._pending and self._broken is None:
            batch = [self._pending[each] for each in range(min(len(self._pending), APPLY_TOGETHER))]
            self._inner.begin()
            try:
                tables = self._apply_batch(batch)
            except BaseException:
                self._inner.abandon()
                raise
            with self._drained:
                for _ in batch:
                    self._pending.popleft()
                self._drained.notify_all()
            self._tell(tables)
        if self._broken is not None:
            raise RecordRefusedError(self._broken)

    def _apply_batch(self, batch: Sequence[tuple[int, bytes]]) -> frozenset[str]:
        """Apply changes and commit; those before the first that does not fit are kept."""
        at, tables = self._at, frozenset[str]()
        for number, payload in batch:
            if number <= at.number:
                continue
            self._inner.mark()
            try:
                changes = decode_changes(payload)
                self._check_fit(changes, at, number)
                self._run(changes)
            except (ClewError, ValueError, sqlite3.Error) as error:
                self._broken = self._find_misfit(error, number)
                self._inner.undo()
                break
            self._inner.keep()
            at = Mark(number, at.origin)
            tables |= changes.tables
        if at.number > self._at.number:
            write_number(self._connection, at.number)
        self._inner.commit()
        self._at = at
        return tables

    def _run(self, changes: Changes) -> None:
        for statement in changes.statements:
            if len(statement.rows) == 1:
                (parameters,) = statement.parameters()
                self._connection.execute(statement.sql, parameters).fetchall()
            else:
                self._connection.executemany(statement.sql, statement.parameters())

    def _check_fit(self, changes: Changes, at: Mark, number: int) -> None:
        """Raise unless a change continues what is here."""
        if changes.schemas != self._schemas:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"change {number} of the registry was made with other tables:"
                f" {_name_difference(changes.schemas, self._schemas)}",
                hint="all servers of a group run the same clew: upgrade the older one",
            )
        if changes.after.origin != at.origin:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"change {number} continues another registry than the one that is here",
                hint=_COPY_HINT,
            )
        if changes.after.number != at.number:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"change {number} follows change {changes.after.number}, and this registry is at"
                f" {at.number}",
                hint=_COPY_HINT,
            )

    def _find_misfit(self, error: Exception, number: int) -> ClewError:
        """Return why a change does not fit; raise what the machine refused, which may pass."""
        if isinstance(error, ClewError):
            found = error
        else:
            said = str(error)
            if isinstance(error, sqlite3.Error):
                explained = self._inner.explain(error)
                if explained.code is not ErrorCode.INTERNAL:
                    raise error
            found = ClewError(
                ErrorCode.CONFLICT,
                f"change {number} does not fit the registry that is here: {said}",
                hint=_COPY_HINT,
            )
        logger.error("the registry does not follow the log any more: %s", found.message)
        return found

    def _tell(self, tables: frozenset[str]) -> None:
        for watched, listener in self._listeners:
            if watched & tables:
                try:
                    listener()
                except ClewError as error:
                    logger.warning("what is kept in memory was not read anew: %s", error.message)


def _name_difference(theirs: str, ours: str) -> str:
    """Return in which schemas two servers differ."""
    there, here = _steps(theirs), _steps(ours)
    return ", ".join(
        f"{name} is at step {there.get(name, 0)} there and {here.get(name, 0)} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    )


def _steps(schemas: str) -> dict[str, int]:
    pairs = (each.rpartition("=") for each in schemas.split())
    return {name: int(step) for name, _, step in pairs}
