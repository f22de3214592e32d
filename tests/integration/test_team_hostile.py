"""A team's server that lies or is ill: what it says reaches nothing that it could break."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.team.errors import AuthError, SyncError
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.rows import Account, RoundOutcome
from clew.team.ledger.schema import SCHEMA
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.syncing import pull
from clew.team.syncing.course import Course
from clew.team.syncing.round import run_round
from clew.team.teams.accounts import Accounts
from clew.team.trailbase import membership
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.layout import remote_of
from clew.team.trailbase.login import RecordsAuth
from clew.team.trailbase.probe import Api
from clew.team.trailbase.session import Session
from clew.team.trailbase.tokens import Tokens, base64_of
from clew.team.trailbase.transport import Transport
from clew.team.vault.sealed import FileVault
from tests.scripted_http import Heard, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.team.ledger.rows import Round

ACCOUNT = "a" * 32
ME = "0190c3a4-5b6c-7d8e-8f90-a1b2c3d4e5f6"
TOKENS = Tokens("bearer-of-mine", user_id=ME)
LATEST = 2**63 - 1


def a_record(seq: int, **said: Any) -> dict[str, Any]:
    record = {
        "id": base64_of(new_uuid(time.time_ns())),
        "owner": base64_of(ME),
        "name": "Night watch",
        "created_at": "2026-01-01T00:00:00Z",
        "last_modified": "2026-01-01T00:00:00Z",
        "version": 1,
        "server_seq": seq,
        "updated_at": 1_767_225_600_000,
        "op_id": None,
        "deleted": 0,
        "more": "{}",
    }
    return {**record, **said}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "ledger").mkdir()
    options = DatabaseOptions(file_name="team.db")
    database = SqliteDatabase.open(tmp_path / "ledger", [SESSIONS, SCHEMA], options)
    yield Ledger(database, time.time_ns)
    database.close()


def round_with(server: ScriptedServer, ledger: Ledger, api: Api = Api.TRAILBASE) -> Round:
    async def run() -> Round:
        account = Account(ACCOUNT, server.url, ME, time.time_ns(), api=api.value)
        ledger.connect(account).result()
        async with AsyncTrailBaseClient(server.url, tokens=TOKENS, api=api) as client:
            done, _ = await run_round(Course(ledger, await client.server(), ACCOUNT), time.time_ns)
        return done

    return asyncio.run(run())


def test_a_clock_that_cannot_be_is_not_gone_by(ledger: Ledger) -> None:
    dates = {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}

    def script(_: Heard) -> bytes:
        return answer({"records": [], "purged_seq": 0}, headers=dates)

    with ScriptedServer(script) as server:
        done = round_with(server, ledger)
    assert done.outcome is RoundOutcome.DONE
    account = ledger.find_account(ACCOUNT)
    assert account is not None
    assert account.clock_offset_ns == 0


@pytest.mark.parametrize("column", ["updated_at", "server_seq", "version"])
def test_numbers_that_no_time_or_count_can_be_end_the_record_and_not_the_ledger(
    ledger: Ledger, column: str
) -> None:
    record = a_record(1, **{column: LATEST if column == "updated_at" else LATEST + 1})

    def script(heard: Heard) -> bytes:
        is_list = heard.path.endswith("/teams")
        return answer({"records": [record] if is_list else [], "purged_seq": 0})

    with ScriptedServer(script) as server:
        done = round_with(server, ledger)
    assert done.outcome is RoundOutcome.FAILED
    assert "not as clew's tables have it" in (done.error or "")
    assert ledger.find_entities(ACCOUNT, "teams") == []


def test_a_record_as_late_as_a_clock_goes_is_kept() -> None:
    assert remote_of("teams", a_record(1, updated_at=LATEST // 10**6)).updated_at <= LATEST


def test_a_list_without_an_end_ends(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAGES_MAX", 3)
    asked: list[int] = []

    def script(heard: Heard) -> bytes:
        if not heard.path.endswith("/teams"):
            return answer({"records": [], "purged_seq": 0})
        query = parse_qs(heard.target.partition("?")[2])
        since = int(query["filter[server_seq][$gt]"][0])
        asked.append(since)
        team = base64_of(ME)
        seqs = range(since + 1, since + 501)
        return answer({"records": [a_record(seq, id=team, version=seq) for seq in seqs]})

    with ScriptedServer(script) as server:
        done = round_with(server, ledger)
    assert done.outcome is RoundOutcome.FAILED
    assert "more than" in (done.error or "")
    assert len(asked) == 3


def test_a_kind_with_more_changes_than_a_round_takes_goes_on_in_the_next(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "PAGES_MAX", 2)
    team = base64_of(ME)

    def script(heard: Heard) -> bytes:
        query = parse_qs(heard.target.partition("?")[2])
        if heard.path.endswith("/teams"):
            return answer({"records": [a_record(1, id=team)]})
        if not heard.path.endswith("/team_comments"):
            return answer({"records": [], "purged_seq": 0})
        since = int(query["filter[server_seq][$gt]"][0])
        seqs = range(since + 1, min(since + 500, 1200) + 1)
        said = {"team_id": team, "trace_id": "1" * 32, "author": "ann", "body": "so"}
        return answer({"records": [a_record(seq, **said) for seq in seqs]})

    with ScriptedServer(script) as server:
        first = round_with(server, ledger)
        assert (first.outcome, first.pulled) == (RoundOutcome.FAILED, 1001)
        second = round_with(server, ledger)
    assert (second.outcome, second.pulled) == (RoundOutcome.DONE, 200)


def test_a_time_ahead_of_everybodys_clock_hides_no_later_change(ledger: Ledger) -> None:
    said = {
        "id": "team-1",
        "remote_id": "team-1",
        "name": "Night watch",
        "created_by": ME,
        "created_at": "2026-01-01T00:00:00Z",
        "last_modified": "2200-01-01T00:00:00Z",
    }
    asked: list[str] = []

    def script(heard: Heard) -> bytes:
        if heard.path == "/api/team/members":
            asked.append(heard.target)
            return answer([{**said, "remote_id": "m", "user_id": ME, "email": "a@b", "role": "x"}])
        return answer([said] if heard.path == "/api/teams" else [])

    with ScriptedServer(script) as server:
        for _ in range(2):
            assert round_with(server, ledger, Api.DOCUMENTED).outcome is RoundOutcome.DONE
    assert "since" not in asked[0]
    assert f"since={time.gmtime().tm_year}" in asked[1]


def test_a_renewal_that_makes_us_somebody_else_ends_the_session() -> None:
    other = new_uuid(time.time_ns())

    def script(_: Heard) -> bytes:
        return answer({"auth_token": jwt(other), "csrf_token": "c"})

    async def run(url: str) -> None:
        now = time.time_ns()
        due = replace(
            TOKENS, refresh="again", obtained_at=now - 100 * NS_PER_S, expires_at=now + NS_PER_S
        )
        session, transport = Session(RecordsAuth(), due), Transport(url)
        try:
            with pytest.raises(AuthError):
                await session.headers(transport)
            assert session.user_id == ME
        finally:
            await transport.close()

    with ScriptedServer(script) as server:
        asyncio.run(run(server.url))


def jwt(user_id: str) -> str:
    import json
    from base64 import urlsafe_b64encode

    claims = {"sub": base64_of(user_id), "iat": int(time.time()), "exp": int(time.time()) + 3600}
    body = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_an_invite_that_ends_after_time_does_is_none() -> None:
    record = {
        "id": base64_of(ME),
        "team_id": base64_of(ME),
        "code": "c",
        "role": "member",
        "expires_at": LATEST,
        "uses": 0,
        "uses_max": 1,
        "deleted": 0,
        "version": 1,
    }

    async def run(url: str) -> None:
        async with AsyncTrailBaseClient(url, tokens=TOKENS, api=Api.TRAILBASE) as client:
            with pytest.raises(SyncError):
                await membership.read_invites(await client.server(), ME)  # type: ignore[arg-type]

    with ScriptedServer(lambda _: answer({"records": [record]})) as server:
        asyncio.run(run(server.url))


def test_who_lost_the_key_of_the_vault_can_still_go_away(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "tokens"

    async def run(url: str) -> None:
        FileVault(folder, b"the key of yesterday").keep(url, ME, TOKENS.to_secret())
        vault = FileVault(folder, b"the key of this day!")
        accounts = Accounts(ledger, lambda: vault, time.time_ns)
        account = Account(ACCOUNT, url, ME, time.time_ns(), api="trailbase")
        ledger.connect(account).result()
        await accounts.logout(account)
        await accounts.close()

    with ScriptedServer(lambda _: answer()) as server:
        asyncio.run(run(server.url))
    assert server.heard == []
    assert ledger.find_accounts() == []
    assert list(folder.iterdir()) == []
