"""The servers of one shard that is a group: who of them is asked, remembered from time to time.

Theory of operation. Who leads is asked of all servers of the shard at once (`clew.remote.looks`),
chosen by what they say (`clew.remote.choice`), and remembered. It is asked anew when the one that
was remembered does not answer, or says with an answer that it does not lead; and once in a while
beside the questions, more often while nobody leads. What is remembered is a guess: each answer of a
server of a group says what that server is.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import LEADER
from clew.remote.choice import Choice, Told, choose, tell_promotion, tell_unled, tell_unsure
from clew.remote.looks import look_at_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.looks import Heard

logger = logging.getLogger(__name__)

CONNECT_SECONDS_MAX: Final = 1.0
"""As servers of a group give one another: a machine that is switched off refuses nothing."""

GRACE_SECONDS: Final = 0.2
"""How long the others have when one said that it leads: another one may lead since, or be of
another group."""

AGAIN_SECONDS: Final = 1.0
"""How often it is asked who leads while a standby answers, or one that has just begun to lead: a
promotion takes about as long."""

CHECK_SECONDS: Final = 10.0
"""How often it is asked whether the leader that is remembered is the one still: one that was cut
off from the others does not know it."""

STALE_SECONDS: Final = 10.0
"""A standby that was chosen so long ago is not asked before it was asked who leads."""


class OpeningError(ClewError):
    """None can be asked, and one of them is about to open its doors.

    It takes some tenths of a second where another one begins to lead.
    """


class Members:
    """Who of a shard's servers is asked. Safe to use from any thread."""

    def __init__(
        self,
        shard: Shard,
        connect: Callable[[str, str | None, float, float], Server],
        spawn: Callable[[Callable[[], object]], object],
        seconds_max: float,
        grace_s: float = GRACE_SECONDS,
    ) -> None:
        """Prepare.

        `connect` opens a connection to an address with a key, given the seconds for an answer and
        for the connection; `spawn` has something done on another thread. A server that does not
        say within `seconds_max` what it is counts as gone, and so does one that needs more than
        `grace_s` once another one said that it leads.
        """
        self.shard = shard
        self.is_group = bool(shard.others)
        self._connect = connect
        self._spawn = spawn
        self._seconds_max = seconds_max
        self._grace_s = grace_s
        self._finding = threading.Lock()
        self._lock = threading.Lock()
        self.moves: list[Callable[[str, str], object]] = []
        """Called with the shard's name and an address, when that is asked and was not before."""
        self._choice: Choice | None = None if self.is_group else Choice(shard.url, leads=True)
        self._last = self._choice
        self._group = ""
        self._epoch = 0
        self._failure: ClewError | None = None
        self._answered: set[str] = set()
        self._is_opening = False
        self._finds = 0
        self._found_at = self._tried_at = float("-inf")
        self._is_finding_again = False

    @property
    def choice(self) -> Choice | None:
        """Who is asked at the moment; None before it was found out, and when it is in doubt."""
        return self._choice

    def pick(self, key: str | None, *, must_lead: bool = False) -> Choice:
        """Return the server to ask; `key` is shown to the servers where they have to be asked.

        Raises:
            ClewError: as `choose`; UNAVAILABLE where one has to lead and none does, an
                `OpeningError` where one is about to open its doors.
        """
        with self._lock:
            choice, finds, age = self._choice, self._finds, time.monotonic() - self._found_at
        if choice is None or (not choice.leads and (must_lead or age > STALE_SECONDS)):
            choice = self.find(key, finds)
        else:
            self.find_beside(key)
        if must_lead and not choice.leads:
            away = self._list_away()
            kind = OpeningError if self._is_opening else ClewError
            raise kind(
                ErrorCode.UNAVAILABLE,
                f"{tell_unled(away)}, and a standby takes nothing",
                hint=f"send it again later; {tell_promotion(self.shard.name, choice.url, away)}",
                retry_after_ms=1000,
            )
        return choice

    def _list_away(self) -> list[str]:
        """Return the servers that did not say what they are when they were asked last."""
        with self._lock:
            return [url for url in self.shard.urls if url not in self._answered]

    def doubt(self, choice: Choice) -> None:
        """Have it asked anew who leads, unless that was done since this choice."""
        if not self.is_group:
            return
        with self._lock:
            if self._choice == choice:
                self._choice = None

    def find_beside(self, key: str | None) -> None:
        """Ask anew who leads, where that was not done a moment ago, and do not wait for it."""
        if not self.is_group:
            return
        with self._lock:
            choice = self._choice
            is_sure = choice is not None and choice.leads and choice.role == LEADER
            since = time.monotonic() - self._tried_at
            if since < (CHECK_SECONDS if is_sure else AGAIN_SECONDS) or self._is_finding_again:
                return
            self._is_finding_again = True
            finds = self._finds

        def work() -> None:
            try:
                if choice is not None and choice.leads:
                    self._check(choice, key, finds)
                else:
                    self.find(key, finds)
            except ClewError:
                # Whoever asks next is told, and has it asked anew.
                return
            finally:
                self._is_finding_again = False

        self._spawn(work)

    def _check(self, choice: Choice, key: str | None, finds: int) -> None:
        """Ask whether it is this one that leads; one that is slow to say so is not left for that.

        Raises:
            ClewError: as `find`.
        """
        began = time.monotonic()
        heard = self.ask_all(key, self._seconds_max)
        self._tried_at = time.monotonic()
        try:
            found = self.judge({url: each.told for url, each in heard.items()})
        except ClewError as error:
            if error.code is not ErrorCode.CONFLICT:
                raise
        else:
            with self._lock:
                if self._choice == found == choice:
                    self._choice = replace(found, asked_at=began)
        if self._choice is None:
            self.find(key, finds)

    def judge(self, told: Mapping[str, Told | ClewError]) -> Choice:
        """Return whom to ask by what each server said, and doubt who is asked where that is over.

        That is where another server knows of a larger epoch, or is of another group.

        Raises:
            ClewError: as `choose`.
        """
        with self._lock:
            now, group, epoch = self._choice, self._group, self._epoch
        try:
            found = choose(self.shard, told, group, epoch)
        except ClewError as error:
            if now is not None and error.code is ErrorCode.CONFLICT:
                self.doubt(now)
            raise
        if now is not None and found.epoch > now.epoch:
            self.doubt(now)
        return found

    def find(self, key: str | None, finds: int) -> Choice:
        """Ask every server what it is, and return the one to ask; one caller at a time does.

        `finds` is how often that had been done when the caller looked. Where it was done meanwhile,
        what came of it counts.

        Raises:
            ClewError: as `choose`.
        """
        with self._finding:
            with self._lock:
                if self._finds != finds and self._choice is not None:
                    return self._choice
                if self._finds != finds and self._failure is not None:
                    raise _again(self._failure, type(self._failure))
            began = time.monotonic()
            heard = self.ask_all(key, self._seconds_max, is_led_enough=True)
            self._tried_at = time.monotonic()
            self._is_opening = any(each.is_opening for each in heard.values())
            told = {url: each.told for url, each in heard.items()}
            try:
                choice = choose(self.shard, told, self._group, self._epoch)
            except ClewError as found:
                is_opening = self._is_opening and found.code is ErrorCode.UNAVAILABLE
                error = _again(found, OpeningError if is_opening else ClewError)
                if error.code not in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN):
                    # Else it is this caller's key, and says nothing to the others.
                    with self._lock:
                        self._choice, self._failure = None, error
                        self._finds += 1
                raise error from found
            choice = replace(choice, asked_at=began)
            with self._lock:
                self._choice, self._failure = choice, None
                self._answered = {url for url, each in told.items() if isinstance(each, Told)}
                self._group = choice.group or self._group
                if choice.leads:
                    # What a standby knows of may have been claimed, and have come to nothing.
                    self._epoch = choice.epoch
                self._finds += 1
                self._found_at = time.monotonic()
                before, self._last = self._last, choice
            if choice != before:
                self._tell(choice, is_first=before is None)
            if before is not None and choice.url != before.url:
                for callback in tuple(self.moves):
                    callback(self.shard.name, choice.url)
            return choice

    def is_silent(self, url: str, key: str | None) -> bool:
        """Return whether a server says nothing while another one is there to be asked instead.

        Who is asked from now on is found out with that.
        """
        with self._lock:
            finds = self._finds
        try:
            self.find(key, finds)
        except ClewError:
            return False
        with self._lock:
            return url not in self._answered

    def ask_all(
        self, key: str | None, seconds: float, *, is_led_enough: bool = False
    ) -> dict[str, Heard]:
        """Return what every server says of itself within some seconds.

        With `is_led_enough` nobody is waited for long once one says that it leads.
        """
        connect_s = min(CONNECT_SECONDS_MAX, seconds)
        return look_at_all(
            self.shard.urls,
            lambda url: self._connect(url, key, seconds, connect_s),
            seconds,
            grace_s=self._grace_s if is_led_enough else None,
        )

    def _tell(self, choice: Choice, *, is_first: bool) -> None:
        """Say on the log who is asked from now on."""
        name = self.shard.name
        if not choice.leads:
            logger.warning(
                "shard %s: %s; %s answers, and may not show yet what was acknowledged last",
                name,
                tell_unled(self._list_away()),
                tell_unsure(choice),
            )
        elif not is_first:
            logger.info("%s leads shard %s under epoch %d", choice.url, name, choice.epoch)


def _again(error: ClewError, kind: type[ClewError]) -> ClewError:
    return kind(error.code, error.message, hint=error.hint, retry_after_ms=error.retry_after_ms)
