"""The shards of a query tier, asked in parallel under one deadline.

Each shard has a few kept connections (`Server`s), lent to one question at a time. A shard that does
not answer in time, or not at all, is missing: the others' answers count, and the request's
`Gathering` says who is missing. What a shard says to the question itself (it is wrong, it is not
allowed) is raised with the shard's name, since no other shard would say otherwise.

A shard that let a deadline pass is left out for some seconds: without that, every question would
take as long as the deadline while one machine is away. What it was asked is broken off: one that
sends its answer byte by byte would hold a thread for each question, until none is left to ask the
others.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import GATHERING, note_missing
from clew.remote.http import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from clew.base.gathering import Shard

T = TypeVar("T")

logger = logging.getLogger(__name__)

THREADS_MAX: Final = 64
"""Questions to shards at once: eight threads that answer, asking eight shards each."""

LEFT_OUT_S: Final = 5.0
"""How long a shard that let a deadline pass is not asked: a restart takes about as long."""

SLOW_S: Final = 1.0
"""Who is found not to be there after so long is left out as well: a machine that is switched off
lets the time for a connection pass, which is shorter than that for an answer."""

READ_SHARE: Final = 2.0
"""How long a connection may be silent, of the time for an answer: longer, so that whoever waits for
the answer gives it up, and it is known that the deadline has passed."""

IDLE_MAX: Final = 16
"""Connections that are kept to one shard, as many as it has clients of its engine."""

ANSWER_BYTES_MAX: Final = 544 << 20
"""Of one answer: what a shard gives at most (`clew.store.engine.foreign`), and some for its head.
Whatever has the address of a shard and sends more is not let fill this server's memory."""

TELL_EVERY_S: Final = 60.0
"""A shard that comes and goes is told of so often at most."""

_MISSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What shards answered, in the order of the shards, and who did not, and why."""

    answers: list[tuple[Shard, T]]
    missing: list[tuple[Shard, ClewError]] = field(default_factory=list)


class _Asking:
    """One question to one shard, which whoever waits for it may give up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: Server | None = None
        self.has_begun = False
        self.is_given_up = False

    def begin(self, server: Server) -> None:
        """Say over which connection it is asked.

        Raises:
            ClewError: TIMEOUT when nobody waits for it any longer.
        """
        with self._lock:
            self.has_begun = True
            if self.is_given_up:
                raise ClewError(ErrorCode.TIMEOUT, "nobody waits for the answer")
            self._server = server

    def end(self) -> None:
        """Say that the connection is somebody else's from here on."""
        with self._lock:
            self._server = None

    def give_up(self) -> None:
        """Break it off; from any thread."""
        with self._lock:
            self.is_given_up = True
            if self._server is not None:
                self._server.abort()


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """An answer that is still to come; `future` is None where nobody was asked."""

    shard: Shard
    future: Future[T] | None
    asking: _Asking


