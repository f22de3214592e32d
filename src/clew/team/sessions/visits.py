"""Which sessions are open, and what is looked at meanwhile, written down beside the requests.

Theory of operation. A look costs its request a dictionary: which of the caller's sessions is open
is known in memory, what was seen gathers there by what it is, and one thread writes it, a second
after the first new look; what is merely still looked at (a page that asks every few seconds) a
minute later. A crash loses that much of the looks and nothing else. Nothing here ever fails or
holds up a request: what the registry does not take waits for the next try, and what there is no
room for is counted.

The thread lives from the first look on, so that a server without sessions has none.
"""

from __future__ import annotations

import functools
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.team.sessions.keeping import FORGOTTEN_NS, SAME_LOOK_NS, Seen, write_seen
from clew.team.sessions.parameters import AGENT, LINKS_MAX, OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Reading, Transaction
    from clew.team.sessions.targets import Visit

logger = logging.getLogger(__name__)

GATHER_S: Final = 1.0
"""How long looks gather: one commit then keeps them all, and nobody waits for it."""

TOUCH_S: Final = 60.0
"""How long it may take until it is kept that something is still looked at."""

PENDING_MAX: Final = 5000
"""Different things that wait to be written: 5 MB, and what a hundred agents look at in a minute."""

_Key = tuple[str, str, str]


@dataclass(slots=True)
class OpenSession:
    """A session that is open. `seen` is when what was looked at was seen last."""

    id: str
    owner: str
    kind: str
    active_at: int
    seen: dict[tuple[str, str], int] = field(default_factory=dict)


