"""The connection that writes: groups in few messages, and no doubt about a commit.

What brackets writes (BEGIN, SAVEPOINT, RELEASE) is sent in one message where the next statement
comes, and the last of it together with COMMIT: a group of n writes of one statement each costs
2 n + 1 questions to the server, and not 3 n + 2.

A connection that is lost before COMMIT was sent took its transaction with it, and the writer tries
the group once more. When it is lost after that, the next connection asks whether the commit is in
the database (`clew.store.database.postgres.lease` says how that is known).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ErrorCode
from clew.store.database.contract import Dialect
from clew.store.database.postgres.failure import Meaning, RefusedError, lost
from clew.store.database.postgres.lease import (
    Mark,
    note_commit,
    read_mark,
    superseded,
    take_lock,
)
from clew.store.database.postgres.link import LinkSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.base.errors import ClewError
    from clew.store.database.contract import Parameters, Transaction, Value
    from clew.store.database.postgres.link import Link

logger = logging.getLogger(__name__)

_MARK: Final = "SAVEPOINT one"
_TRY_EVERY_S: Final = 0.2
"""Between two tries to come back: a server that restarts is gone for a second or so."""

# A weaker setting of the server would answer before the commit is on disk; a stronger one may stay.
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)


class _WriteSession:
    """Implements `Transaction`: sends what is due before each statement, and remembers refusals."""

    def __init__(self, writing: PostgresWriting, link: Link) -> None:
        self._writing = writing
        self._inner = LinkSession(link)

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be."""
        return Dialect.POSTGRES

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        with self._writing.asking():
            return self._inner.rows(sql, parameters)

    def run(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        with self._writing.asking():
            return self._inner.run(sql, parameters)

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        with self._writing.asking():
            return self._inner.run_many(sql, parameters)


class _Asking:
    """What surrounds each statement of a write."""

    def __init__(self, writing: PostgresWriting) -> None:
        self._writing = writing

    def __enter__(self) -> None:
        self._writing.send_due()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RefusedError):
            self._writing.refusal = error


