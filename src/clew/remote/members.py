"""The servers of one shard that is a group: who of them is asked.

Theory of operation. All servers of a group have the same log, with the same numbers, so any of them
can answer a reading; the one that leads has everything that was acknowledged, and it alone takes
what is written. A standby lacks what was acknowledged in the last moments before its leader went
away until somebody leads again, so it is asked only where no leader answers, and every answer says
so (`clew.base.gathering`).

Who leads is asked of all servers of the shard at once, and remembered. It is asked anew when the
one that was remembered does not answer, or says with an answer that it does not lead; and once in a
while beside the questions, more often while nobody leads. What is remembered is a guess: each
answer of a server of a group says what that server is.

A leader that is cut off from its group does not hear that it was deposed, and says to whoever
reaches it that it leads. What tells is its epoch: one under a smaller one than another server of
the group knows of, or than somebody was found to lead under before, counts as a standby.

Servers of one shard that are not of one group have different records, which a change from one to
the other would hide. They are refused as soon as two of them are heard, and so is a leader of
another group than the one that was found first.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import LEADER, LEADING, OPENING, STANDBY, UNSURE
from clew.remote.http import Server
from clew.remote.reply import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clew.base.gathering import Shard

logger = logging.getLogger(__name__)

FRAMES_PATH: Final = "/internal/frames"

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


class Told(msgspec.Struct, frozen=True):
    """What a server says of itself: as much of ``GET /internal/frames`` as is needed here.

    `acked` is the newest frame that it shows, `data_id` is the same wherever the same records are.
    `role`, `epoch` and `group` are its place in a group; empty from a server of an older version,
    and `group` while its log is of none.
    """

    acked: int = 0
    data_id: str = ""
    role: str = ""
    epoch: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one server, and how long it took in milliseconds.

    `is_opening`: it is there, and about to open its doors.
    """

    told: Told | ClewError
    ms: float
    is_opening: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The server of a shard that is asked. `group` is empty where the shard is one server.

    `role` is what it said of itself when it was asked, at `asked_at` by the monotonic clock or
    later; both say nothing of whether two choices are the same.
    """

    url: str
    leads: bool
    epoch: int = 0
    group: str = ""
    role: str = field(default="", compare=False)
    asked_at: float = field(default=float("-inf"), compare=False)

    @property
    def is_deposed(self) -> bool:
        """Whether it says that it leads, and does not know that its epoch is over."""
        return self.role in LEADING and not self.leads


def look_at(server: Server) -> Heard:
    """Ask a server what it is. What it does not say is in the answer, and not raised."""
    began = time.perf_counter()
    try:
        told: Told | ClewError = decode(server.get(FRAMES_PATH).body, Told)
    except ClewError as error:
        told = error
    return Heard(told, (time.perf_counter() - began) * 1000, server.role == OPENING)


def choose(
    shard: Shard,
    heard: Mapping[str, Told | ClewError],
    known_group: str = "",
    known_epoch: int = 0,
) -> Choice:
    """Return the server of a group to ask, by what each one that answered said of itself.

    `known_group` is the group that the shard was of before, and `known_epoch` the newest that
    somebody was found to lead it under.

    Raises:
        ClewError: CONFLICT where two of them are not of one group, or who leads is not of the
            known one; UNAVAILABLE where none can answer; else what all that answered refuse.
    """
    told = {url: each for url, each in heard.items() if isinstance(each, Told)}
    check_one_group(shard, told)
    able = {
        url: each
        for url, each in told.items()
        if each.role in LEADING or (each.role == STANDBY and each.group)
    }
    for url, each in able.items():
        if known_group and each.group not in ("", known_group) and each.role in LEADING:
            raise _another_group(url)
    if known_group:
        able = {url: each for url, each in able.items() if each.group in ("", known_group)}
    newest = max([known_epoch, *(each.epoch for each in able.values())])
    # One that was deposed and was not told yet says that it leads, under a smaller epoch. Nothing
    # that it shows is certain, so a standby that knows as much is asked before it.
    leaders = {u for u, each in able.items() if each.role in LEADING and each.epoch == newest}
    best = max(
        leaders or able,
        key=lambda url: (able[url].epoch, able[url].role not in LEADING, able[url].acked),
        default=None,
    )
    if best is not None:
        found = able[best]
        return Choice(best, best in leaders, found.epoch, found.group, found.role)
    refusals = [each for each in heard.values() if isinstance(each, ClewError)]
    for error in refusals:
        if error.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN):
            raise error
    reasons = "; ".join(f"{url}: {_explain(each, known_group)}" for url, each in heard.items())
    raise ClewError(
        ErrorCode.UNAVAILABLE,
        f"none of its servers can answer: {reasons}",
        hint="look at each with: clew servers --server URL",
        retry_after_ms=1000,
    )


def check_one_group(shard: Shard, told: Mapping[str, Told]) -> None:
    """Refuse servers of one shard whose records are not the same.

    Raises:
        ClewError: CONFLICT, naming them.
    """
    alone = [
        url for url, each in told.items() if each.role and each.role not in (*LEADING, STANDBY)
    ]
    if alone and len(shard.urls) > 1:
        raise _no_group(f"{alone[0]} belongs to no group of servers")
    first: dict[str, str] = {}
    for url, each in told.items():
        if each.group:
            first.setdefault(each.group, url)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise _no_group(f"{one} and {other} belong to different groups")


def _no_group(why: str) -> ClewError:
    return ClewError(
        ErrorCode.CONFLICT,
        f"its servers do not keep the same records: {why}",
        hint="one name in --shards is one server, or the servers of one group, which keep the same "
        "by --standby; give others names of their own",
    )


def _another_group(url: str) -> ClewError:
    return ClewError(
        ErrorCode.CONFLICT,
        f"{url} leads another group of servers than the one that was asked before, and has other "
        "records",
        hint="give each group a name of its own in --shards; if this one is to take the place of "
        "the other, start the query tier anew",
    )


def _explain(each: Told | ClewError, known_group: str) -> str:
    if isinstance(each, ClewError):
        return each.message
    if not each.role:
        return "it does not say whether it leads: it runs an older version"
    if each.group and known_group:
        return "it is a standby of another group"
    return "it is a standby that has followed nobody yet"


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
        opened: dict[str, Server] = {}
        is_over = threading.Event()

        def look(url: str) -> Heard:
            with self._connect(url, key, seconds, min(CONNECT_SECONDS_MAX, seconds)) as server:
                opened[url] = server
                if is_over.is_set():
                    server.abort()
                return look_at(server)

        until = time.monotonic() + seconds
        threads = ThreadPoolExecutor(len(self.shard.urls), thread_name_prefix="clew-members")
        try:
            looks = {threads.submit(look, url): url for url in self.shard.urls}
            pending = set(looks)
            while pending and (left := until - time.monotonic()) > 0:
                done, pending = wait(pending, left, return_when=FIRST_COMPLETED)
                if is_led_enough and any(_leads(each.result()) for each in done):
                    until = min(until, time.monotonic() + self._grace_s)
        finally:
            # One that sends byte by byte would keep a thread and a connection for ever.
            is_over.set()
            for server in tuple(opened.values()):
                server.abort()
            threads.shutdown(wait=False)
        silent = ClewError(ErrorCode.TIMEOUT, f"it did not answer in {seconds:g} s")
        found = {
            url: each.result() if each not in pending else Heard(silent, seconds * 1000)
            for each, url in looks.items()
        }
        return {url: found[url] for url in self.shard.urls}

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


def tell_unled(away: Sequence[str]) -> str:
    """Say that no server of a shard leads, of those that answer here; `away` are the others.

    One of these may lead, and be well: who cannot reach it may be this server alone.
    """
    if not away:
        return "no server of it leads"
    return f"no server of it that answers here leads (no answer: {', '.join(away)})"


def tell_unsure(choice: Choice) -> str:
    """Say who it is that is asked where no server of a shard leads."""
    return f"{choice.url}, which led before," if choice.is_deposed else f"the standby {choice.url}"


def tell_promotion(name: str, url: str, away: Sequence[str]) -> str:
    """Say what has a shard led again that no server leads, of those that answer here."""
    condition = ""
    if away:
        condition = f"if {' and '.join(away)} {'is' if len(away) == 1 else 'are'} gone, "
    return f"{condition}have one lead {name}: clew promote --server {url}"


def _again(error: ClewError, kind: type[ClewError]) -> ClewError:
    return kind(error.code, error.message, hint=error.hint, retry_after_ms=error.retry_after_ms)


def is_unsure(choice: Choice, told: Told | ClewError) -> bool:
    """Return whether who is asked, and says this, may not show what was acknowledged last."""
    return choice.is_deposed or (isinstance(told, Told) and told.role in UNSURE)


def _leads(heard: Heard) -> bool:
    return isinstance(heard.told, Told) and heard.told.role in LEADING
