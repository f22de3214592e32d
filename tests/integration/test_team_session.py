"""Who we are to a team's server: logins, renewals by one request, and sessions that ended."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clew.team.errors import (
    AuthError,
    MfaRequiredError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.trailbase.blocking import TrailBaseClient
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.login import Credentials, RecordsAuth
from clew.team.trailbase.probe import Api, find_api
from clew.team.trailbase.records import Door
from clew.team.trailbase.session import Session
from clew.team.trailbase.tokens import Tokens, make_tokens
from clew.team.trailbase.transport import Transport
from clew.testing.network import HeldPorts
from clew.testing.trailbase import FakeDocumented, FakeTrailBase, Trouble
from tests.scripted_http import Heard, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

REFRESH = "/api/auth/v1/refresh"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        server.add_user("ann@example.com")
        yield server


@pytest.fixture(autouse=True)
def calm(fake: FakeTrailBase) -> None:
    fake.calm()
    fake.forget()
    fake.set_lifetimes(auth_s=3600)


@asynccontextmanager
async def client(url: str, **kept: object) -> AsyncIterator[AsyncTrailBaseClient]:
    async with AsyncTrailBaseClient(url, **kept) as found:  # type: ignore[arg-type]
        yield found


def logged_in(fake: FakeTrailBase) -> Tokens:
    async def run() -> Tokens:
        async with client(fake.url) as each:
            return (
                await each.authenticate({"email": "ann@example.com", "password": PASSWORD})
            ).tokens

    return asyncio.run(run())


def due(tokens: Tokens, *, over: bool = False) -> Tokens:
    """Return tokens whose bearer ends in two minutes, or has ended."""
    now = time.time_ns()
    end = now - 10**9 if over else now + 120 * 10**9
    return replace(tokens, obtained_at=end - 3600 * 10**9, expires_at=end)


class TestLogin:
    def test_a_password_gives_a_session_whose_tokens_nothing_shows(
        self, fake: FakeTrailBase, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def run() -> None:
            told: list[Tokens | None] = []
            async with client(fake.url, on_tokens=told.append) as ann:
                assert not ann.is_authenticated
                who = await ann.authenticate(Credentials("ann@example.com", PASSWORD))
                assert who.email == "ann@example.com"
                assert who.expires_in_s == pytest.approx(3600, abs=60)
                assert told == [who.tokens]
                assert await ann.teams() == []
                shown = f"{who!r}{ann!r}{ann.session!r}{await ann.server()!r}{who.tokens!r}"
                kept = who.tokens
                secrets = [PASSWORD, kept.bearer, str(kept.refresh), str(kept.csrf)]
                assert not [secret for secret in secrets if secret in shown + caplog.text]

        with caplog.at_level(logging.DEBUG):
            asyncio.run(run())

    @pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"])
    def test_a_wrong_password_and_an_unknown_address_are_told_alike(
        self, fake: FakeTrailBase, email: str
    ) -> None:
        async def run() -> None:
            async with client(fake.url) as ann:
                with pytest.raises(AuthError) as raised:
                    await ann.authenticate(Credentials(email, "wrong-wrong"))
                assert "wrong-wrong" not in str(raised.value)
                assert not ann.is_authenticated

        asyncio.run(run())

    def test_three_wrong_ones_are_too_many(self, fake: FakeTrailBase) -> None:
        fake.add_user("often@example.com")

        async def run() -> None:
            async with client(fake.url, api=Api.TRAILBASE) as often:
                for _ in range(3):
                    with pytest.raises(AuthError):
                        await often.authenticate(Credentials("often@example.com", "wrong-wrong"))
                with pytest.raises(RateLimitError):
                    await often.authenticate(Credentials("often@example.com", PASSWORD))

        asyncio.run(run())

    def test_a_one_time_code_is_asked_for_and_taken_in_either_way(
        self, fake: FakeTrailBase
    ) -> None:
        eve = fake.add_user("eve@example.com", totp_secret=b"0123456789abcdef0123")

        async def run() -> None:
            given = Credentials("eve@example.com", PASSWORD)
            async with client(fake.url) as each:
                with pytest.raises(MfaRequiredError) as raised:
                    await each.authenticate(given)
                assert raised.value.token not in f"{raised.value}{raised.value!r}"
                with pytest.raises(AuthError):
                    await each.login_mfa(raised.value.token, "000000")
                code = eve.totp(fake.now())
                assert (await each.login_mfa(raised.value.token, code)).email == eve.email
            async with client(fake.url) as each:
                fake.advance(30)
                code = eve.totp(fake.now())
                assert (await each.authenticate(replace(given, totp=code))).email == eve.email

        asyncio.run(run())

    def test_a_registration_gives_no_session_until_the_mail_is_answered(
        self, fake: FakeTrailBase
    ) -> None:
        async def run() -> None:
            given = Credentials("new@example.com", PASSWORD)
            async with client(fake.url) as new:
                assert await new.register(given) is None
                assert not new.is_authenticated
                with pytest.raises(AuthError) as raised:
                    await new.authenticate(given)
                assert "verified" in (raised.value.hint or "")
                with pytest.raises(ValidationError):
                    await new.register(Credentials("short@example.com", "short"))

        asyncio.run(run())

    def test_a_logout_ends_this_session_alone_and_forgets_the_tokens_whatever_happens(
        self, fake: FakeTrailBase
    ) -> None:
        other = logged_in(fake)

        async def run() -> None:
            told: list[Tokens | None] = []
            tokens = await _fresh(fake)
            async with client(fake.url, tokens=tokens, on_tokens=told.append) as ann:
                await ann.logout()
                assert told == [None]
                with pytest.raises(AuthError):
                    await ann.teams()
            async with client(fake.url, tokens=due(tokens, over=True)) as ann:
                with pytest.raises(AuthError):
                    await ann.teams()
            async with client(fake.url, tokens=due(other, over=True)) as ann:
                assert await ann.teams() == []
                fake.order(Trouble.REFUSED, path="/api/auth/v1/logout")
                with pytest.raises(ServerError):
                    await ann.logout()
                assert not ann.is_authenticated

        asyncio.run(run())

    def test_a_code_that_came_by_mail_is_a_login_where_the_server_offers_it(self) -> None:
        def script(request: Heard) -> bytes:
            match request.path.removeprefix("/api/auth/v1"):
                case "/api/healthcheck":
                    return answer(b"Ok")
                case "/status":
                    return answer({"auth_token": None})
                case "/otp/request":
                    return answer(b"")
                case "/otp/login" if request.json() == {"email": "a@b.c", "code": "123456"}:
                    return answer({"auth_token": "a.e30.c", "refresh_token": "r"})
                case _:
                    return answer(b"", 401)

        async def run(url: str) -> None:
            async with client(url) as each:
                await each.request_otp("a@b.c")
                with pytest.raises(AuthError):
                    await each.login_otp("a@b.c", "000000")
                await each.login_otp("a@b.c", "123456")
                assert each.is_authenticated

        with ScriptedServer(script) as server:
            asyncio.run(run(server.url))

    def test_a_login_that_answers_without_tokens_is_none(self) -> None:
        bodies: list[object] = [{}, [], b"", {"auth_token": 3}, {"auth_token": "two words"}]

        def script(request: Heard) -> bytes:
            return answer(bodies[0] if request.path.endswith("/login") else b"", 200)

        async def run(url: str) -> None:
            async with client(url, api=Api.TRAILBASE) as each:
                with pytest.raises((SyncError, ServerError)):
                    await each.authenticate(Credentials("a@b.c", PASSWORD))
                assert not each.is_authenticated

        while bodies:
            with ScriptedServer(script) as server:
                asyncio.run(run(server.url))
            bodies.pop(0)


class TestRenewal:
    def test_a_bearer_that_ends_soon_is_renewed_once_for_many_tasks(
        self, fake: FakeTrailBase
    ) -> None:
        tokens = due(logged_in(fake))

        async def run() -> None:
            told: list[Tokens | None] = []
            async with client(fake.url, tokens=tokens, on_tokens=told.append) as ann:
                await asyncio.gather(*(ann.get("/api/records/v1/teams") for _ in range(20)))
                (newer,) = told
                assert newer is not None
                # The server gave no refresh token with it: the old one goes on.
                assert newer.refresh == tokens.refresh
                assert newer.bearer != tokens.bearer or newer.expires_at != tokens.expires_at

        asyncio.run(run())
        assert fake.count("POST", REFRESH) == 1

    def test_it_is_renewed_once_for_many_threads_each_with_a_loop_of_its_own(
        self, fake: FakeTrailBase
    ) -> None:
        session = Session(RecordsAuth(), due(logged_in(fake)))
        together, failures = threading.Barrier(8), list[BaseException]()

        def work() -> None:
            async def run() -> None:
                transport = Transport(fake.url)
                together.wait()
                await asyncio.gather(*(session.headers(transport) for _ in range(5)))
                await transport.close()

            try:
                asyncio.run(run())
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert fake.count("POST", REFRESH) == 1

    def test_the_client_without_a_loop_renews_once_for_all_threads(
        self, fake: FakeTrailBase
    ) -> None:
        with TrailBaseClient(fake.url, tokens=due(logged_in(fake))) as ann:
            threads = [threading.Thread(target=ann.teams) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert fake.count("POST", REFRESH) == 1

    def test_one_that_is_cancelled_while_it_renews_leaves_it_to_another(
        self, fake: FakeTrailBase
    ) -> None:
        async def run() -> None:
            session = Session(RecordsAuth(), due(await _fresh(fake)))
            transport = Transport(fake.url)
            hold = fake.hold(path=REFRESH)
            first = asyncio.create_task(session.headers(transport))
            await asyncio.to_thread(hold.wait)
            others = [asyncio.create_task(session.headers(transport)) for _ in range(3)]
            others[0].cancel()
            await asyncio.wait(others, timeout=0.01)
            first.cancel()
            found = await asyncio.gather(*others, return_exceptions=True)
            assert [type(each) for each in found] == [asyncio.CancelledError, dict, dict]
            hold.release()
            await transport.close()

        asyncio.run(run())

    def test_a_session_that_ended_is_told_and_not_asked_for_again(
        self, fake: FakeTrailBase
    ) -> None:
        user = fake.add_user("ended@example.com")

        async def run() -> None:
            async with client(fake.url) as each:
                await each.authenticate(Credentials(user.email, PASSWORD))
                tokens = each.session.tokens
                assert tokens is not None
                each.session.set_tokens(due(tokens))
                fake.end_sessions(user)
                outcomes = await asyncio.gather(
                    *(each.teams() for _ in range(5)), return_exceptions=True
                )
                assert [type(outcome) for outcome in outcomes] == [AuthError] * 5
                with pytest.raises(AuthError):
                    await each.teams()

        asyncio.run(run())
        assert fake.count("POST", REFRESH) == 1
        assert fake.count("GET", "/api/records") == 0

    def test_a_server_that_is_away_stops_nothing_until_the_bearer_has_ended(
        self, fake: FakeTrailBase
    ) -> None:
        tokens = logged_in(fake)

        async def run() -> None:
            fake.order(Trouble.REFUSED, path=REFRESH, times=2)
            async with client(fake.url, tokens=due(tokens)) as ann:
                assert await ann.teams() == []
            async with client(fake.url, tokens=due(tokens, over=True)) as ann:
                with pytest.raises(ServerError):
                    await ann.teams()
                assert await ann.teams() == []

        asyncio.run(run())

    def test_debug_servers_give_two_minutes_and_the_last_fifth_is_for_renewing(
        self, fake: FakeTrailBase
    ) -> None:
        fake.set_lifetimes(auth_s=120)
        tokens = logged_in(fake)
        assert tokens.expires_at is not None
        assert not tokens.is_due(tokens.obtained_at + 90 * 10**9)
        assert tokens.is_due(tokens.obtained_at + 100 * 10**9)

    def test_a_bearer_that_the_server_takes_for_nobodys_is_renewed_after_a_refusal(
        self, fake: FakeTrailBase
    ) -> None:
        tokens = logged_in(fake)
        strange = replace(tokens, bearer="e30.e30.nobodys")

        async def run() -> None:
            async with client(fake.url, tokens=strange, api=Api.TRAILBASE) as ann:
                door = Door(ann.transport, ann.session)
                # Anonymous may not even list: the refusal is looked into, once.
                await door.ask("GET", "/api/records/v1/teams")
                for _ in range(3):
                    with pytest.raises((TeamError,)):
                        await door.ask("POST", "/api/records/v1/team_members", body={})

        asyncio.run(run())
        assert fake.count("POST", REFRESH) <= 2

    def test_a_bearer_that_ended_by_the_servers_clock_alone_is_renewed_as_well(
        self, fake: FakeTrailBase
    ) -> None:
        tokens = logged_in(fake)

        async def run() -> None:
            fake.advance(2 * 3600)
            async with client(fake.url, tokens=tokens) as ann:
                # To the server we are nobody, who may not even list.
                assert await ann.teams() == []
            fake.advance(-2 * 3600)

        asyncio.run(run())
        assert fake.count("POST", REFRESH) == 1

    def test_who_the_server_takes_us_for_can_be_asked(self, fake: FakeTrailBase) -> None:
        tokens = logged_in(fake)

        async def run() -> None:
            async with client(fake.url) as ann:
                assert await ann.status() is None
                ann.session.set_tokens(tokens)
                found = await ann.status()
                assert found is not None
                assert found.email == "ann@example.com"
                assert found.tokens.refresh == tokens.refresh
                ann.session.set_tokens(replace(tokens, bearer="e30.e30.no", refresh="nobodys"))
                assert await ann.status() is None

        asyncio.run(run())

    def test_an_api_key_is_sent_as_it_is_and_never_renewed(self, fake: FakeTrailBase) -> None:
        bearer = logged_in(fake).bearer

        async def run() -> None:
            async with client(fake.url) as ann:
                ann.set_api_key(bearer)
                assert await ann.teams() == []
                ann.clear_api_key()
                with pytest.raises(AuthError):
                    await ann.teams()

        asyncio.run(run())


class TestFindingTheApi:
    def test_trailbase_and_both_spellings_of_the_documented_one_are_told_apart(
        self, fake: FakeTrailBase
    ) -> None:
        async def run() -> None:
            with FakeDocumented() as plain, FakeDocumented("/api/auth") as under:
                found = []
                for server in (fake, plain, under):
                    transport = Transport(server.url)
                    found.append(await find_api(transport))
                    await transport.close()
                assert found == [Api.TRAILBASE, Api.DOCUMENTED, Api.DOCUMENTED_UNDER_API]

        asyncio.run(run())

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (404, b"", SyncError),
            (200, b"<html>an application</html>", SyncError),
            (200, b"Ok", SyncError),
            (302, b"", SyncError),
            (503, b"", ServerError),
            (429, b"", RateLimitError),
        ],
    )
    def test_what_is_neither_is_told_and_gets_no_token(
        self, status: int, body: bytes, kind: type[TeamError]
    ) -> None:
        async def run(url: str) -> None:
            tokens = make_tokens("bearer-that-nobody-gets")
            async with client(url, tokens=tokens) as each:
                with pytest.raises(kind) as raised:
                    await each.teams()
                assert type(raised.value) is kind

        with ScriptedServer(lambda _: answer(body, status, {"Location": "/login"})) as server:
            asyncio.run(run(server.url))
            assert server.heard
            for request in server.heard:
                assert "bearer-that-nobody-gets" not in str(request)

    def test_a_server_that_is_not_there_is_a_matter_of_the_network(self) -> None:
        held = HeldPorts(1)

        async def run() -> None:
            async with client(f"http://{held.addresses[0]}") as each:
                with pytest.raises(NetworkError):
                    await each.authenticate(Credentials("ann@example.com", PASSWORD))

        asyncio.run(run())


def test_a_client_that_is_closed_lets_go_of_whoever_waits(fake: FakeTrailBase) -> None:
    ann = TrailBaseClient(fake.url, tokens=logged_in(fake), api=Api.TRAILBASE)
    hold = fake.hold(path="/api/records")
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            ann.teams()
        except NetworkError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    hold.wait()
    ann.close()
    thread.join(120)
    hold.release()
    assert [type(each) for each in outcome] == [NetworkError]
    assert ann.teams() == []  # It begins anew.
    ann.close()
    ann.close()


def test_what_is_not_there_is_told_from_what_went_wrong(fake: FakeTrailBase) -> None:
    async def run() -> None:
        async with client(fake.url, tokens=await _fresh(fake)) as ann:
            with pytest.raises(SyncError):
                await ann.get("/api/records/v1/no_such_api")
            with pytest.raises(NotFoundError):
                await ann.get("/api/nothing")

    asyncio.run(run())


async def _fresh(fake: FakeTrailBase) -> Tokens:
    return await asyncio.to_thread(logged_in, fake)