class _Line:
    """The connections to one shard. For use by any thread."""

    def __init__(self, shard: Shard, api_key: str | None, timeout_s: float) -> None:
        self.shard = shard
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._idle: list[tuple[str | None, Server]] = []
        self._is_closed = False
        self._left_out_until = 0.0
        self._is_told = False
        self._tell_again_at = float("-inf")

    @property
    def is_left_out(self) -> bool:
        """Whether the shard let a deadline pass a moment ago."""
        return time.monotonic() < self._left_out_until

    def leave_out(self) -> None:
        """Do not ask the shard for some seconds."""
        self._left_out_until = time.monotonic() + LEFT_OUT_S

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
                "shard %s does not answer, so answers lack what it has: %s",
                self.shard.name,
                missed.message,
            )

    def ask(self, call: Callable[[Server], T], key: str | None, asking: _Asking) -> T:
        """Return what a call on one of the connections gives.

        `key` is shown where there is none for all.
        """
        shown = self._api_key or key
        server = self._take(shown) or self.connect(shown)
        is_sound = False
        began = time.monotonic()
        try:
            asking.begin(server)
            answer = call(server)
            is_sound = True
        except ClewError as error:
            if error.code is ErrorCode.UNAVAILABLE and time.monotonic() - began >= SLOW_S:
                self.leave_out()
            raise
        finally:
            asking.end()
            if not is_sound or asking.is_given_up:
                server.close()
            else:
                self._keep(shown, server)
        self._left_out_until = 0.0
        return answer

    def connect(self, key: str | None, read_timeout_s: float | None = None) -> Server:
        """Return a connection of the caller's own."""
        return Server(
            self.shard.url,
            api_key=self._api_key or key,
            session="off",
            read_timeout_s=read_timeout_s or self._timeout_s * READ_SHARE,
            answer_bytes_max=ANSWER_BYTES_MAX,
        )

    def _take(self, key: str | None) -> Server | None:
        with self._lock:
            # The last that came back comes first: the others may have been closed over there.
            for place in reversed(range(len(self._idle))):
                if self._idle[place][0] == key:
                    return self._idle.pop(place)[1]
        return None

    def _keep(self, key: str | None, server: Server) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append((key, server))
                dropped = self._idle.pop(0)[1] if len(self._idle) > IDLE_MAX else None
            else:
                dropped = server
        if dropped is not None:
            dropped.close()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, server in idle:
            server.close()


