"""Requests that apps sign, or say they send: found out over a real registry, with a moved clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clew.access.caller import LOCAL, CallerKind, Role, Verb
from clew.access.parameters import AuditQuery, NewKey
from clew.access.registry import AccessRegistry
from clew.access.schema import SCHEMA
from clew.access.signing import (
    NONCE_NS_KEPT,
    NONCES_PER_APP_MAX,
    SKEW_NS_MAX,
    AppKey,
    NonceCache,
    SignedHead,
    signed_octets,
)
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S
from clew.store.database.sqlite import SqliteDatabase
from clew.surfaces.identity import SIGNED_BODY_BYTES_MAX, Identity, caller_of
from clew.tree.frames.keys import Signer

APP = "0b0e8a52-6f1c-4d3e-9a51-0d6f3a1b2c4d"
OTHER = "1b0e8a52-6f1c-4d3e-9a51-0d6f3a1b2c4d"
NOW = 1_800_000_000 * NS_PER_S
SIGNER = Signer(bytes(range(32)))
NONCE = "0123456789abcdef"


class Clock:
    """Unix nanoseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at


class Apps:
    """The apps of a tree, as a test says them."""

    def __init__(self, **apps: AppKey) -> None:
        self.apps = apps

    async def find_key(self, app_id: str) -> AppKey | None:
        return self.apps.get(app_id)


SIGNING = Apps(**{APP: AppKey(SIGNER.pub_key, must_sign=True)})
OPEN = Apps(**{APP: AppKey(SIGNER.pub_key, must_sign=False)})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, clock: Clock) -> Iterator[AccessRegistry]:
    database = SqliteDatabase.open(tmp_path, [SCHEMA])
    yield AccessRegistry.open(database, clock)
    database.close()


def scope_of(headers: dict[str, str], **more: object) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/children",
        "raw_path": b"/api/v1/children",
        "query_string": b"a=1",
        "headers": [(name.encode(), text.encode("latin-1")) for name, text in headers.items()],
        "client": ("127.0.0.1", 5),
        **more,
    }


