"""What both faces of the client have: everything that never waits."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from clew.tree.client.membership import Delivery, Membership, join_environment
from clew.tree.frames.fields import MessageKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.frames.info import TrailsConfig

# A token is told once. When its answer was lost with a connection, the child gets another id, and
# the first one counts as failed to start.
SPAWN_TRIES: Final = 2

Hook = TypeVar("Hook", bound="Callable[..., Any]")


class Face:
    """One app of the tree. Nothing here blocks, and nothing raises because of the server."""

    def __init__(self, membership: Membership) -> None:
        """Speak for an app."""
        self._membership = membership

    @classmethod
    def init(cls, *, stop_if_disconnected_after: float | None = None) -> Self:
        """Join as the environment says (`TRAILS_INFO`). Returns at once and never raises.

        Every call of a process speaks for the same app.

        With `stop_if_disconnected_after`, in seconds, this process ends itself when it has had no
        connection for so long: the only way to be sure that two never do the same work when the
        network is cut in two. It is interrupted as by Ctrl-C, and killed when that does not help
        within the grace of its `on_cancel`.
        """
        return cls(join_environment(stop_if_disconnected_after=stop_if_disconnected_after))

    @classmethod
    def init_with(
        cls, config: TrailsConfig, *, stop_if_disconnected_after: float | None = None
    ) -> Self:
        """Join as the program itself says; else as `init`.

        Raises:
            ClewError: INVALID_ARGUMENT or UNSUPPORTED when the configuration cannot be used.
        """
        return cls(
            Membership(config.checked(), stop_if_disconnected_after=stop_if_disconnected_after)
        )

    @property
    def config(self) -> TrailsConfig | None:
        """Who this app is, None for a client that does nothing."""
        return self._membership.config

    @property
    def app_id(self) -> str | None:
        """The id of this app, None for a client that does nothing."""
        return self.config.app_id if self.config else None

    @property
    def is_active(self) -> bool:
        """Whether what is said goes into the tree: not without one, and not after the end."""
        return self._membership.is_active

    @property
    def is_connected(self) -> bool:
        """Whether the app is in the tree, over a connection that is open."""
        return self._membership.has_link and self._membership.is_connected.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled this app."""
        return self._membership.is_cancelled.is_set()

    def delivery(self) -> Delivery:
        """Return what became of the messages so far."""
        return self._membership.delivery()

    def status(self, payload: Any) -> None:
        """Say how it goes. Never blocks; what is too much is counted in `delivery`."""
        self._membership.say(MessageKind.STATUS, payload)

    def result(self, payload: Any = None) -> None:
        """Say what came out: the app is done. It is kept until the server has it durably.

        What is said after it is ignored. Never blocks; `shutdown`, or the end of the process, waits
        for it.
        """
        self._membership.say(MessageKind.RESULT, payload)

    def error(self, message: str, detail: Any = None) -> None:
        """Say that it failed: the app has ended with an error. Else as `result`."""
        self._membership.say(MessageKind.ERROR, {"message": message, "detail": detail})

    def on(self, action: str) -> Callable[[Hook], Hook]:
        """Make a function the handler of a command: ``@client.on("pause")``.

        It is called with the payload, away from the thread of the sockets, and what it returns, a
        dict, is the answer. An exception is the answer ``handler_error``.
        """

        def register(handler: Hook) -> Hook:
            self._membership.handle(action, self._callable(handler))
            return handler

        return register

    @overload
    def on_cancel(self, grace_seconds: float, hook: Hook, *, exits: bool = True) -> Hook: ...

    @overload
    def on_cancel(
        self, grace_seconds: float, hook: None = None, *, exits: bool = True
    ) -> Callable[[Hook], Hook]: ...

    def on_cancel(
        self, grace_seconds: float, hook: Hook | None = None, *, exits: bool = True
    ) -> Hook | Callable[[Hook], Hook]:
        """Call something with a `CancelContext` when this app is cancelled; also a decorator.

        `grace_seconds` is how long it may take at most; the canceller may give less. When it has
        returned, the cancel is acknowledged, and the process is interrupted as by Ctrl-C unless
        `exits` is False: then the program ends by itself. Without a hook a cancel is answered
        ``unknown_action``; `is_cancelled` tells of it all the same.
        """

        def register(given: Hook) -> Hook:
            self._membership.cancel_with(grace_seconds, self._callable(given), exits=exits)
            return given

        return register if hook is None else register(hook)

    def on_notice(self, hook: Hook) -> Hook:
        """Call something with a `ChildNotice` when something becomes of a child of this app."""
        self._membership.notice_hook = self._callable(hook)
        return hook

    def create_child(self, name: str, *, tags: Any = None) -> TrailsConfig:
        """Return what a child needs to know, without telling the server about it.

        Raises:
            ClewError: UNAVAILABLE when this process is no part of a tree.
        """
        return self._membership.require_config().create_child(name, tags=tags)

    def _callable(self, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a hook or a handler of the program as a thread that may wait can call it.

        A coroutine function runs in the loop in which it was registered, in one of its own where
        there was none.
        """
        if not inspect.iscoroutinefunction(hook):
            return hook
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return lambda value: asyncio.run(hook(value))
        return lambda value: asyncio.run_coroutine_threadsafe(hook(value), loop).result()
