"""What both fakes are: a thread with an event loop of its own, on a port of the loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from clew.testing.network import HeldPorts
from clew.testing.trailbase.configuration import BODY_BYTES_MAX
from clew.testing.trailbase.http import Listener, Request, Response, of_text
from clew.testing.trailbase.troubles import Asked, Hold, Trouble, Troubles, without_secrets
from clew.testing.trailbase.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType

START_SECONDS_MAX: Final = 60.0
"""When a start or a call is given up: many times what it takes."""

NS_PER_S: Final = 1_000_000_000

Result = TypeVar("Result")


class FakeHost(ABC):
    """Listens from the moment it is made until `close`. From any thread but its own."""

    def __init__(self) -> None:
        self._offset_ns = 0
        self._asked: list[Asked] = []
        self._troubles = Troubles()
        self._body_bytes_max = BODY_BYTES_MAX
        # So that nobody else is given it while this one is offline.
        self._held = HeldPorts(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake-host", daemon=True)
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self._stop()
            raise

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    # What time it is.

    def now(self) -> int:
        """Return the server's time in Unix nanoseconds."""
        return time.time_ns() + self._offset_ns

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number sets the clock back."""
        self._offset_ns += round(seconds * NS_PER_S)

    # What was asked.

    @property
    def asked(self) -> list[Asked]:
        """All requests that were answered or broken off, in that order."""
        return list(self._asked)

    def count(self, method: str, path: str) -> int:
        """Return how many requests of a method there were whose path begins so."""
        return sum(one.method == method and one.path.startswith(path) for one in self._asked)

    def forget(self) -> None:
        """Begin a new journal."""
        self._asked.clear()

    # What goes wrong.

    def order(
        self,
        trouble: Trouble,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        status: int = 503,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Have trouble happen to the next requests of a method whose path begins so."""
        given = tuple((headers or {}).items())
        self.do(
            lambda: self._troubles.add(
                trouble, times=times, method=method, path=path, status=status, headers=given
            )
        )

    def hold(
        self, *, after: bool = False, times: int = 1, method: str | None = None, path: str = ""
    ) -> Hold:
        """Hold the next requests; `after` they were carried out, or before."""
        hold = Hold(self._loop)
        self.do(
            lambda: self._troubles.add(
                Trouble.HELD, times=times, method=method, path=path, is_after=after, hold=hold
            )
        )
        return hold

    def calm(self) -> None:
        """Forget the troubles that were ordered."""
        self.do(self._troubles.clear)

    def go_offline(self) -> None:
        """Refuse connections, and break those that there are."""
        self._call(self._listener.close())

    def go_online(self) -> None:
        """Take connections again, on the same port."""
        self._call(self._listener.listen())

    def hang_up(self) -> None:
        """Break every connection; new ones are taken."""
        self._call(self._listener.hang_up())

    # How it ends.

    def close(self) -> None:
        """Stop; idempotent."""
        if not self._loop.is_closed():
            self._call(self._listener.close())
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def do(self, work: Callable[[], Result]) -> Result:
        """Return what something returns that is run on the server's thread, between requests."""

        async def run() -> Result:
            return work()

        return self._call(run())

    @abstractmethod
    def _open(self) -> None:
        """Make everything that it serves, on its own thread."""

    @abstractmethod
    def _answer(self, request: Request) -> Response:
        """Return the answer to a request.

        Raises:
            Refusal: an answer that is no success.
        """

    @abstractmethod
    def _who(self, request: Request) -> str | None:
        """Return whose request it is, by their address."""

    @abstractmethod
    def _end(self) -> None:
        """Let go of what `_open` made, as far as it came."""

    async def _start(self) -> None:
        self._open()
        (port,) = self._held.numbers
        self._listener = Listener(self._handle, self.now, self._body_bytes_max, port)
        await self._listener.listen()

    async def _handle(self, request: Request) -> Response:
        outcome: list[int] = []

        async def carry_out() -> Response:
            try:
                response = self._answer(request)
            except Refusal as refusal:
                response = of_text(refusal.text, refusal.status)
            outcome.append(response.status)
            return response

        status = None
        try:
            response = await self._troubles.around(request, carry_out)
            status = response.status
            return response
        finally:
            self._write_down(request, status, is_carried_out=bool(outcome))

    def _write_down(self, request: Request, status: int | None, *, is_carried_out: bool) -> None:
        try:
            body = without_secrets(request.json())
        except Refusal:
            body = None
        self._asked.append(
            Asked(
                number=len(self._asked) + 1,
                method=request.method,
                path=request.path,
                query=request.query,
                who=self._who(request),
                body=body,
                status=status,
                is_carried_out=is_carried_out,
            )
        )

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS_MAX)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS_MAX)
        self._end()
        self._loop.close()
        self._held.close()