def head_of(at: int = NOW, nonce: str = NONCE, app_id: str = APP) -> SignedHead:
    return SignedHead(app_id, str(at // NS_PER_MS), nonce, "")


def signed(
    head: SignedHead, body: bytes = b"{}", target: str = "/api/v1/children?a=1"
) -> dict[str, str]:
    return {
        "x-trails-app-id": head.app_id,
        "x-trails-timestamp": head.timestamp,
        "x-trails-nonce": head.nonce,
        "x-trails-sig": SIGNER.sign(signed_octets("POST", target, head, body)),
    }


class Door:
    """Identifies requests in one event loop."""

    def __init__(self, access: AccessRegistry, apps: Apps) -> None:
        self.identity = Identity(access, apps)

    async def ask(self, headers: dict[str, str], body: bytes = b"{}", **more: object) -> Any:
        """Return the caller and the body that a route would read."""
        pieces = [body[:1], body[1:]]

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        scope = scope_of(headers, **more)
        caller, again = await self.identity.identify(scope, receive)
        assert caller_of(scope) is caller
        read, is_more = b"", True
        while is_more:
            message = await again()
            read += message["body"]
            is_more = message["more_body"]
        assert read == body
        return caller

    async def refusal(self, headers: dict[str, str], body: bytes = b"{}", **more: object) -> str:
        with pytest.raises(ClewError) as caught:
            await self.ask(headers, body, **more)
        assert caught.value.code is ErrorCode.UNAUTHENTICATED, caught.value.code
        return caught.value.message


def test_an_app_that_signs_is_known_with_and_without_keys(access: AccessRegistry) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        first = await door.ask(signed(head_of()))
        access.keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        second = await door.ask(signed(head_of(nonce="f" * 16)))
        for caller in (first, second):
            assert (caller.kind, caller.name) == (CallerKind.APP, APP)
            assert caller.at_most is None
            assert door.identity.is_valid(caller)
        with pytest.raises(ClewError, match="may not observe on this server"):
            door.identity.authorize(first, Verb.OBSERVE)
        door.identity.authorize(first, Verb.INGEST)

    asyncio.run(run())


def test_nothing_of_a_signed_request_can_be_exchanged(access: AccessRegistry) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        headers = signed(head_of())
        stranger = Signer(bytes(32))
        octets = signed_octets("POST", "/api/v1/children?a=1", head_of(), b"{}")
        wrong = "the signature is not that of the app"
        assert await door.refusal(headers, method="DELETE") == wrong
        assert await door.refusal(headers, query_string=b"a=2") == wrong
        assert await door.refusal(headers, raw_path=b"/api/v1/childreN") == wrong
        assert await door.refusal(headers, b"{ }") == wrong
        assert await door.refusal(headers | {"x-trails-nonce": "g" * 16}) == wrong
        later = str(NOW // NS_PER_MS + 1)
        assert await door.refusal(headers | {"x-trails-timestamp": later}) == wrong
        assert await door.refusal(headers | {"x-trails-sig": stranger.sign(octets)}) == wrong
        assert await door.refusal(headers | {"x-trails-sig": "ed25519:" + "A" * 86 + "=="}) == wrong
        assert await door.refusal(headers | {"x-trails-sig": "é"}) == wrong
        assert await door.refusal(headers | {"x-trails-app-id": OTHER}) == wrong
        # Which command it is, is the app's to say, and so is that it has no name.
        assert await door.refusal(headers | {"idempotency-key": "other"}) == wrong
        # Whoever failed has not used up the nonce of the app.
        await door.ask(headers)

    asyncio.run(run())


def test_a_signed_request_counts_once_whenever_it_comes_back(
    access: AccessRegistry, clock: Clock
) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        # The clock of the app is ahead by the most that is allowed.
        headers = signed(head_of(NOW + SKEW_NS_MAX))
        await door.ask(headers)
        for _ in range(NONCE_NS_KEPT // NS_PER_S + 10):
            assert await door.refusal(headers) in {
                "the request was here already",
                "the request was signed at another time",
            }
            clock.at += NS_PER_S
        assert await door.refusal(headers) == "the request was signed at another time"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-trails-timestamp": str((NOW - SKEW_NS_MAX) // NS_PER_MS - 1)}, "at another time"),
        ({"x-trails-timestamp": str((NOW + SKEW_NS_MAX) // NS_PER_MS + 1)}, "at another time"),
        ({"x-trails-timestamp": ""}, "is none"),
        ({"x-trails-timestamp": "-1"}, "is none"),
        ({"x-trails-timestamp": "9" * 17}, "is none"),
        ({"x-trails-nonce": ""}, "is none"),
        ({"x-trails-nonce": "short"}, "is none"),
        ({"x-trails-nonce": "x" * 129}, "is none"),
        ({"x-trails-nonce": "new\nline 1234567"}, "is none"),
        ({"x-trails-app-id": ""}, "no id of an app"),
        ({"x-trails-app-id": "../../etc/passwd"}, "no id of an app"),
    ],
)
def test_a_signed_request_that_lacks_something_is_refused(
    access: AccessRegistry, headers: dict[str, str], said: str
) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        assert said in await door.refusal(signed(head_of()) | headers)

    asyncio.run(run())


def test_a_key_that_was_revoked_signs_nothing(access: AccessRegistry) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        access.revoked_keys.revoke(SIGNER.pub_key, "lost", LOCAL).result()
        assert "not that of the app" in await door.refusal(signed(head_of()))
        nobody = Door(access, Apps(**{APP: AppKey(None, must_sign=True)}))
        assert "not that of the app" in await nobody.refusal(signed(head_of()))

    asyncio.run(run())


def test_a_body_that_nobody_could_have_meant_is_not_read_to_its_end(
    access: AccessRegistry,
) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        with pytest.raises(ClewError) as caught:
            await door.ask(signed(head_of()), os.urandom(SIGNED_BODY_BYTES_MAX + 1))
        assert caught.value.code is ErrorCode.TOO_LARGE

    asyncio.run(run())


def test_an_app_that_is_only_named_can_lose_rights_alone(access: AccessRegistry) -> None:
    async def run() -> None:
        door = Door(access, OPEN)
        named = {"x-trails-app-id": APP.upper()}
        free = await door.ask(named)
        assert (free.kind, free.name, free.at_most) == (CallerKind.APP, APP, LOCAL.verbs)
        keys = access.keys
        keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        # It was let in while everybody was.
        assert not door.identity.is_valid(free)
        reader = keys.create(NewKey(name="r", role="reader", app_id=OTHER), LOCAL).result()
        shown = {"authorization": f"Bearer {reader.api_key}"}
        bound = await door.ask(named | shown)
        assert (bound.scope, bound.at_most) == (OTHER, frozenset({Verb.OBSERVE}))
        assert bound.key_id == reader.key.id
        assert "asks for an API key" in await door.refusal(named)
        assert "need not sign" in await door.refusal(shown | {"x-trails-app-id": OTHER})
        strict = Door(access, SIGNING)
        assert "need not sign" in await strict.refusal(named | shown)

    asyncio.run(run())


def test_what_was_refused_is_in_the_audit_log_without_what_was_looked_for(
    access: AccessRegistry,
) -> None:
    async def run() -> None:
        door = Door(access, SIGNING)
        access.keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        await door.refusal({"user-agent": "x\x1b[2J"}, query_string=b"text=secret")
        access.database.submit(lambda writing: writing.rows("SELECT 1 AS one")).result()

    asyncio.run(run())
    (entry,) = access.find_entries(AuditQuery(allowed=False)).entries
    assert (entry.caller, entry.auth_domain) == ("nobody", "none")
    assert entry.action == "POST /api/v1/children"
    assert entry.user_agent == "x\ufffd[2J"
    assert "secret" not in repr(entry)


def test_whoever_waits_hears_of_the_end_of_a_key(access: AccessRegistry) -> None:
    async def run() -> None:
        door = Door(access, OPEN)
        keys = access.keys
        keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        made = keys.create(NewKey(name="r", role="reader"), LOCAL).result()
        caller = await door.ask({"x-api-key": made.api_key})
        waiting = asyncio.create_task(door.identity.wait_ended(caller))
        other = keys.create(NewKey(name="other", role="reader"), LOCAL).result()
        keys.revoke(other.key.id, LOCAL).result()
        done, _ = await asyncio.wait({waiting}, timeout=0)
        assert not done
        keys.revoke(made.key.id, LOCAL).result()
        async with asyncio.timeout(120):
            await waiting

    asyncio.run(run())


class TestNonces:
    def test_one_app_cannot_keep_the_others_out(self, clock: Clock) -> None:
        nonces = NonceCache(clock)
        for number in range(NONCES_PER_APP_MAX):
            nonces.remember(head_of(nonce=f"{number:016}"))
        with pytest.raises(ClewError) as caught:
            nonces.check(head_of())
        assert caught.value.code is ErrorCode.OVERLOADED
        nonces.check(head_of(app_id=OTHER))
        clock.at += NONCE_NS_KEPT + 1
        fresh = head_of(clock.at)
        nonces.check(fresh)
        assert len(nonces) == 0

    def test_the_same_nonce_of_two_apps_is_two(self, clock: Clock) -> None:
        nonces = NonceCache(clock)
        nonces.remember(head_of())
        nonces.check(replace(head_of(), app_id=OTHER))
        with pytest.raises(ClewError, match="here already"):
            nonces.check(head_of())


def test_a_role_names_what_its_holder_may(access: AccessRegistry) -> None:
    async def run() -> None:
        identity = Identity(access)
        access.keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        made = access.keys.create(NewKey(name="w", role=Role.WRITER.value), LOCAL).result()
        metadata = [("x-api-key", made.api_key)]
        caller = identity.identify_call(metadata, {"path": "/some.Service/Call"})
        identity.authorize(caller, Verb.INGEST)
        with pytest.raises(ClewError) as caught:
            identity.authorize(caller, Verb.COMMAND)
        assert caught.value.code is ErrorCode.FORBIDDEN

    asyncio.run(run())