class Visits:
    """What is looked at in the sessions that are open. From any thread.

    `now` gives Unix nanoseconds. `dropped` counts looks for which there was no room in memory.
    Where it `follows`, another server writes: it knows which sessions are open there, and nothing
    that is looked at here is kept.
    """

    def __init__(
        self, database: Database, now: Callable[[], int], *, follows: bool = False
    ) -> None:
        self.dropped = 0
        self.follows = follows
        self._database = database
        self._now = now
        self._open: dict[str, OpenSession] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._pending: dict[_Key, Seen] = {}
        self._flying: Future[None] | None = None
        self._is_new = False
        self._is_closing = False
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None

    def load(self, reading: Reading) -> None:
        """Learn which sessions are open."""
        for row in reading.rows(
            "SELECT id, owner, kind, active_at FROM sessions WHERE ended_at IS NULL"
        ):
            self.learn(OpenSession(row["id"], row["owner"], row["kind"], row["active_at"]))

    def read_anew(self) -> None:
        """Learn anew which sessions are open, from what another server has written."""
        with self._condition:
            self._open.clear()
            self._places.clear()
            self._database.read(self.load)

    def learn(self, session: OpenSession) -> None:
        """Learn that a session was started: the one of its owner and kind, or one beside."""
        with self._condition:
            if session.kind != "beside":
                before = self._places.get((session.owner, session.kind))
                if before is not None:
                    self._open.pop(before, None)
                self._places[session.owner, session.kind] = session.id
            self._open[session.id] = session

    def forget(self, session_id: str) -> None:
        """Learn that a session has ended."""
        with self._condition:
            gone = self._open.pop(session_id, None)
            if gone is not None and self._places.get((gone.owner, gone.kind)) == session_id:
                del self._places[gone.owner, gone.kind]

    def touch(self, session_id: str) -> None:
        """Learn that something was done in a session that did not come this way."""
        with self._condition:
            session = self._open.get(session_id)
            if session is not None:
                session.active_at = max(session.active_at, self._now())

    def find(self, by: Caller, choice: str | None, *, strictly: bool = False) -> str | None:
        """Return the session that what somebody asks belongs to, None where to none.

        `strictly` an agent has its own alone: what it looks at may belong to whoever sent it, but
        their session is not the agent's to end.
        """
        if not self._open:
            # Every answer asks, and most servers have no session open.
            return None
        with self._condition:
            found = self._find(by.subject, choice)
            if strictly and choice == AGENT and found is not None and found.kind != AGENT:
                return None
            return None if found is None else found.id

    def is_any_due(self) -> bool:
        """Tell whether a session that is open by what is written has been forgotten."""
        before = self._now() - FORGOTTEN_NS
        with self._condition:
            return any(each.active_at <= before for each in self._open.values())

    def see(self, by: Caller, choice: str | None, visits: Sequence[Visit]) -> None:
        """Remember what somebody looked at, if that belongs to a session."""
        if self.follows:
            return
        with self._condition:
            session = self._find(by.subject, choice)
            if session is None or self._is_closing:
                return
            now = self._now()
            for visit in visits:
                self._see(session, visit, now)
            if self._is_new:
                self._condition.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._write_on, name="clew-visits", daemon=True
                )
                self._thread.start()

    def submit(self) -> Future[None] | None:
        """Have everything written that was seen; the future is done when it is kept.

        None where nothing is to be written, or the registry takes nothing at present.
        """
        with self._condition:
            batch, self._pending = self._pending, {}
            self._is_new = False
            if not batch:
                return self._flying
            try:
                flying = self._database.submit(functools.partial(_write, batch))
            except ClewError as error:
                self._return(batch, error)
                return None
            self._flying = flying
        flying.add_done_callback(lambda done: self._land(done, batch))
        return flying

    def flush(self) -> None:
        """Block until everything that was seen is kept, or the registry has said no."""
        flying = self.submit()
        if flying is not None:
            flying.exception()

    def close(self) -> None:
        """Write what was seen, and take nothing more; idempotent. Blocks."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _find(self, owner: str, choice: str | None) -> OpenSession | None:
        if not self._open or choice == OFF:
            return None
        session_id: str | None = choice
        if choice is None or choice == AGENT:
            session_id = self._places.get((owner, "own"))
            if choice == AGENT:
                session_id = self._places.get((owner, "agent"), session_id)
        session = None if session_id is None else self._open.get(session_id)
        if session is None or session.owner != owner:
            return None
        return session if session.active_at > self._now() - FORGOTTEN_NS else None

    def _see(self, session: OpenSession, visit: Visit, now: int) -> None:
        thing = (visit.kind, visit.id)
        before = session.seen.get(thing)
        is_look = before is None or now - before > SAME_LOOK_NS
        if before is None and len(session.seen) >= 2 * LINKS_MAX:
            # Whoever looks at that many things has no room for them anyway.
            session.seen.clear()
        session.seen[thing] = now
        key = (session.id, *thing)
        pending = self._pending.get(key)
        if pending is None:
            if len(self._pending) >= PENDING_MAX:
                self.dropped += 1
                return
            pending = self._pending[key] = Seen(visit, now, now, 0, is_new=is_look)
        pending.visit, pending.last_at = visit, now
        if is_look:
            session.active_at = max(session.active_at, now)
            pending.looks += 1
            pending.looked_at = now
            self._is_new = True

    def _write_on(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._is_new or self._is_closing, TOUCH_S)
                # What else is looked at in this moment goes the same way.
                self._condition.wait_for(lambda: self._is_closing, GATHER_S)
                if self._is_closing:
                    return
            self.flush()

    def _land(self, done: Future[None], batch: Mapping[_Key, Seen]) -> None:
        error = done.exception()
        with self._condition:
            if self._flying is done:
                self._flying = None
            if error is not None:
                self._return(batch, error)

    def _return(self, batch: Mapping[_Key, Seen], error: BaseException) -> None:
        """Put back what was not written; the caller has the lock."""
        logger.warning("looks of work sessions are not written yet: %s", error)
        for key, seen in batch.items():
            later = self._pending.get(key)
            if later is not None:
                later.first_at, later.is_new = seen.first_at, seen.is_new
                later.looks += seen.looks
                later.looked_at = max(later.looked_at, seen.looked_at)
            elif len(self._pending) < PENDING_MAX:
                self._pending[key] = seen
            else:
                self.dropped += seen.looks


def _write(batch: Mapping[_Key, Seen], writing: Transaction) -> None:
    by_session: dict[str, list[Seen]] = {}
    for (session_id, _, _), seen in batch.items():
        by_session.setdefault(session_id, []).append(seen)
    for session_id, several in by_session.items():
        write_seen(writing, session_id, several)
