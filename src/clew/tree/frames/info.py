"""What a parent tells a child before it starts it: `TRAILS_INFO` of the environment.

The variable holds camelCase JSON in padded Base64. A process without it, or with one that does not
decode, is no part of a tree: its client does nothing.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.base.times import NS_PER_MS
from clew.tree.frames.codec import parse
from clew.tree.machine.app import Tier
from clew.tree.machine.options import START_DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "TRAILS_INFO"

VERSION: Final = 1

# Linux takes 128 KiB for one variable; half of it is more than any tree of tags needs.
TEXT_CHARS_MAX: Final = 64 * 1024

SOCKET_PATH: Final = "/ws"

TOKEN_BYTES: Final = 32
"""Of a join token: nobody guesses it within the deadline to start, or ever."""

_DAY_MS: Final = 86_400_000
_DAY_ZERO_MS: Final = 1_735_689_600_000
"""2025-01-01 UTC, from which TRAILS counts `start_day`."""

_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_TIERS: Final = {tier.value: tier for tier in Tier}

logger = logging.getLogger("clew.tree")


class InlineGrant(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Roles that a subject has for this app alone. `expires_at` is in Unix milliseconds."""

    sub: str
    roles: tuple[str, ...] = ()
    expires_at: int | None = None


class TrailsConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who a process is in the tree and where its server is.

    `scheduled_at` is in Unix milliseconds, `start_deadline` in seconds. `originator` is the person
    at the root, `{sub, groups}`, and goes to all descendants unchanged. Two fields are ours:
    `join_token` lets a child that was announced register once, before its own key counts; `path`
    are the ids from the root down to the app itself, where the parent knew them.
    """

    app_id: str
    app_name: str
    server_ep: str
    v: int = VERSION
    mode: str = "full"
    parent_id: str | None = None
    server_pub_key: str | None = None
    sec_level: str = "open"
    scheduled_at: int | None = None
    start_deadline: int = START_DEADLINE_S
    originator: Any = None
    role_refs: tuple[str, ...] = ()
    tags: Any = None
    grants: tuple[InlineGrant, ...] = ()
    join_token: str | None = None
    path: tuple[str, ...] = ()

    @classmethod
    def create(cls, app_name: str, server_ep: str, *, sec_level: str = "open") -> TrailsConfig:
        """Return the configuration of a new root."""
        now = time.time_ns()
        app_id = new_uuid(now)
        return cls(
            app_id=app_id,
            path=(app_id,),
            app_name=app_name,
            server_ep=server_ep,
            sec_level=sec_level,
            scheduled_at=now // NS_PER_MS,
        )

    @classmethod
    def decode(cls, text: str) -> TrailsConfig:
        """Return what a `TRAILS_INFO` says.

        Raises:
            ClewError: INVALID_ARGUMENT when it is none; UNSUPPORTED when it is of a mode, a
                version, a tier or a transport that this client does not speak.
        """
        value = _decode_base64(text)
        if isinstance(value, dict) and value.get("mode", "full") != "full":
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"{VARIABLE} is of the mode {str(value['mode'])[:32]!r}",
                hint="devices that wait to be claimed are not supported yet; use the mode full",
            )
        try:
            config = msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from error
        return config.checked()

    def encode(self) -> str:
        """Return the text for a child's environment."""
        value = msgspec.to_builtins(self)
        if self.mode == "full":
            del value["mode"]
        for name in ("originator", "grants", "joinToken", "path"):
            if not value[name]:
                del value[name]
        return base64.b64encode(msgspec.json.encode(value)).decode()

    def checked(self) -> TrailsConfig:
        """Return the configuration with its ids as the server writes them.

        Raises:
            ClewError: as `decode`.
        """
        if self.v != VERSION:
            raise _unsupported(f"version {self.v} of {VARIABLE}", f"this client speaks {VERSION}")
        if self.sec_level not in _TIERS:
            raise _unsupported(
                f"the security level {self.sec_level[:32]!r}", "use open, signed or full"
            )
        if not self.app_name:
            raise _invalid("appName is empty")
        parent_id = None if self.parent_id is None else parse_uuid(self.parent_id)
        checked = msgspec.structs.replace(self, app_id=parse_uuid(self.app_id), parent_id=parent_id)
        checked.socket_url()
        return checked

    @property
    def tier(self) -> Tier:
        """How the process shows who it is."""
        return _TIERS[self.sec_level]

    @property
    def known_path(self) -> tuple[str, ...]:
        """The ids from the root down to the app itself; empty when the parent did not tell them."""
        return self.path or ((self.app_id,) if self.parent_id is None else ())

    @property
    def start_day(self) -> int:
        """Days from 2025-01-01 UTC to when the process was scheduled, else to now."""
        at_ms = time.time_ns() // NS_PER_MS if self.scheduled_at is None else self.scheduled_at
        return max(0, (at_ms - _DAY_ZERO_MS) // _DAY_MS)

    def socket_url(self) -> str:
        """Return the address of the server's socket.

        ``http`` and ``https`` stand for ``ws`` and ``wss``; an address without a path gets that of
        the socket.

        Raises:
            ClewError: INVALID_ARGUMENT for what is no address, UNSUPPORTED for another transport,
                and for the tier full over an open line to another machine.
        """
        try:
            parts = urlsplit(self.server_ep)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise _invalid(f"serverEp {self.server_ep[:128]!r}") from error
        if not host or not parts.scheme:
            raise _invalid(f"serverEp {self.server_ep[:128]!r}")
        scheme = _SCHEMES.get(parts.scheme)
        if scheme is None:
            raise _unsupported(f"the transport {parts.scheme[:32]!r}", "use ws or wss")
        if self.sec_level == Tier.FULL and scheme == "ws" and not _is_here(host):
            raise _unsupported("the security level full over ws", "give serverEp as wss://…")
        path = SOCKET_PATH if parts.path in {"", "/"} else parts.path
        return urlunsplit((scheme, parts.netloc, path, parts.query, ""))

    def create_child(self, app_name: str, *, tags: Any = None) -> TrailsConfig:
        """Return the configuration of a new child, which inherits what upstream's does.

        That is the server, the tier, the deadline to start, the originator and the role refs.
        """
        now = time.time_ns()
        app_id = new_uuid(now)
        above = self.known_path
        return msgspec.structs.replace(
            self,
            app_id=app_id,
            path=(*above, app_id) if above else (),
            parent_id=self.app_id,
            app_name=app_name,
            scheduled_at=now // NS_PER_MS,
            tags=tags,
            grants=(),
            join_token=None,
        )


def new_join_token() -> str:
    """Return a fresh token, with which one child joins once."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def read_environment(environ: Mapping[str, str] | None = None) -> TrailsConfig | None:
    """Return what the environment says, None when it says nothing; warn when it is unreadable."""
    text = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        return TrailsConfig.decode(text)
    except ClewError as error:
        logger.warning("%s is not used: %s (%s)", VARIABLE, error.message, error.hint)
        return None


def _decode_base64(text: str) -> Any:
    if len(text) > TEXT_CHARS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{VARIABLE} has {len(text)} characters, {TEXT_CHARS_MAX} are the most",
            hint="put what is large into a file and its name into the tags",
        )
    try:
        octets = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("no Base64") from error
    return parse(octets)


def _is_here(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def _invalid(why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a {VARIABLE}: {why}",
        hint="it is camelCase JSON in padded Base64 with appId, appName and serverEp",
    )


def _unsupported(what: str, hint: str) -> ClewError:
    return ClewError(ErrorCode.UNSUPPORTED, f"{what} is not supported", hint=hint)
