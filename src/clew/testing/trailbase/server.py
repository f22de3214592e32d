"""The fake server: a thread with an event loop of its own, on a port of the loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from clew.team.bootstrap.files import CONFIGURATION, MIGRATIONS, find_folder
from clew.testing.trailbase.accounts import Accounts, FakeUser, Tokens
from clew.testing.trailbase.configuration import read_configuration
from clew.testing.trailbase.database import Database
from clew.testing.trailbase.http import Listener, Request, Response, of_text
from clew.testing.trailbase.login import LoginDesk, Mail
from clew.testing.trailbase.records import RecordDesk
from clew.testing.trailbase.subscriptions import Exchange
from clew.testing.trailbase.troubles import Asked, Hold, Trouble, Troubles, without_secrets
from clew.testing.trailbase.values import Refusal, SqlValue

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

AUTH: Final = "/api/auth/v1"
RECORDS: Final = "/api/records/v1/"
TRANSACTION: Final = "/api/transaction/v1/execute"

START_SECONDS_MAX: Final = 10.0
"""When a start or a call is given up: a hundred times what it takes."""

NS_PER_S: Final = 1_000_000_000

Result = TypeVar("Result")


class FakeTrailBase:
    """A TrailBase server over the files of `folder`, by default those that clew brings.

    It listens from the moment it is made until `close`, and may be used from any thread but its
    own. What it does not do as the server does, it does not do: a configuration with more than it
    knows is refused.

    Raises:
        ValueError: the real server would not start with these files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = find_folder() if folder is None else folder
        self._offset_ns = 0
        self._asked: list[Asked] = []
        self._troubles = Troubles()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake-trailbase", daemon=True)
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self._stop()
            raise

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    # Who there is.

    def add_user(
        self,
        email: str,
        password: str = "correct horse",  # noqa: S107 - of a fake
        *,
        is_verified: bool = True,
        totp_secret: bytes | None = None,
    ) -> FakeUser:
        """Make an account.

        Raises:
            ValueError: there is one with this address.
        """
        return self.do(
            lambda: self._accounts.add(
                email, password, is_verified=is_verified, totp_secret=totp_secret
            )
        )

    def token(self, user: FakeUser) -> str:
        """Return a bearer for somebody, without a login."""
        return self.do(lambda: self._accounts.mint(user))

    def log_in(self, user: FakeUser) -> Tokens:
        """Return the tokens of a login.

        Raises:
            ValueError: a second factor is asked for.
        """
        outcome = self.do(lambda: self._accounts.log_in(user.email, user.password))
        if isinstance(outcome, str):
            raise ValueError(f"{user.email} has a second factor")  # noqa: TRY004 - a state, no type
        return outcome

    def end_sessions(self, user: FakeUser) -> None:
        """End all sessions of somebody, as an administrator may; their bearers stay good."""
        self.do(lambda: self._accounts.end_all(user))

    @property
    def mails(self) -> list[Mail]:
        """What would have been sent, the oldest first."""
        return list(self._login.mails)

    def set_mail(self, *, works: bool) -> None:
        """Have mails go out or not."""
        self._login.has_mail = works

    def set_lifetimes(self, *, auth_s: int | None = None, refresh_s: int | None = None) -> None:
        """Set how long tokens are good that are given from now on."""
        if auth_s is not None:
            self._accounts.auth_ttl_s = auth_s
        if refresh_s is not None:
            self._accounts.refresh_ttl_s = refresh_s

    # What time it is.

    def now(self) -> int:
        """Return the server's time in Unix nanoseconds."""
        return time.time_ns() + self._offset_ns

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number sets the clock back."""
        self._offset_ns += round(seconds * NS_PER_S)

    # What is in it.

    def read(self, sql: str, values: Sequence[SqlValue] = ()) -> list[dict[str, SqlValue]]:
        """Return the rows of a question to its database."""
        return self.do(
            lambda: [
                dict(zip(row.keys(), tuple(row), strict=True))
                for row in self._database.read(sql, values)
            ]
        )

    def write(self, sql: str, values: Sequence[SqlValue] = ()) -> None:
        """Run a statement on its database; subscribers are told."""
        self.do(lambda: self._database.write(sql, values))

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

    def restart(self) -> None:
        """Restart: connections and streams break, cursors are forgotten, sessions are not."""
        self._call(self._restart())

    def go_offline(self) -> None:
        """Refuse connections, and break those that there are."""
        self._call(self._listener.close())

    def go_online(self) -> None:
        """Take connections again, on the same port."""
        self._call(self._listener.listen())

    def hang_up(self) -> None:
        """Break every connection; new ones are taken."""
        self._call(self._listener.hang_up())

    def lose_events(self, count: int) -> None:
        """Have no subscriber hear of the next changes; whoever hears of a later one learns it."""
        self.do(lambda: self._exchange.lose(count))

    def stall_events(self, *, is_stalled: bool) -> None:
        """Have streams stand still, so that their channels fill up, or go on."""
        self.do(lambda: self._exchange.stall(is_stalled=is_stalled))

    def set_keep_alive(self, seconds: float) -> None:
        """Set how often a quiet stream sends a comment, for streams that are opened later."""
        self._exchange.keep_alive_s = seconds

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return self.do(lambda: self._exchange.count)

    def answer_with_ids(self) -> None:
        """Answer transactions as servers did before version 0.30."""
        self._records.answers_ids = True

    # How it ends.

    def close(self) -> None:
        """Stop; idempotent.

        Raises:
            RuntimeError: a rule of the configuration failed while it ran, which nobody saw: the
                server takes that for a no.
        """
        if self._loop.is_closed():
            return
        self._call(self._listener.close())
        problems = [
            problem for shelf in self._records.shelves.values() for problem in shelf.access.problems
        ]
        self._stop()
        if problems:
            raise RuntimeError(f"rules that failed: {problems}")

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

    async def _start(self) -> None:
        configuration = read_configuration((self._folder / CONFIGURATION).read_text())
        self._exchange = Exchange()
        self._database = Database(self.now, self._exchange.publish)
        self._database.migrate(list((self._folder / MIGRATIONS).rglob("*.sql")))
        self._accounts = Accounts(self._database, self.now)
        if configuration.auth_ttl_s is not None:
            self._accounts.auth_ttl_s = configuration.auth_ttl_s
        if configuration.refresh_ttl_s is not None:
            self._accounts.refresh_ttl_s = configuration.refresh_ttl_s
        self._login = LoginDesk(
            self._accounts,
            self.now,
            password_chars_min=configuration.password_chars_min,
            posts_per_ip=configuration.auth_posts_per_ip,
        )
        self._records = RecordDesk(self._database, configuration)
        self._listener = Listener(self._handle, self.now, configuration.body_bytes_max)
        await self._listener.listen()

    async def _restart(self) -> None:
        await self._listener.close()
        self._records.forget_cursors()
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

    def _answer(self, request: Request) -> Response:
        path = request.path
        if path == "/api/healthcheck":
            return of_text("Ok")
        if path.startswith(f"{AUTH}/"):
            return self._login.answer(request, path.removeprefix(AUTH))
        user = self._accounts.bearer(request.headers.get("authorization"))
        person = user.key if user else None
        if path == TRANSACTION and request.method == "POST":
            return self._records.execute(request, person)
        if path.startswith(RECORDS):
            parts = path.removeprefix(RECORDS).rstrip("/").split("/")
            if request.method == "GET" and parts[1:2] == ["subscribe"] and len(parts) == 3:
                shelf = self._records.shelf(parts[0])
                return self._exchange.subscribe(shelf, parts[2], request, user)
            return self._records.answer(request, parts, person)
        raise Refusal(404)

    def _write_down(self, request: Request, status: int | None, *, is_carried_out: bool) -> None:
        user = self._accounts.bearer(request.headers.get("authorization"))
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
                who=user.email if user else None,
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
        if hasattr(self, "_database"):
            self._database.close()
        self._loop.close()
