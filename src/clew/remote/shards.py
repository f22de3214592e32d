"""The shards of a query tier, asked in parallel under one deadline.

Each shard has a few kept connections (`Server`s), lent to one question at a time, and may have
several servers (`clew.remote.line`). A shard that does not answer in time, not at all, or by a
mistake of its own is missing: the others' answers count, and the request's `Gathering` says who is
missing. What a shard says to the question itself (it is wrong, it is not allowed) is raised with
the shard's name, since no other shard would say otherwise. A mistake that every shard makes is in
the question too, and is raised.

A shard that let a deadline pass is left out for some seconds: without that, every question would
take as long as the deadline while one machine is away. What it was asked is broken off: one that
sends its answer byte by byte would hold a thread for each question, until none is left to ask the
others.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from clew.base.deadline import OverdueError, seconds_left
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import GATHERING, STANDBY, note_missing, note_standby
from clew.remote.choice import Choice, Told, is_unsure
from clew.remote.line import Asking, Line, left_out
from clew.remote.looks import Heard
from clew.remote.members import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.problems import NoSuchAddressError

T = TypeVar("T")

THREADS_MAX: Final = 64
"""Questions to shards at once: eight threads that answer, asking eight shards each."""

PATIENCE_SHARE: Final = 0.1
"""How long a server of a group may be silent before it is looked at whether it is there at all, of
the time for an answer: with what the look takes, most of it is left for another one."""

_MISSING: Final = frozenset(
    {ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED, ErrorCode.INTERNAL}
)


REFUSED: Final = frozenset({ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN})
"""What a shard says that does not let whoever asks in: nothing is answered without it."""


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What shards answered, in the order of the shards, and who did not, and why."""

    answers: list[tuple[Shard, T]]
    missing: list[tuple[Shard, ClewError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Looked:
    """How a shard is: what each of its servers says, and which one is asked, or why none is.

    `lack` is what one of them was asked for that it does not know, and runs the same version still.
    """

    shard: Shard
    heard: Mapping[str, Heard]
    asked: Choice | ClewError
    lack: NoSuchAddressError | None = None


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """An answer that is still to come; `future` is None where nobody was asked."""

    shard: Shard
    future: Future[T] | None
    asking: Asking

    def give_up(self) -> None:
        """Wait for it no longer."""
        if self.future is not None:
            self.future.cancel()
        self.asking.give_up()


class Shards:
    """The shards of one tier. Safe to use from any thread; `close` it once."""

    def __init__(
        self,
        shards: Sequence[Shard],
        *,
        api_keys: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        grace_s: float = GRACE_SECONDS,
    ) -> None:
        """Ask these shards, in this order; each has `timeout_s` to answer.

        `api_keys` are by the name of the shard. One without is shown the key of whoever asks. The
        other servers of a group have `grace_s` to say what they are once one says that it leads.
        """
        self.shards = tuple(shards)
        self.timeout_s = timeout_s
        keys = api_keys or {}
        self.names = tuple(shard.name for shard in shards)
        """What they are called, in their order."""
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="clew-shard")
        self._lines = {
            shard.name: Line(shard, keys.get(shard.name), timeout_s, self._spawn, grace_s)
            for shard in shards
        }
        self._patience_s = timeout_s * PATIENCE_SHARE

    def ask(
        self,
        call: Callable[[Server], T],
        *,
        only: Collection[str] | None = None,
        timeout_s: float | None = None,
    ) -> Gathered[T]:
        """Return what each shard answers to a call, of all at once; `only` names some of them.

        They have no longer than the question that is being answered has itself. `call` must be a
        question: it may be asked twice where a kept connection broke.

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
            for shard, why in gathered.missing:
                if why.code is ErrorCode.INTERNAL:
                    raise _named(shard, why) from why
            raise none_answers(gathered.missing)
        for shard, why in gathered.missing:
            note_missing(shard.name, why.message)
        return gathered

    def look(self, *, timeout_s: float) -> list[Looked]:
        """Return how each shard is, by what every server of it says within some seconds.

        Nothing that a server says is raised.
        """
        key = _caller_key()
        looks = {
            name: self._threads.submit(line.look, key, timeout_s)
            for name, line in self._lines.items()
        }
        # Each keeps the time by itself; what never left this server is not waited for.
        wait(looks.values(), timeout=2 * timeout_s)
        silent = Heard(ClewError(ErrorCode.TIMEOUT, f"not in {timeout_s:g} s"), timeout_s * 1000)
        return [
            self._judge(
                shard,
                looks[shard.name].result()
                if looks[shard.name].done()
                else dict.fromkeys(shard.urls, silent),
            )
            for shard in self.shards
        ]

    def _judge(self, shard: Shard, heard: Mapping[str, Heard]) -> Looked:
        told = {url: each.told for url, each in heard.items()}
        line = self._lines[shard.name]
        asked: Choice | ClewError
        try:
            asked = line.members.judge(told) if shard.others else _only(shard, told[shard.url])
        except ClewError as error:
            asked = error
        missed = asked if isinstance(asked, ClewError) and asked.code in _MISSING else None
        line.hear(missed)
        if missed is not None:
            note_missing(shard.name, missed.message)
        elif isinstance(asked, Choice) and is_unsure(asked, told[asked.url]):
            note_standby(shard.name)
        lack = line.lack
        if lack is not None and lack.url in heard and heard[lack.url].version != lack.version:
            # It was ended, and another version was started in its place.
            lack = line.lack = None
        return Looked(shard, heard, asked, lack)

    def one(self, name: str, call: Callable[[Server], T]) -> T:
        """Return what one shard answers; a write goes this way, to the server that leads.

        Raises:
            ClewError: what the shard says, or that it does not answer, with its name.
        """
        shard = next(shard for shard in self.shards if shard.name == name)
        line, asking, seconds = self._lines[name], Asking(), seconds_left(self.timeout_s)
        future = self._threads.submit(line.write, call, _caller_key(), asking)
        if not wait([future], timeout=seconds).done:
            future.cancel()
            asking.give_up()
            line.hear_loss()
            raise ClewError(
                ErrorCode.TIMEOUT,
                f"shard {name}: it did not answer in {seconds:.3g} s: whether it did what was"
                " sent is not known",
                hint="look whether it was done before you send it again",
            )
        try:
            return future.result()
        except ClewError as error:
            raise _named(shard, error) from error

    def connect(self, shard: Shard, *, read_timeout_s: float) -> Server:
        """Return a connection to a shard that is the caller's to close: for what lasts, as feeds.

        It shows the key of the request that is being answered, where the tier has none.
        """
        return self._lines[shard.name].connect(_caller_key(), read_timeout_s)

    def is_unsure(self, shard: Shard, server: Server) -> bool:
        """Return whether who `connect` led to may not show what was acknowledged last."""
        return self._lines[shard.name].is_unsure(server)

    def is_outdone(self, shard: Shard, server: Server, since: float) -> bool:
        """Return whether `connect` would lead to a server that is surer by now than this one.

        `since` is when this one said what it is, by the monotonic clock.
        """
        return self._lines[shard.name].is_outdone(server, since, _caller_key())

    def hear_moves(self, callback: Callable[[str, str], object]) -> None:
        """Have `callback` called, from any thread, when a shard's questions go to another server.

        It is given the name of the shard and the address of the server, and MUST NOT block.
        """
        for line in self._lines.values():
            line.members.moves.append(callback)

    def unhear_moves(self, callback: Callable[[str, str], object]) -> None:
        """Have it called no more; idempotent."""
        for line in self._lines.values():
            if callback in line.members.moves:
                line.members.moves.remove(callback)

    def hear_loss(self, shard: Shard) -> None:
        """Take note that a connection of `connect` ended."""
        self._lines[shard.name].hear_loss()

    def close(self) -> None:
        """Let go of every connection. What is being asked comes to its end by its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for line in self._lines.values():
            line.close()

    def _ask_all(
        self, calls: Mapping[str, Callable[[Server], T]], timeout_s: float | None
    ) -> list[tuple[Shard, T | ClewError]]:
        """Return what shards answer, or why they do not, in the order of the shards."""
        seconds = seconds_left(
            self.timeout_s if timeout_s is None else min(timeout_s, self.timeout_s)
        )
        waiting = [
            self._begin(shard, None if self._lines[shard.name].is_left_out else calls[shard.name])
            for shard in self.shards
            if shard.name in calls
        ]
        self._wait(waiting, seconds)
        self._check_time(waiting)
        answers: list[tuple[Shard, T | ClewError]] = []
        for each in waiting:
            answer = self._answer_of(each, seconds)
            why = answer if isinstance(answer, ClewError) else None
            if each.asking.is_of_standby:
                note_standby(each.shard.name)
            self._lines[each.shard.name].hear(why if why and why.code in _MISSING else None)
            answers.append((each.shard, answer))
        return answers

    def _check_time(self, waiting: Sequence[_Waiting[T]]) -> None:
        """Give up what is not answered where the question's own time is over, not the shards'."""
        pending = [each for each in waiting if each.future is not None and not each.future.done()]
        if not pending:
            return
        try:
            seconds_left(self.timeout_s)
        except OverdueError:
            for each in pending:
                each.give_up()
            raise

    def _wait(self, waiting: Sequence[_Waiting[T]], seconds: float) -> None:
        """Wait for answers; of a group it is looked at meanwhile whether who is asked is there."""
        key = _caller_key()
        pending = {each.future for each in waiting if each.future is not None}
        groups = [each for each in waiting if each.shard.others and each.future is not None]
        until = time.monotonic() + seconds
        while pending and (left := until - time.monotonic()) > 0:
            pending = wait(pending, min(left, self._patience_s) if groups else left).not_done
            for each in groups:
                if each.future in pending:
                    line = self._lines[each.shard.name]
                    self._threads.submit(line.look_after, each.asking, key)

    def _spawn(self, work: Callable[[], object]) -> None:
        self._threads.submit(work)

    def _begin(self, shard: Shard, call: Callable[[Server], T] | None) -> _Waiting[T]:
        asking = Asking()
        if call is None:
            return _Waiting(shard, None, asking)
        line = self._lines[shard.name]
        future = self._threads.submit(line.ask, call, _caller_key(), asking)
        return _Waiting(shard, future, asking)

    def _answer_of(self, waiting: _Waiting[T], seconds: float) -> T | ClewError:
        future, asking = waiting.future, waiting.asking
        if future is None:
            return left_out()
        if future.done():
            try:
                return future.result()
            except ClewError as error:
                return error
        waiting.give_up()
        if asking.has_begun and seconds >= self.timeout_s:
            # A shorter look says nothing of the time that shards have for an answer, and a question
            # that never left this server says nothing of the shard.
            self._lines[waiting.shard.name].hear_silence()
        return ClewError(ErrorCode.TIMEOUT, f"it did not answer in {seconds:.3g} s")


def _caller_key() -> str | None:
    """Return the API key of whoever the request under way is of."""
    gathering = GATHERING.get()
    return None if gathering is None else gathering.key


def _only(shard: Shard, told: Told | ClewError) -> Choice:
    """Return the one server of a shard as the one that is asked, whatever it is.

    Raises:
        ClewError: it does not say what it is.
    """
    if isinstance(told, ClewError):
        raise told
    return Choice(shard.url, told.role != STANDBY, told.epoch, told.group, told.role)


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


def advise_key(name: str) -> str:
    """Say what has a shard let a tier in that asks for a key which is not shown to it."""
    return (
        f"give the tier a key that {name} knows, `--shard-key {name}=clew_…`, or ask it with a key "
        "that all shards know"
    )


def _named(shard: Shard, error: ClewError) -> ClewError:
    # Its own words are for whoever asks it alone: a key that it would make is one for it alone.
    hint = advise_key(shard.name) if error.code is ErrorCode.UNAUTHENTICATED else error.hint
    return ClewError(
        error.code,
        f"shard {shard.name}: {error.message}",
        hint=hint,
        retry_after_ms=error.retry_after_ms,
    )
