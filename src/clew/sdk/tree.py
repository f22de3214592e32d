"""A run's part in the tree: the client, composed so that a program without a tree pays nothing.

Nothing of the client is imported before there is a `TRAILS_INFO`, or somebody asks for what needs
one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.client.answers import Answer
    from clew.tree.client.client import TrailsClient
    from clew.tree.client.nursery import ChildBlock

VARIABLE: Final = "TRAILS_INFO"
"""As `clew.tree.frames.info.VARIABLE`, which is not imported for its name alone."""

APP_ID: Final = "trails.app.id"
"""Resource attribute: the app that a process is, in the tree."""

APP_PATH: Final = "trails.app.path"
"""Resource attribute: the ids from the root of the tree down to the app, each between slashes."""

# Where a server takes OTLP over HTTP, beside its socket for the tree.
_OTLP_PORT: Final = 4318

Hook = TypeVar("Hook", bound="Callable[..., Any]")


class TreePart:
    """What a run says and hears in the tree. Nothing here raises where there is none, but asking.

    See `clew.tree.client.client.TrailsClient` for each of these.
    """

    def __init__(self) -> None:
        self._tree: TrailsClient | None = None

    def join(self) -> None:
        """Join as the environment says; nothing happens where it says nothing. Never blocks."""
        if os.environ.get(VARIABLE, "").strip():
            from clew.tree.client.client import TrailsClient

            self._tree = TrailsClient.init()

    @property
    def tree(self) -> TrailsClient:
        """The client; it does nothing where this process is no part of a tree."""
        if self._tree is None:
            from clew.tree.client.client import TrailsClient
            from clew.tree.client.membership import Membership

            self._tree = TrailsClient(Membership(None))
        return self._tree

    @property
    def app_id(self) -> str | None:
        """The id of this app, None for a process that is no part of a tree."""
        return self._tree.app_id if self._tree else None

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled this app."""
        return self._tree is not None and self._tree.is_cancelled

    def status(self, payload: Any) -> None:
        """Say how it goes. Never blocks."""
        if self._tree is not None:
            self._tree.status(payload)

    def result(self, payload: Any = None) -> None:
        """Say what came out: the app is done. Never blocks; the end of the process waits for it."""
        if self._tree is not None:
            self._tree.result(payload)

    def error(self, message: str, detail: Any = None) -> None:
        """Say that it failed: the app has ended with an error. Else as `result`."""
        if self._tree is not None:
            self._tree.error(message, detail)

    def on(self, action: str) -> Callable[[Hook], Hook]:
        """Make a function the handler of a command: ``@run.on("pause")``."""
        if self._tree is not None:
            return self._tree.on(action)
        return lambda handler: handler

    @overload
    def on_cancel(self, grace_seconds: float, hook: Hook, *, exits: bool = True) -> Hook: ...

    @overload
    def on_cancel(
        self, grace_seconds: float, hook: None = None, *, exits: bool = True
    ) -> Callable[[Hook], Hook]: ...

    def on_cancel(
        self, grace_seconds: float, hook: Hook | None = None, *, exits: bool = True
    ) -> Hook | Callable[[Hook], Hook]:
        """Call something when this app is cancelled, and end the process after it."""

        def register(given: Hook) -> Hook:
            if self._tree is not None:
                self._tree.on_cancel(grace_seconds, given, exits=exits)
            return given

        return register if hook is None else register(hook)

    def child(self, name: str, *, tags: Any = None) -> ChildBlock:
        """Return a block in which a part of this process is an app of its own.

        ``async with run.child("worker") as child:``, or `with` in a program without a loop.
        """
        return self.tree.child(name, tags=tags)

    def send(self, target: str, action: str, payload: Any = None, **options: Any) -> Answer:
        """Send a command to a descendant. Blocks; `options` as `TrailsClient.send`.

        Raises:
            ClewError: UNAVAILABLE where there is no tree, or what `TrailsClient.send` raises.
        """
        return self.tree.send(target, action, payload, **options)

    def cancel(self, target: str, **options: Any) -> Answer:
        """Cancel a descendant and all below it. Blocks; `options` as `TrailsClient.cancel`.

        Raises:
            ClewError: UNAVAILABLE where there is no tree, or what `TrailsClient.cancel` raises.
        """
        return self.tree.cancel(target, **options)


def describe_app() -> dict[str, str]:
    """Return the resource attributes that tie telemetry to the tree.

    A process that inherited the variable, and is no app by itself, works for the one that it names.
    """
    config = _read()
    if config is None:
        return {}
    path = config.known_path
    # The form of the registry and of the journal: a part of it tells of a subtree.
    return {APP_ID: config.app_id} | ({APP_PATH: f"/{'/'.join(path)}/"} if path else {})


def otlp_endpoint() -> str | None:
    """Return where the server of the tree takes telemetry; None where there is no tree."""
    config = _read()
    if config is None:
        return None
    from urllib.parse import urlsplit

    parts = urlsplit(config.socket_url())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{host}:{_OTLP_PORT}"


def _read() -> Any:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    from clew.base.errors import ClewError
    from clew.tree.frames.info import TrailsConfig

    try:
        return TrailsConfig.decode(text)
    except ClewError:
        # Joining has told of it.
        return None
