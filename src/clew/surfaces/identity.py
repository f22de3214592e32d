"""Who calls a door: found once for each request, by every HTTP door and by the gRPC server.

While there is no API key, everybody who reaches a door is on this machine (or was let in by
`--insecure`) and may do anything. From the first key on, each request shows a key or is signed by
an app of the tree. What a caller may then do is `clew.access.authority.decide`'s to say, and
`Identity.authorize` is where the doors ask it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clew.access.audit import Entry
from clew.access.authority import decide
from clew.access.caller import LOCAL, Caller, CallerKind, Origin, Verb
from clew.access.keys import HINT_TO_SEND
from clew.access.signing import (
    APP_ID_HEADER,
    IDEMPOTENCY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    NoApps,
    NonceCache,
    SignedHead,
    signed_octets,
)
from clew.access.tickets import Tickets
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    from clew.access.registry import AccessRegistry
    from clew.access.signing import AppKeys

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]

SCOPE_KEY: Final = "clew.caller"
"""Where the caller of a request stands in its ASGI scope."""

SHOWN_KEY: Final = "clew.key"
"""Where the API key stands that a ticket was made with, for a query tier to show to its shards."""

NOBODY: Final = Caller(CallerKind.UNKNOWN, "nobody")
"""Whoever asks at an address where nobody is asked who they are."""

CHALLENGE: Final = 'Bearer realm="clew"'
"""What `www-authenticate` says with every 401."""

SIGNED_BODY_BYTES_MAX: Final = 1 << 20
"""The largest body of a signed request, which is in memory before it is known whose it is. Commands
and comments are far smaller; telemetry goes by a key."""

SIGNED_BODY_SECONDS_MAX: Final = 10.0
"""How long it may take to arrive, as for every body of the REST door."""

SIGNED_BODIES_MAX: Final = 64
"""Bodies read at once before it is known whose they are: 64 MiB of them."""

TICKET_PREFIX: Final = "clew.ticket."
"""How a browser shows a ticket: as a subprotocol of its web socket, which is never answered."""

_BEARER: Final = "bearer "
_AUTHORIZATION: Final = b"authorization"
_API_KEY: Final = b"x-api-key"
_APP_ID: Final = APP_ID_HEADER.encode()
_SIGNATURE: Final = SIGNATURE_HEADER.encode()
_TIMESTAMP: Final = TIMESTAMP_HEADER.encode()
_NONCE: Final = NONCE_HEADER.encode()
_IDEMPOTENCY: Final = IDEMPOTENCY_HEADER.encode()
_OURS: Final = frozenset(
    {_AUTHORIZATION, _API_KEY, _APP_ID, _SIGNATURE, _TIMESTAMP, _NONCE, _IDEMPOTENCY}
)

_OUR_NAMES: Final = frozenset({_AUTHORIZATION.decode(), _API_KEY.decode()})

_ACTION_CHARS_MAX: Final = 200


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who sent a request, as the door that let it in found out."""
    caller: Caller = scope[SCOPE_KEY]
    return caller


