"""The server that is looked at: where it is, at which tier, and how long its windows are."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from clew.base.errors import ClewError, ErrorCode
from clew.testing.conformance.client import Client, Closed, RefusedError, Transcript
from clew.testing.conformance.rest import NOT_FOUND, Rest
from clew.tree.machine.options import (
    RECOVERY_WINDOW_MS,
    RESTART_WINDOW_MS,
    RESUME_WINDOW_MS,
    START_DEADLINE_S,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OK: Final = 200
LOCKED: Final = (401, 403)

PATH: Final = "/ws"

PROBE_SECONDS: Final = 60.0
"""Whoever says nothing for so long to what is no frame is of the open tier."""

RESTART_SECONDS: Final = 150.0
"""When a server that does not come back is given up."""

RETRY_SECONDS: Final = 0.05
"""Between two attempts at a server that is being started."""

_GAUGE: Final = re.compile(r'clew_tree_window_seconds\{window="(\w+)"\} ([0-9.]+)')


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How long a server waits, in milliseconds. The defaults are those of clew."""

    resume_ms: int = RESUME_WINDOW_MS
    recovery_ms: int = RECOVERY_WINDOW_MS
    restart_ms: int = RESTART_WINDOW_MS
    start_deadline_ms: int = START_DEADLINE_S * 1000

    def placeholders(self) -> dict[str, int]:
        """Return them by the names that scenarios use."""
        return {
            "RESUME_WINDOW_MS": self.resume_ms,
            "RECOVERY_WINDOW_MS": self.recovery_ms,
            "RESTART_WINDOW_MS": self.restart_ms,
            "START_DEADLINE_MS": self.start_deadline_ms,
        }


@dataclass
class Target:
    """A server. `restart` starts it anew, and returns when it has; None where nobody can.

    `rest` is None where no HTTP door was named; `has_tree` tells whether that door knows the tree.
    `tier` is found out when it is not given: ``signed`` stands for all that challenge.
    """

    url: str
    rest: Rest | None = None
    windows: Windows = field(default_factory=Windows)
    tier: str = ""
    restart: Callable[[], Awaitable[None]] | None = None
    has_tree: bool = False

    def __post_init__(self) -> None:
        self.url = normalise(self.url)

    async def open(self, given: dict[str, int] | None = None) -> None:
        """Find out what the server is; `given` are windows that need not be found out.

        Raises:
            ClewError: UNAVAILABLE when it does not answer, UNAUTHENTICATED without the API key
                that its HTTP door wants.
        """
        if not self.tier:
            self.tier = await self._find_tier()
        found: dict[str, int] = {}
        if self.rest is not None:
            status, _ = await self.rest.ask("GET", "/api/v1/apps?limit=1")
            if status in LOCKED:
                raise ClewError(
                    ErrorCode.UNAUTHENTICATED,
                    f"the HTTP door answers {status}",
                    hint="show an operator's key: --api-key, CLEW_API_KEY",
                )
            self.has_tree = status != NOT_FOUND
            found = await self._find_windows(self.rest)
        self.windows = Windows(**(found | (given or {})))

    async def start_anew(self) -> None:
        """Start the server anew and wait until it lets clients in.

        Raises:
            ClewError: UNAVAILABLE when it does not come back in time.
        """
        assert self.restart is not None
        await self.restart()
        try:
            async with asyncio.timeout(RESTART_SECONDS):
                while not await self._is_there():  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise ClewError(
                ErrorCode.UNAVAILABLE, f"the server was not back after {RESTART_SECONDS:g} s"
            ) from None

    async def _is_there(self) -> bool:
        try:
            client = await Client.open("probe", self.url, Transcript(), {})
        except RefusedError:
            return False
        client.drop()
        return True

    async def _find_tier(self) -> str:
        """Say something that is no frame: a tier that asks for proofs spoke before."""
        try:
            client = await Client.open("probe", self.url, Transcript(), {})
        except RefusedError as error:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                str(error),
                hint="start a server, or name its agent plane: ws://127.0.0.1:8443",
            ) from error
        try:
            await client.send("{}")
            first = await client.hear(PROBE_SECONDS)
        except (TimeoutError, Closed):
            first = {}
        client.drop()
        return "signed" if first.get("type") == "challenge" else "open"

    async def _find_windows(self, rest: Rest) -> dict[str, int]:
        status, text = await rest.ask("GET", "/metrics")
        names = Windows.__dataclass_fields__
        return {
            f"{name}_ms": round(float(seconds) * 1000)
            for name, seconds in (_GAUGE.findall(text) if status == OK else ())
            if f"{name}_ms" in names
        }


def normalise(url: str) -> str:
    """Return the address of an agent plane with its path.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none.
    """
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    schemes = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"no address of an agent plane: {url}",
            hint="such as ws://127.0.0.1:8443",
        )
    path = parts.path if parts.path not in {"", "/"} else PATH
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, parts.query, ""))


def with_challenge(url: str) -> str:
    """Return the address by which a client asks for a challenge."""
    return f"{url}{'&' if urlsplit(url).query else '?'}challenge=1"
