"""The way to one shard: connections to its servers, and which of them a question goes to.

A shard may be a group of servers (`clew.remote.members`). A question goes on to another of them
within its own time, where the one that was asked is not there, is about to open its doors, or turns
out not to lead any more: it may be asked twice. What is written goes to the one that leads, and to
another only where it is certain that nothing was done.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import BEGINNING, LEADER, OPENING, STANDBY, UNSURE
from clew.remote.failures import NotSentError
from clew.remote.http import Server
from clew.remote.looks import Heard
from clew.remote.members import GRACE_SECONDS, Members, OpeningError
from clew.remote.problems import NoSuchAddressError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.base.gathering import Shard
    from clew.remote.choice import Choice

T = TypeVar("T")

logger = logging.getLogger(__name__)

LEFT_OUT_S: Final = 5.0
"""How long a shard that let a deadline pass is not asked: a restart takes about as long."""

SLOW_S: Final = 1.0
"""Who is found not to be there after so long is left out as well: a machine that is switched off
lets the time for a connection pass, which is shorter than that for an answer."""

READ_SHARE: Final = 2.0
"""How long a connection may be silent, of the time for an answer: longer, so that whoever waits for
the answer gives it up, and it is known that the deadline has passed."""

FIND_SHARE: Final = 0.2
"""How long a server of a group may take to say what it is, of the time for an answer: two seconds
where nothing else is said, and whoever is busy answers in a tenth of that."""

IDLE_MAX: Final = 16
"""Connections that are kept to one shard, as many as it has clients of its engine."""

ANSWER_BYTES_MAX: Final = 544 << 20
"""Of one answer: what a shard gives at most (`clew.store.engine.foreign`), and some for its head.
Whatever has the address of a shard and sends more is not let fill this server's memory."""

TELL_EVERY_S: Final = 60.0
"""A shard that comes and goes is told of so often at most."""

OPENING_SHARE: Final = 0.3
OPENING_S: Final = 0.1
"""How long a server that is about to open its doors is waited for, of the time for an answer, and
how often it is looked at: in a group of two nobody else is there while one begins to lead."""

TURNS_MAX: Final = 4
"""Servers that one question goes to, one after the other: each time somebody may have begun to
lead, or ended, since it was found out."""


def left_out() -> ClewError:
    """Return the error for what is not asked of a shard, since that let a deadline pass."""
    return ClewError(
        ErrorCode.TIMEOUT,
        f"it did not answer a moment ago, and is asked again after {LEFT_OUT_S:g} s",
    )


class Asking:
    """One question to one shard, which whoever waits for it may give up, or have go elsewhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._url = ""
        self._is_passed_on = False
        self._given_up = threading.Event()
        self.has_begun = False
        self.is_of_standby = False
        """Whether what came is the answer of a server of an unsure role."""

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any longer."""
        return self._given_up.is_set()

    def wait_given_up(self, seconds: float) -> bool:
        """Wait for some seconds, or until nobody waits any longer; return whether that is so."""
        return self._given_up.wait(seconds)

    @property
    def url(self) -> str | None:
        """Who is being asked, None where nobody is at the moment."""
        with self._lock:
            return None if self._server is None else self._url

    def begin(self, server: Server, url: str) -> None:
        """Say over which connection it is asked, and whom.

        Raises:
            ClewError: TIMEOUT when nobody waits for it any longer.
        """
        with self._lock:
            self.has_begun = True
            if self.is_given_up:
                raise ClewError(ErrorCode.TIMEOUT, "nobody waits for the answer")
            self._server, self._url = server, url
            self._is_passed_on = False

    def end(self) -> bool:
        """Say that the connection is somebody else's from here on; return whether it is sound."""
        with self._lock:
            self._server = None
            return not (self.is_given_up or self._is_passed_on)

    @property
    def is_passed_on(self) -> bool:
        """Whether the last one that was asked is to be left for another."""
        return self._is_passed_on

    def give_up(self) -> None:
        """Break it off; from any thread."""
        with self._lock:
            self._given_up.set()
            if self._server is not None:
                self._server.abort()

    def pass_on(self, url: str) -> None:
        """Leave a server for another one of its group, if it is still being asked."""
        with self._lock:
            if self._server is not None and self._url == url:
                self._is_passed_on = True
                self._server.abort()