class Shards:
    """The shards of one tier. Safe to use from any thread; `close` it once."""

    def __init__(
        self,
        shards: Sequence[Shard],
        *,
        api_keys: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        """Ask these shards, in this order; each has `timeout_s` to answer.

        `api_keys` are by the name of the shard. One without is shown the key of whoever asks.
        """
        self.shards = tuple(shards)
        self.timeout_s = timeout_s
        keys = api_keys or {}
        self.names = tuple(shard.name for shard in shards)
        """What they are called, in their order."""
        self._lines = {
            shard.name: _Line(shard, keys.get(shard.name), timeout_s) for shard in shards
        }
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="clew-shard")

    def ask(
        self,
        call: Callable[[Server], T],
        *,
        only: Collection[str] | None = None,
        timeout_s: float | None = None,
    ) -> Gathered[T]:
        """Return what each shard answers to a call, of all at once; `only` names some of them.

        `call` must be a question: it may be asked twice where a kept connection broke.

        Raises:
            ClewError: UNAVAILABLE when none answers; what a shard says to the question itself.
        """
        asked = [shard for shard in self.shards if only is None or shard.name in only]
        return self.ask_each({shard.name: call for shard in asked}, timeout_s=timeout_s)

    def ask_each(
        self, calls: dict[str, Callable[[Server], T]], *, timeout_s: float | None = None
    ) -> Gathered[T]:
        """Return what shards answer, each to a call of its own, by the name of the shard.

        Raises:
            ClewError: as `ask`.
        """
        gathered: Gathered[T] = Gathered([])
        for shard, answer in self._ask_all(calls, timeout_s):
            if not isinstance(answer, ClewError):
                gathered.answers.append((shard, answer))
            elif answer.code in _MISSING:
                gathered.missing.append((shard, answer))
            else:
                raise _named(shard, answer) from answer
        if calls and not gathered.answers:
            raise none_answers(gathered.missing)
        for shard, why in gathered.missing:
            note_missing(shard.name, why.message)
        return gathered

    def look(
        self, call: Callable[[Server], T], *, timeout_s: float
    ) -> list[tuple[Shard, T | ClewError]]:
        """Return what each shard answers to a call within some seconds, or why it does not.

        Nothing that a shard says is raised.
        """
        looked = self._ask_all({shard.name: call for shard in self.shards}, timeout_s)
        for shard, answer in looked:
            if isinstance(answer, ClewError) and answer.code in _MISSING:
                note_missing(shard.name, answer.message)
        return looked

    def one(self, name: str, call: Callable[[Server], T]) -> T:
        """Return what one shard answers; a write goes this way.

        Raises:
            ClewError: what the shard says, or that it does not answer, with its name.
        """
        shard = next(shard for shard in self.shards if shard.name == name)
        waiting = self._begin(shard, call)
        assert waiting.future is not None, "it was asked"
        if not wait([waiting.future], timeout=self.timeout_s).done:
            waiting.future.cancel()
            waiting.asking.give_up()
            raise ClewError(
                ErrorCode.TIMEOUT,
                f"shard {name}: it did not answer in {self.timeout_s:g} s: whether it did what was"
                " sent is not known",
                hint="look whether it was done before you send it again",
            )
        try:
            return waiting.future.result()
        except ClewError as error:
            raise _named(shard, error) from error

    def connect(self, shard: Shard, *, read_timeout_s: float) -> Server:
        """Return a connection to a shard that is the caller's to close: for what lasts, as feeds.

        It shows the key of the request that is being answered, where the tier has none.
        """
        return self._lines[shard.name].connect(_caller_key(), read_timeout_s)

    def close(self) -> None:
        """Let go of every connection. What is being asked comes to its end by its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for line in self._lines.values():
            line.close()

    def _ask_all(
        self, calls: Mapping[str, Callable[[Server], T]], timeout_s: float | None
    ) -> list[tuple[Shard, T | ClewError]]:
        """Return what shards answer, or why they do not, in the order of the shards."""
        seconds = self.timeout_s if timeout_s is None else min(timeout_s, self.timeout_s)
        waiting = [
            self._begin(shard, None if self._lines[shard.name].is_left_out else calls[shard.name])
            for shard in self.shards
            if shard.name in calls
        ]
        wait([each.future for each in waiting if each.future is not None], timeout=seconds)
        answers: list[tuple[Shard, T | ClewError]] = []
        for each in waiting:
            answer = self._answer_of(each, seconds)
            why = answer if isinstance(answer, ClewError) else None
            self._lines[each.shard.name].hear(why if why and why.code in _MISSING else None)
            answers.append((each.shard, answer))
        return answers

    def _begin(self, shard: Shard, call: Callable[[Server], T] | None) -> _Waiting[T]:
        asking = _Asking()
        if call is None:
            return _Waiting(shard, None, asking)
        line = self._lines[shard.name]
        future = self._threads.submit(line.ask, call, _caller_key(), asking)
        return _Waiting(shard, future, asking)

    def _answer_of(self, waiting: _Waiting[T], seconds: float) -> T | ClewError:
        future, asking = waiting.future, waiting.asking
        if future is None:
            return ClewError(
                ErrorCode.TIMEOUT,
                f"it did not answer a moment ago, and is asked again after {LEFT_OUT_S:g} s",
            )
        if future.done():
            try:
                return future.result()
            except ClewError as error:
                return error
        future.cancel()
        asking.give_up()
        if asking.has_begun and seconds >= self.timeout_s:
            # A shorter look says nothing of the time that shards have for an answer, and a question
            # that never left this server says nothing of the shard.
            self._lines[waiting.shard.name].leave_out()
        return ClewError(ErrorCode.TIMEOUT, f"it did not answer in {seconds:g} s")


def _caller_key() -> str | None:
    """Return the API key of whoever the request under way is of."""
    gathering = GATHERING.get()
    return None if gathering is None else gathering.key


def none_answers(missing: Sequence[tuple[Shard, ClewError]]) -> ClewError:
    """Return the error for a question that no shard answers."""
    told = "; ".join(_tell(missing))
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"no shard answers: {told}",
        hint="look at each with: clew doctor --server URL",
        retry_after_ms=1000,
    )


def _tell(missing: Sequence[tuple[Shard, ClewError]]) -> Iterator[str]:
    return (f"{shard.name}: {error.message}" for shard, error in missing)


def _named(shard: Shard, error: ClewError) -> ClewError:
    return ClewError(
        error.code,
        f"shard {shard.name}: {error.message}",
        hint=error.hint,
        retry_after_ms=error.retry_after_ms,
    )
