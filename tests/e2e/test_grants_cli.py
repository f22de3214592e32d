"""`clew grants` and `clew app-keys`, as a person meets them."""

from __future__ import annotations

import pytest

from clew.testing.server import ServerProcess
from clew.tree.frames.keys import Signer
from tests.e2e.terminal import Ended, clew


@pytest.fixture(scope="module")
def planner(server: ServerProcess) -> str:
    made = clew("spawn", "planner", server=server.url)
    assert made.code == 0, made.stderr
    return str(made.document["app"]["app_id"])


def test_a_grant_is_given_shown_and_taken_back(server: ServerProcess, planner: str) -> None:
    def grants(*arguments: str) -> Ended:
        return clew("grants", *arguments, server=server.url)

    made = grants("add", "planner", "key:ci", "--role", "control", "--role", "read", "--alone")
    assert made.code == 0, made.stderr
    grant = made.document["grant"]
    assert (grant["app_id"], grant["roles"]) == (planner, ["control", "read"])
    assert (grant["cascade"], grant["expires_at"]) == (False, None)
    short = grants("add", planner, "key:ann", "--role", "read", "--expires-in", "2h")
    assert short.document["grant"]["expires_at"] > grant["created_at"]
    listed = grants("list", "--app-id", "planner", "--format", "table")
    assert "control read" in listed.stdout
    assert "2 grants" in listed.stdout
    assert len(grants("list", "--sub", "key:ci").document["grants"]) == 1
    assert grants("remove", grant["id"]).document["grant"] == grant
    assert grants("remove", grant["id"]).code == 2
    assert len(grants("list").document["grants"]) == 1
    assert "planner" not in grants("list", "--sub", "key:nobody").stdout


def test_a_public_key_is_revoked_shown_and_lifted(server: ServerProcess, planner: str) -> None:
    def app_keys(*arguments: str) -> Ended:
        return clew("app-keys", *arguments, server=server.url)

    key = Signer().pub_key
    made = app_keys("revoke", key, "--reason", "laptop lost")
    assert made.document["revoked_key"]["reason"] == "laptop lost", made.stderr
    shown = app_keys("list", "--format", "table")
    assert key in shown.stdout
    assert "laptop lost" in shown.stdout
    assert app_keys("lift", key).code == 0
    assert app_keys("lift", key).code == 2
    # It was announced, and has not joined: there is no key yet.
    said = app_keys("revoke", "planner")
    assert said.code == 2
    assert "has a key once it has joined" in said.error["hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["grants", "add", "planner", "key:ci"],
        ["grants", "add", "planner", "key:ci", "--role", "root"],
        ["grants", "add", "planner", "two words", "--role", "read"],
        ["grants", "add", "planner", "key:ci", "--role", "read", "--expires-in", "soon"],
        ["app-keys", "revoke", "ed25519:AAAA"],
        ["app-keys", "lift", "planner"],
    ],
)
def test_what_is_no_grant_and_no_key_has_its_exit_code(
    server: ServerProcess, planner: str, arguments: list[str]
) -> None:
    said = clew(*arguments, server=server.url)
    assert (said.code, bool(said.error["hint"])) == (3, True), said.stderr