def find_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the API key that a request shows, whether or not it is one."""
    given = dict(headers)
    key = given.get(_API_KEY)
    if key is None:
        scheme, _, rest = given.get(_AUTHORIZATION, b"").partition(b" ")
        key = rest.strip() if scheme.lower() + b" " == _BEARER.encode() else b""
    text = key.decode("latin-1")
    return text if text.isascii() and text.isprintable() and text and " " not in text else None


class Identity:
    """Finds callers, and says no. Belongs to one event loop."""

    def __init__(self, access: AccessRegistry, apps: AppKeys | None = None) -> None:
        """Find keys in a registry, and apps where `apps` has them."""
        self._access = access
        self._apps = apps or NoApps()
        self._nonces = NonceCache(access.now)
        self.tickets = Tickets(access.now)
        self._reading = asyncio.Semaphore(SIGNED_BODIES_MAX)
        self._changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        access.keys.listen(lambda: _call_soon(loop, self._tell_change))

    @property
    def access(self) -> AccessRegistry:
        """What is known of callers."""
        return self._access

    async def identify(
        self, scope: MutableMapping[str, Any], receive: Receive
    ) -> tuple[Caller, Receive]:
        """Return who sent a request, and how to read its body from now on.

        The caller is put into the scope as well. Works for HTTP requests and for web sockets.

        Raises:
            ClewError: UNAUTHENTICATED; OVERLOADED, TOO_LARGE or TIMEOUT for a signed request. What
                is refused is in the audit log.
        """
        given: dict[bytes, bytes] | None = None
        for name, value in scope["headers"]:
            if name in _OURS:
                given = _add(given, name, value)
        try:
            ticket = _find_ticket(scope)
            if ticket is not None:
                caller, scope[SHOWN_KEY] = self._of_ticket(ticket)
            elif given is None or _APP_ID not in given:
                caller = self._of_key(given)
            else:
                caller, receive = await self._of_app(given, scope, receive)
        except ClewError as error:
            self._refuse(error, NOBODY, scope)
            raise
        if caller is not LOCAL:
            caller = replace(caller, origin=_find_origin(scope))
        scope[SCOPE_KEY] = caller
        return caller, receive

    def identify_call(
        self, metadata: Iterable[tuple[str, str | bytes]], about: Mapping[str, Any]
    ) -> Caller:
        """Return who makes a gRPC call, by its metadata; `about` is what the audit log tells of it.

        Raises:
            ClewError: UNAUTHENTICATED. Apps sign over HTTP alone.
        """
        given: dict[bytes, bytes] | None = None
        for name, value in metadata:
            if name in _OUR_NAMES:
                text = value.encode() if isinstance(value, str) else value
                given = _add(given, name.encode(), text)
        try:
            return self._of_key(given)
        except ClewError as error:
            self._refuse(error, NOBODY, about)
            raise

    def authorize(self, caller: Caller, verb: Verb, scope: Mapping[str, Any] | None = None) -> None:
        """Raise unless the caller may do this to the server as a whole.

        Raises:
            ClewError: FORBIDDEN; it is in the audit log.
        """
        if caller is LOCAL:
            return
        decision = decide(caller, verb, (), now=self._access.now())
        if not decision.is_allowed:
            error = ClewError(
                ErrorCode.FORBIDDEN,
                decision.reason,
                hint="use a key whose role allows it: clew keys list shows the roles",
            )
            self._refuse(error, caller, scope or {})
            raise error

    def is_valid(self, caller: Caller) -> bool:
        """Tell whether whoever was let in would be let in again."""
        return self._access.keys.is_valid(caller)

    async def find_app_key(self, app_id: str) -> str | None:
        """Return the public key that an app joined the tree with, None where there is none."""
        app = await self._apps.find_key(app_id)
        return None if app is None else app.pub_key

    async def wait_ended(self, caller: Caller) -> None:
        """Return once the caller would not be let in any more: a second late at the most."""
        while self.is_valid(caller):
            changed = self._changed
            until = self._access.keys.seconds_left(caller)
            try:
                async with asyncio.timeout(until):
                    await changed.wait()
            except TimeoutError:
                continue

    def deny(self, caller: Caller, action: str, reason: str, scope: Mapping[str, Any]) -> None:
        """Write into the audit log what somebody was not allowed."""
        origin = _find_origin(scope)
        self._access.audit.deny(
            Entry(
                at=self._access.now(),
                action=action,
                caller_kind=caller.kind,
                caller=caller.name,
                is_allowed=False,
                detail=reason,
                source_ip=origin.address,
                user_agent=origin.user_agent,
            )
        )

    def _of_key(self, given: Mapping[bytes, bytes] | None) -> Caller:
        """Return the holder of the key that was sent, or whoever is here where none is asked for.

        Without keys whatever else is sent means nothing: a proxy in front may ask for a password.
        """
        keys = self._access.keys
        if not keys.is_guarding:
            return LOCAL
        sent = given and (given.get(_API_KEY) or given.get(_AUTHORIZATION))
        if not given or not sent:
            raise ClewError(
                ErrorCode.UNAUTHENTICATED, "this server asks for an API key", hint=HINT_TO_SEND
            )
        text = sent.decode("latin-1").strip()
        if _API_KEY not in given:
            if text[: len(_BEARER)].lower() != _BEARER:
                raise ClewError(
                    ErrorCode.UNAUTHENTICATED,
                    "authorization is not a bearer token",
                    hint="send authorization: Bearer clew_…",
                )
            text = text[len(_BEARER) :].strip()
        return keys.authenticate(text)

    def _of_ticket(self, ticket: str) -> tuple[Caller, str | None]:
        """Return whom a ticket stands for, if they would still be let in, and with which key."""
        caller, key = self.tickets.take(ticket)
        if not self.is_valid(caller):
            raise ClewError(
                ErrorCode.UNAUTHENTICATED, "the API key is not valid", hint=HINT_TO_SEND
            )
        return caller, key

    async def _of_app(
        self, given: Mapping[bytes, bytes], scope: Mapping[str, Any], receive: Receive
    ) -> tuple[Caller, Receive]:
        """Return the app that signed a request, or that whoever sent it says it is."""
        app_id = _app_id(given[_APP_ID])
        if _SIGNATURE in given:
            head = SignedHead(
                app_id,
                given.get(_TIMESTAMP, b"").decode("latin-1"),
                given.get(_NONCE, b"").decode("latin-1"),
                given[_SIGNATURE].decode("latin-1"),
                given.get(_IDEMPOTENCY, b"").decode("latin-1"),
            )
            return await self._of_signature(head, scope, receive)
        sender = self._of_key(given)
        app = await self._apps.find_key(app_id)
        if app is None or app.must_sign:
            raise ClewError(
                ErrorCode.UNAUTHENTICATED,
                "there is no app of this id that need not sign",
                hint=f"sign the request: {SIGNATURE_HEADER}, or leave {APP_ID_HEADER} out",
            )
        # It did not prove who it is, so it may do what the app may, and no more than before.
        named = Caller(
            CallerKind.APP,
            app_id,
            scope=sender.scope,
            key_id=sender.key_id,
            at_most=sender.verbs if sender.at_most is None else sender.verbs & sender.at_most,
        )
        return named, receive

    async def _of_signature(
        self, head: SignedHead, scope: Mapping[str, Any], receive: Receive
    ) -> tuple[Caller, Receive]:
        # Imported by the first who signs: it brings the library of signatures with it.
        from clew.tree.frames.keys import verify

        self._nonces.check(head)
        app = await self._apps.find_key(head.app_id)
        wrong = ClewError(
            ErrorCode.UNAUTHENTICATED,
            "the signature is not that of the app",
            hint="sign with the key that the app joined the tree with",
        )
        if app is None or app.pub_key is None or app.pub_key in self._access.revoked_keys:
            raise wrong
        async with self._reading:
            body = b"" if scope["type"] != "http" else await _read_body(receive)
        octets = signed_octets(scope.get("method", "GET"), _target(scope), head, body)
        if not verify(app.pub_key, octets, head.signature):
            raise wrong
        # Again: while the body came, the same request may have come another way.
        self._nonces.check(head)
        self._nonces.remember(head)
        subjects = frozenset({f"app:{head.app_id}"})
        return Caller(CallerKind.APP, head.app_id, subjects=subjects), _replay(body, receive, scope)

    def _refuse(self, error: ClewError, caller: Caller, scope: Mapping[str, Any]) -> None:
        if error.code in {ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN}:
            # Without the query: it may hold what somebody looks for.
            action = f"{scope.get('method', 'GET')} {scope.get('path', '')}"
            self.deny(caller, action[:_ACTION_CHARS_MAX], error.message, scope)

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    # The registry may outlive the loop by a moment, when the server ends.
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


def _add(given: dict[bytes, bytes] | None, name: bytes, value: bytes) -> dict[bytes, bytes]:
    """Add a header to those of ours.

    One that is there twice means both, by the rules of HTTP, and no two keys are one.
    """
    if given is None:
        return {name: value}
    given[name] = given[name] + b", " + value if name in given else value
    return given


def _app_id(value: bytes) -> str:
    try:
        return parse_uuid(value.decode("latin-1"))
    except ClewError:
        raise ClewError(
            ErrorCode.UNAUTHENTICATED, f"{APP_ID_HEADER} is no id of an app", hint="it is a UUID"
        ) from None


def _find_origin(scope: Mapping[str, Any]) -> Origin:
    """Return from where a request comes."""
    client = scope.get("client")
    agent = next((value for name, value in scope.get("headers", ()) if name == b"user-agent"), None)
    return Origin(client[0] if client else None, agent and agent.decode("latin-1"))


def _find_ticket(scope: Mapping[str, Any]) -> str | None:
    """Return the ticket that comes with an upgrade to a web socket, if there is one."""
    for each in scope.get("subprotocols", ()):
        if each.startswith(TICKET_PREFIX):
            ticket: str = each.removeprefix(TICKET_PREFIX)
            return ticket
    return None


def _target(scope: Mapping[str, Any]) -> str:
    """Return path and query as they were sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (path + b"?" + query if query else path).decode("latin-1")


async def _read_body(receive: Receive) -> bytes:
    pieces = []
    size = 0
    try:
        async with asyncio.timeout(SIGNED_BODY_SECONDS_MAX):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClewError(ErrorCode.INVALID_ARGUMENT, "the body ended early")
                piece: bytes = message.get("body", b"")
                size += len(piece)
                if size > SIGNED_BODY_BYTES_MAX:
                    raise ClewError(
                        ErrorCode.TOO_LARGE,
                        f"a signed body is larger than {SIGNED_BODY_BYTES_MAX} bytes",
                        hint="send it with an API key instead",
                    )
                pieces.append(piece)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise ClewError(
            ErrorCode.TIMEOUT, f"the body did not arrive in {SIGNED_BODY_SECONDS_MAX:g} s"
        ) from None


def _replay(body: bytes, receive: Receive, scope: Mapping[str, Any]) -> Receive:
    """Return what gives a body that was read once more, and then what comes."""
    if scope["type"] != "http":
        return receive
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
