"""What every surface may ask of work sessions, and what they ask of whoever shares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clew.access.caller import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Reading, Transaction
    from clew.team.sessions import parameters as ask
    from clew.team.sessions.documents import (
        ActivityReport,
        Link,
        Note,
        Session,
        SessionList,
    )
    from clew.team.sessions.targets import Visit


class Sessions(Protocol):
    """Work sessions. From any thread, but not on an event loop where a call says that it blocks.

    Every method raises ClewError: INVALID_ARGUMENT for what does not parse, NOT_FOUND for an id
    that is nobody's, FORBIDDEN (with the future) to all but a session's owner and admins, and what
    `clew.store.database.contract.Database` raises. What is wrong with a write in itself is raised
    at once; the rest comes with its future, whose result is durable.

    `choice` is what the header ``x-clew-session`` says: an id, ``off``, ``agent``, or nothing.
    """

    @property
    def looks_dropped(self) -> int:
        """How many looks found no room in memory while the registry took no writes."""
        ...

    def resolve(self, session_id: str, by: Caller, choice: str | None) -> str:
        """Return an id; for ``current`` that of the session which is open. Waits for nobody.

        Raises:
            ClewError: NOT_FOUND when none is.
        """
        ...

    def find_open(self, by: Caller, choice: str | None) -> str | None:
        """Return the session that what somebody asks belongs to, None where to none."""
        ...

    def visit(self, by: Caller, choice: str | None, visits: Sequence[Visit]) -> None:
        """Write down what somebody looked at, soon. Never blocks, and never raises."""
        ...

    def start(self, new: ask.NewSession, by: Caller = LOCAL) -> Future[Session]:
        """Start a session.

        Raises:
            ClewError: CONFLICT (with the future) when one is open, unless it is to be ended.
        """
        ...

    def stop(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """End a session. Ending it again changes nothing."""
        ...

    def change(
        self, session_id: str, change: ask.SessionChange, by: Caller = LOCAL
    ) -> Future[Session]:
        """Give a session another title or plan."""
        ...

    def delete(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """Remove a session with its notes and links, and return what it was. Comments stay.

        Raises:
            ClewError: CONFLICT (with the future) while it is shared.
        """
        ...

    def note(self, session_id: str, note: ask.NewNote, by: Caller = LOCAL) -> Future[Note]:
        """Keep what was found out, of an ended session too.

        Raises:
            ClewError: TOO_LARGE (with the future) when the session has all the notes it may have.
        """
        ...

    def delete_note(self, session_id: str, note_id: str, by: Caller = LOCAL) -> Future[Note]:
        """Remove a note and return what it was; a comment is removed where it was made."""
        ...

    def link(self, session_id: str, target: ask.Target, by: Caller = LOCAL) -> Future[Link]:
        """Link something by hand, as if it had been looked at.

        Raises:
            ClewError: TOO_LARGE (with the future) when there is no room for one more.
        """
        ...

    def delete_link(
        self, session_id: str, kind: str, link_id: str, by: Caller = LOCAL
    ) -> Future[Link]:
        """Remove a link and return what it was."""
        ...

    def get(self, session_id: str) -> Session:
        """Return one session with everything that was looked at so far. Blocks."""
        ...

    def find(self, query: ask.SessionQuery, by: Caller = LOCAL) -> SessionList:
        """Return one page of matching sessions. Blocks."""
        ...

    def activity(self, query: ask.ActivityQuery, by: Caller = LOCAL) -> ActivityReport:
        """Return what everybody did in a time range. Blocks."""
        ...


class SessionSharing(Protocol):
    """Whoever shares sessions with a team. Asked in the transactions of sessions."""

    def shared(self, reading: Reading, session_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these sessions that are shared with any team."""
        ...

    def changed(self, writing: Transaction, session_id: str) -> None:
        """Learn that a session was ended, renamed, planned, or has a finding more or less.

        What this writes is kept if the change is. Visits alone are not told of.
        """
        ...


class NothingShared:
    """Implements `SessionSharing` where there is no team."""

    def shared(self, _reading: Reading, _session_ids: Sequence[str]) -> frozenset[str]:
        """Return none."""
        return frozenset()

    def changed(self, _writing: Transaction, _session_id: str) -> None:
        """Do nothing."""