class PostgresWriting:
    """Implements `clew.store.database.writer.WritingConnection`."""

    refusals: type[Exception] = RefusedError

    def __init__(
        self, link: Link, shown: str, mark: Mark, *, lock_s: float, resolve_s: float
    ) -> None:
        """Write over a link that is open and holds the registry's lock."""
        self._link = link
        self._shown = shown
        self._mark = mark
        self._lock_s = lock_s
        self._resolve_s = resolve_s
        self._session = _WriteSession(self, link)
        self._asking = _Asking(self)
        self._is_open = False
        # Whether the last commit may have been written, and nobody could say.
        self._is_in_doubt = False
        # Statements that bracket writes and were not sent yet.
        self._due: list[str] = []
        # Why this write cannot be kept: after an error the server takes nothing but an undo.
        self.refusal: RefusedError | None = None
        self._reconnections = 0
        self._pid = link.pid
        link.rows(_DURABLE, None)

    @property
    def epoch(self) -> int:
        """The number that this server has among all that took the registry."""
        return self._mark.epoch

    @property
    def session(self) -> Transaction:
        """What a write gets to see."""
        return self._session

    @property
    def is_open(self) -> bool:
        """Whether a transaction is under way."""
        return self._is_open

    @property
    def reconnections(self) -> int:
        """How often a lost connection was replaced."""
        return self._reconnections

    @property
    def has_room(self) -> bool:
        """A transaction takes any number of writes."""
        return True

    def begin(self) -> None:
        """Begin a transaction, over a new connection where the old one is gone."""
        if not self._link.is_open:
            mark = self._reconnect()
            known = self._mark.commits
            if mark.commits not in (known, known + self._is_in_doubt):
                # Put back from a backup, or a standby that had not got everything.
                self._link.drop()
                raise superseded(self._shown)
            self._mark, self._is_in_doubt = mark, False
        self._due = ["BEGIN"]
        self._is_open = True

    def mark(self) -> None:
        """Begin what `undo` takes back and `keep` keeps."""
        self.refusal = None
        self._due.append(_MARK)

    def keep(self) -> None:
        """Keep what was done since `mark`; refused when a statement of it was, heeded or not."""
        if self.refusal is not None:
            raise self.refusal
        if self._due and self._due[-1] == _MARK:
            self._due.pop()
        else:
            self._due.append("RELEASE one")

    def undo(self) -> None:
        """Take back what was done since `mark`."""
        self.refusal = None
        if self._due and self._due[-1] == _MARK:
            self._due.pop()
        else:
            self._due += ["ROLLBACK TO one", "RELEASE one"]

    def probe(self) -> None:
        """Nothing: every commit changes the registry's own row."""

    def asking(self) -> _Asking:
        """Return what surrounds a statement of a write."""
        return self._asking

    def send_due(self) -> None:
        """Send what brackets the statement that comes now."""
        if self.refusal is not None:
            # The write went on after a refusal; it is refused the same way again.
            raise self.refusal
        if self._due:
            due, self._due = "; ".join(self._due), []
            try:
                self._link.script(due)
            except RefusedError as error:
                self.refusal = error
                raise

    def commit(self) -> None:
        """Make the transaction durable, or raise and leave nothing of it."""
        number = self._mark.commits + 1
        script = "; ".join([*self._due, note_commit(number), "COMMIT"])
        self._due = []
        try:
            self._link.script(script)
        except RefusedError as error:
            if not error.is_lost:
                raise
            self._resolve(number)
        self._mark = Mark(self._mark.epoch, number)
        self._is_open = False

    def abandon(self) -> None:
        """Take back the transaction when there is one."""
        was_open, self._is_open, self._due, self.refusal = self._is_open, False, [], None
        if was_open and self._link.is_open:
            try:
                self._link.script("ROLLBACK")
            except RefusedError:
                # A connection that is given up takes its transaction with it.
                self._link.drop()

    def is_lost(self, error: Exception) -> bool:
        """Whether a refusal means that the connection is gone and nothing was written."""
        return isinstance(error, RefusedError) and error.is_lost

    def is_passing(self, _error: Exception) -> bool:
        """Whatever refuses one group may refuse the next."""
        return False

    def explain(self, error: Exception) -> ClewError:
        """Return what a refusal means to a caller."""
        assert isinstance(error, RefusedError)
        return error.explained()

    def _resolve(self, number: int) -> None:
        """Find out whether the commit of that number is in the database.

        Raises:
            RefusedError: lost when it is not, unknown when nobody can say.
        """
        logger.warning("the connection to the registry was lost in the middle of a commit")
        deadline = time.monotonic() + self._resolve_s
        while True:
            try:
                mark = self._reconnect()
            except RefusedError as error:
                if error.meaning.retry and time.monotonic() < deadline:
                    threading.Event().wait(_TRY_EVERY_S)
                    continue
                self._is_in_doubt = True
                raise RefusedError(
                    Meaning(
                        ErrorCode.UNAVAILABLE,
                        "the connection to the registry was lost in the middle of a commit, and"
                        " whether it was written is not known",
                        "read before writing again",
                    ),
                    is_unknown=True,
                ) from error
            break
        if mark.commits == number:
            logger.info("the commit was written")
            return
        logger.info("the commit was not written")
        self._is_open = False
        raise lost(self._shown)

    def _reconnect(self) -> Mark:
        """Open the link anew, behind the lock, and return what stands in the registry's row."""
        self._link.open()
        try:
            take_lock(self._link, self._shown, self._lock_s, self._pid)
            mark = read_mark(self._link)
            if mark.epoch != self._mark.epoch:
                raise superseded(self._shown)
            self._link.rows(_DURABLE, None)
        except RefusedError:
            self._link.drop()
            raise
        self._pid = self._link.pid
        self._reconnections += 1
        return mark