class Line:
    """The connections to one shard. For use by any thread."""

    def __init__(
        self,
        shard: Shard,
        api_key: str | None,
        timeout_s: float,
        spawn: Callable[[Callable[[], object]], object],
        grace_s: float = GRACE_SECONDS,
    ) -> None:
        """Prepare; `spawn` has something done on another thread, `grace_s` is as in `Members`."""
        self.shard = shard
        self._api_key = api_key
        self._timeout_s = timeout_s
        self.members = Members(shard, self._open, spawn, timeout_s * FIND_SHARE, grace_s)
        self._lock = threading.Lock()
        self._idle: list[tuple[str | None, str, Server]] = []
        self._is_closed = False
        self._left_out_until = 0.0
        self._is_silent = False
        self._is_told = False
        self._tell_again_at = float("-inf")
        self.lack: NoSuchAddressError | None = None
        """What a server of the shard was asked for last that it does not know, None for nothing."""

    @property
    def is_left_out(self) -> bool:
        """Whether the shard let a deadline pass a moment ago."""
        return time.monotonic() < self._left_out_until

    def leave_out(self) -> None:
        """Do not ask the shard for some seconds."""
        self._left_out_until = time.monotonic() + LEFT_OUT_S

    def hear_silence(self) -> None:
        """Take note that whoever was asked let the deadline pass."""
        if not self.members.is_group or self._is_silent:
            self.leave_out()
        else:
            # Another one may be there the next time.
            self._is_silent = True
            self.hear_loss()

    def hear(self, missed: ClewError | None) -> None:
        """Say on the log that the shard does not answer, or does again; not for each question."""
        now = time.monotonic()
        with self._lock:
            if self._is_told == (missed is not None) or (missed and now < self._tell_again_at):
                return
            self._is_told = missed is not None
            self._tell_again_at = now + TELL_EVERY_S
        if missed is None:
            logger.info("shard %s answers again", self.shard.name)
        else:
            logger.warning(
                "shard %s does not answer, so answers lack what it has: %s%s",
                self.shard.name,
                missed.message,
                f"; {missed.hint}" if missed.hint and not missed.retry_after_ms else "",
            )

    def ask(self, call: Callable[[Server], T], key: str | None, asking: Asking) -> T:
        """Return what a question gives; `key` is shown where there is none for all.

        Raises:
            ClewError: what the shard says, or why nobody of it answers.
        """
        shown = self._api_key or key
        began = time.monotonic()
        try:
            answer = self._ask_in_turn(call, shown, asking)
        except ClewError as error:
            is_slow = time.monotonic() - began >= SLOW_S
            # One that is about to open its doors is there in a moment.
            is_away = error.code is ErrorCode.UNAVAILABLE and not isinstance(error, OpeningError)
            if is_slow and is_away:
                self.leave_out()
            raise
        self._left_out_until = 0.0
        self._is_silent = False
        return answer

    def write(self, call: Callable[[Server], T], key: str | None, asking: Asking) -> T:
        """Return what the server that leads answers to what is written; it is done once at most.

        Raises:
            ClewError: what the server says; UNAVAILABLE where none leads.
        """
        shown = self._api_key or key
        turns = TURNS_MAX if self.members.is_group else 1
        while True:
            choice = self._pick(shown, asking, must_lead=self.members.is_group)
            turns -= 1
            role, result = self._ask_one(choice, call, shown, asking)
            if not isinstance(result, ClewError):
                return result
            is_undone = isinstance(result, NotSentError) or role in (STANDBY, OPENING)
            if is_undone or result.code in (ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT):
                self.members.doubt(choice)
            if not is_undone or not turns:
                raise result

    def look(self, key: str | None, seconds: float) -> dict[str, Heard]:
        """Return what each server of the shard says of itself within some seconds."""
        if self.is_left_out and not self.members.is_group:
            return dict.fromkeys(self.shard.urls, Heard(left_out(), 0.0))
        return self.members.ask_all(self._api_key or key, seconds)

    def hear_loss(self) -> None:
        """Take note that whoever was asked of a group may be gone."""
        if (choice := self.members.choice) is not None:
            self.members.doubt(choice)

    def look_after(self, asking: Asking, key: str | None) -> None:
        """Have a question go on to another server where the one that it is at has gone silent."""
        url = asking.url
        if url is not None and self.members.is_silent(url, self._api_key or key):
            asking.pass_on(url)

    def connect(self, key: str | None, read_timeout_s: float) -> Server:
        """Return a connection of the caller's own, to the server that questions go to.

        Raises:
            ClewError: no server of the shard can be asked.
        """
        choice = self.members.pick(self._api_key or key)
        return self._open(choice.url, self._api_key or key, read_timeout_s)

    def is_unsure(self, server: Server) -> bool:
        """Return whether who `connect` led to may not show what was acknowledged last."""
        choice = self.members.choice
        is_deposed = choice is not None and choice.is_deposed and choice.url == server.url
        return is_deposed or server.role in UNSURE

    def is_outdone(self, server: Server, since: float, key: str | None) -> bool:
        """Return whether `connect` would lead to a server that is surer than this one.

        That is another one that leads, where this one is a standby, or the same, where it had just
        begun to lead. `since` is when it said what it is, by the monotonic clock.
        """
        if not self.members.is_group:
            return False
        choice = self.members.choice
        if server.role != STANDBY:
            is_newer = choice is not None and choice.asked_at > since
            if server.role == BEGINNING and is_newer and self._is_sure_of(choice, server.url):
                return True
            # Whoever hears of another one that leads leaves this one (`Members.moves`).
            self.members.find_beside(self._api_key or key)
            return False
        if choice is not None and choice.leads and choice.url == server.url:
            self.members.doubt(choice)
            choice = None
        if choice is None or not choice.leads:
            self.members.find_beside(self._api_key or key)
            return False
        return True

    @staticmethod
    def _is_sure_of(choice: Choice | None, url: str) -> bool:
        """Return whether it is this server that leads, and shows all that was acknowledged."""
        return choice is not None and choice.leads and (choice.url, choice.role) == (url, LEADER)

    def _ask_in_turn(self, call: Callable[[Server], T], key: str | None, asking: Asking) -> T:
        """Ask one server after the other, as long as it may be another one that answers."""
        turns = TURNS_MAX if self.members.is_group else 1
        while True:
            choice = self._pick(key, asking)
            turns -= 1
            role, result = self._ask_one(choice, call, key, asking)
            error = result if isinstance(result, ClewError) else None
            # It led when it was found, and may lack what another one has taken in since.
            is_outdone = role == STANDBY and choice.leads
            # What says that it leads, or follows, has answered, whatever it says.
            is_away = (
                error is not None
                and error.code is ErrorCode.UNAVAILABLE
                and role in (None, OPENING)
            )
            is_left = error is not None and asking.is_passed_on
            if not turns or not (is_outdone or is_away or is_left):
                asking.is_of_standby = role in UNSURE or choice.is_deposed
                if isinstance(result, ClewError):
                    raise result
                return result
            self.members.doubt(choice)

    def _pick(self, key: str | None, asking: Asking, *, must_lead: bool = False) -> Choice:
        """Return the server to ask, once there is one, if one is about to open its doors."""
        until = time.monotonic() + self._timeout_s * OPENING_SHARE
        while True:
            try:
                return self.members.pick(key, must_lead=must_lead)
            except OpeningError:
                if time.monotonic() >= until or asking.wait_given_up(OPENING_S):
                    raise

    def _ask_one(
        self, choice: Choice, call: Callable[[Server], T], key: str | None, asking: Asking
    ) -> tuple[str | None, T | ClewError]:
        """Return what a server says that it is, and its answer, or why there is none."""
        server = self._take(key, choice.url) or self._open(choice.url, key)
        server.role = None
        is_sound = False
        result: T | ClewError
        try:
            asking.begin(server, choice.url)
            result = call(server)
            is_sound = True
        except ClewError as error:
            result = error
            if isinstance(error, NoSuchAddressError):
                self.lack = error
        finally:
            is_sound = asking.end() and is_sound
            if is_sound:
                self._keep(key, choice.url, server)
            else:
                server.close()
        return server.role, result

    def _open(
        self,
        url: str,
        key: str | None,
        read_timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
    ) -> Server:
        connecting = {} if connect_timeout_s is None else {"connect_timeout_s": connect_timeout_s}
        return Server(
            url,
            api_key=key,
            session="off",
            read_timeout_s=read_timeout_s or self._timeout_s * READ_SHARE,
            answer_bytes_max=ANSWER_BYTES_MAX,
            **connecting,
        )

    def _take(self, key: str | None, url: str) -> Server | None:
        with self._lock:
            # The last that came back comes first: the others may have been closed over there.
            for place in reversed(range(len(self._idle))):
                if self._idle[place][:2] == (key, url):
                    return self._idle.pop(place)[2]
        return None

    def _keep(self, key: str | None, url: str, server: Server) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append((key, url, server))
                dropped = self._idle.pop(0)[2] if len(self._idle) > IDLE_MAX else None
            else:
                dropped = server
        if dropped is not None:
            dropped.close()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, _, server in idle:
            server.close()
