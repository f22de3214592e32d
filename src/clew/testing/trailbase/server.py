"""The fake of TrailBase: what it holds, what it answers, what may be set about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.team.bootstrap.files import CONFIGURATION, MIGRATIONS, find_folder
from clew.testing.trailbase.accounts import Accounts, FakeUser, Tokens
from clew.testing.trailbase.configuration import read_configuration
from clew.testing.trailbase.database import Database
from clew.testing.trailbase.host import FakeHost
from clew.testing.trailbase.http import Request, Response, of_text
from clew.testing.trailbase.login import LoginDesk, Mail
from clew.testing.trailbase.records import RecordDesk
from clew.testing.trailbase.subscriptions import Exchange
from clew.testing.trailbase.values import Refusal, SqlValue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AUTH: Final = "/api/auth/v1"
RECORDS: Final = "/api/records/v1/"
TRANSACTION: Final = "/api/transaction/v1/execute"


class FakeTrailBase(FakeHost):
    """A TrailBase server over the files of `folder`, by default those that clew brings.

    It listens from the moment it is made until `close`, and may be used from any thread but its
    own. What it does not do as the server does, it does not do: a configuration with more than it
    knows is refused.

    Raises:
        ValueError: the real server would not start with these files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = find_folder() if folder is None else folder
        super().__init__()

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

    def find_user(self, email: str) -> FakeUser:
        """Return whose address it is.

        Raises:
            KeyError: nobody's.
        """
        user = self.do(lambda: self._accounts.find(email))
        if user is None:
            raise KeyError(email)
        return user

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

    # What goes wrong.

    def restart(self) -> None:
        """Restart: connections and streams break, cursors are forgotten, sessions are not."""
        self._call(self._restart())

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
        super().close()
        problems = [
            problem for shelf in self._records.shelves.values() for problem in shelf.access.problems
        ]
        if problems:
            raise RuntimeError(f"rules that failed: {problems}")

    def _open(self) -> None:
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
        self._body_bytes_max = configuration.body_bytes_max

    def _end(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    async def _restart(self) -> None:
        await self._listener.close()
        self._records.forget_cursors()
        await self._listener.listen()

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

    def _who(self, request: Request) -> str | None:
        user = self._accounts.bearer(request.headers.get("authorization"))
        return user.email if user else None
