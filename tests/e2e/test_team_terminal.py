"""`clew team` on a terminal: what it asks a person, and what it never shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from clew.testing.server import ServerProcess
from clew.testing.trailbase import FakeTrailBase
from tests.e2e.terminal import Ended, clew, clew_on_terminal
from tests.integration.wire import ask

PASSWORD = "correct horse battery"
SECRET = b"secret of a second factor"
ASKS, ASKS_CODE, SURE = "Password of ", "Code of your authenticator: ", "[y/N] "


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        server.add_user("ann@example.org", PASSWORD)
        server.add_user("mfa@example.org", PASSWORD, totp_secret=SECRET)
        yield server


@pytest.fixture(autouse=True)
def _nobody_stays_connected(server: ServerProcess) -> Iterator[None]:
    yield
    headers = {"content-type": "application/json"}
    ask(server.url, "POST", "/api/v1/team/disconnect", b'{"force": true}', headers)


def is_connected(server: ServerProcess) -> bool:
    return bool(ask(server.url, "GET", "/api/v1/team").document["connected"])


def say(server: ServerProcess, *arguments: str, typed: dict[str, str]) -> Ended:
    """Run a command on a terminal, and answer what it asks."""
    answers = [(question, f"{answer}\n") for question, answer in typed.items()]
    return clew_on_terminal("team", *arguments, server=server.url, answers=answers)


def test_a_password_is_asked_for_and_not_shown_and_who_goes_away_is_asked_first(
    server: ServerProcess, fake: FakeTrailBase
) -> None:
    arguments = ("connect", fake.url, "--email", "ann@example.org")
    wrong = say(server, *arguments, typed={ASKS: "not the right one"})
    assert wrong.code == 5
    assert "Password of ann@example.org:" in wrong.stdout
    assert "not the right one" not in wrong.stdout
    done = say(server, *arguments, typed={ASKS: PASSWORD})
    assert done.code == 0, done.stdout
    assert PASSWORD not in done.stdout
    assert "ann@example.org" in done.stdout
    assert is_connected(server)
    no = say(server, "disconnect", typed={SURE: ""})
    assert no.code == 1
    assert re.search(r"wipe the tokens, .*\[y/N\]", no.stdout)
    assert "nothing was wiped" in no.stdout
    assert is_connected(server)
    assert say(server, "disconnect", typed={SURE: "y"}).code == 0
    assert not is_connected(server)


def test_a_second_factor_is_asked_for_where_the_account_has_one(
    server: ServerProcess, fake: FakeTrailBase
) -> None:
    arguments = ("connect", fake.url, "--email", "mfa@example.org")
    wrong = say(server, *arguments, typed={ASKS: PASSWORD, ASKS_CODE: "000000"})
    assert ASKS_CODE in wrong.stdout
    assert wrong.code == 5, wrong.stdout
    code = fake.find_user("mfa@example.org").totp(fake.now())
    done = say(server, *arguments, typed={ASKS: PASSWORD, ASKS_CODE: code})
    assert done.code == 0, done.stdout
    assert PASSWORD not in done.stdout
    # Down a pipe nobody is there to answer: the error says what is missing.
    environ = {"CLEW_TEAM_PASSWORD": PASSWORD}
    piped = clew("team", *arguments, server=server.url, environ=environ)
    assert piped.code == 3
    assert "--totp" in piped.error["hint"]
