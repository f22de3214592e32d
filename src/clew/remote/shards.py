"""The shards of a query tier, asked in parallel under one deadline.

Each shard has a few kept connections (`Server`s), lent to one question at a time. A shard that does
not answer in time, or not at all, is missing: the others' answers count, and the request's
`Gathering` says who is missing. What a shard says to the question itself (it is wrong, it is not
allowed) is raised with the shard's name, since no other shard would say otherwise.

A shard that let a deadline pass is left out for some seconds: without that, every question would
take as long as the deadline while one machine is away.
"""

from __future__ import annotations

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

THREADS_MAX: Final = 64
"""Questions to shards at once: eight threads that answer, asking eight shards each."""

LEFT_OUT_S: Final = 5.0
"""How long a shard that let a deadline pass is not asked: a restart takes about as long."""

IDLE_MAX: Final = 16
"""Connections that are kept to one shard, as many as it has clients of its engine."""

_MISSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What shards answered, in the order of the shards, and who did not, and why."""

    answers: list[tuple[Shard, T]]
    missing: list[tuple[Shard, ClewError]] = field(default_factory=list)


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

    @property
    def is_left_out(self) -> bool:
        """Whether the shard let a deadline pass a moment ago."""
        return time.monotonic() < self._left_out_until

    def leave_out(self) -> None:
        """Do not ask the shard for some seconds."""
        self._left_out_until = time.monotonic() + LEFT_OUT_S

    def ask(self, call: Callable[[Server], T], key: str | None = None) -> T:
        """Return what a call on one of the connections gives.

        `key` is shown where there is none for all.
        """
        shown = self._api_key or key
        server = self._take(shown) or self.connect(shown)
        answer = call(server)
        self._left_out_until = 0.0
        with self._lock:
            if not self._is_closed:
                self._idle.append((shown, server))
                dropped = self._idle.pop(0)[1] if len(self._idle) > IDLE_MAX else None
            else:
                dropped = server
        if dropped is not None:
            dropped.close()
        return answer

    def connect(self, key: str | None, read_timeout_s: float | None = None) -> Server:
        """Return a connection of the caller's own."""
        return Server(
            self.shard.url,
            api_key=self._api_key or key,
            session="off",
            read_timeout_s=read_timeout_s or self._timeout_s,
        )

    def _take(self, key: str | None) -> Server | None:
        with self._lock:
            # The last that came back comes first: the others may have been closed over there.
            for place in reversed(range(len(self._idle))):
                if self._idle[place][0] == key:
                    return self._idle.pop(place)[1]
        return None

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
        asked = [shard for shard in self.shards if shard.name in calls]
        waiting: dict[str, Future[T]] = {}
        for shard in asked:
            line = self._lines[shard.name]
            if not line.is_left_out:
                call = calls[shard.name]
                waiting[shard.name] = self._threads.submit(line.ask, call, _caller_key())
        seconds = self.timeout_s if timeout_s is None else min(timeout_s, self.timeout_s)
        wait(waiting.values(), timeout=seconds)
        gathered: Gathered[T] = Gathered([])
        for shard in asked:
            try:
                gathered.answers.append(
                    (shard, self._take(shard, waiting.get(shard.name), seconds))
                )
            except ClewError as error:
                if error.code not in _MISSING:
                    raise _named(shard, error) from error
                gathered.missing.append((shard, error))
        if asked and not gathered.answers:
            raise none_answers(gathered.missing)
        for shard, why in gathered.missing:
            note_missing(shard.name, why.message)
        return gathered

    def one(self, name: str, call: Callable[[Server], T]) -> T:
        """Return what one shard answers; a write goes this way.

        Raises:
            ClewError: what the shard says, or that it does not answer, with its name.
        """
        shard = next(shard for shard in self.shards if shard.name == name)
        try:
            return self._lines[name].ask(call, _caller_key())
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

    def _take(self, shard: Shard, future: Future[T] | None, seconds: float) -> T:
        if future is None:
            raise ClewError(ErrorCode.TIMEOUT, f"it did not answer {LEFT_OUT_S:g} s ago")
        if not future.done():
            self._lines[shard.name].leave_out()
            future.cancel()
            raise ClewError(ErrorCode.TIMEOUT, f"it did not answer in {seconds:g} s")
        return future.result()


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
