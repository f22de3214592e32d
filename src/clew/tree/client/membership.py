"""One app's membership in the tree: what is behind both faces of the client.

It owns the link, hears what the link tells, carries out a cancel, and knows how to leave.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.exits import at_exit, not_at_exit
from clew.base.times import NS_PER_MS
from clew.tree.client import ending
from clew.tree.client.answers import ChildNotice, read_notice
from clew.tree.client.ending import GRACE_S, CancelContext
from clew.tree.client.engine import get_engine, tell_of_forks
from clew.tree.client.handlers import Handlers, start_thread
from clew.tree.client.outbox import Entry
from clew.tree.client.payload import encode_payload
from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.fields import MessageKind
from clew.tree.frames.info import read_environment
from clew.tree.frames.outbound import CancelPayload

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.client.exchange import Request
    from clew.tree.client.link import Link
    from clew.tree.frames.info import TrailsConfig
    from clew.tree.frames.outbound import Notice

# How long the end of a process waits for its result to be durable.
SHUTDOWN_S_MAX: Final = 10.0

# How long it waits when only statuses and the goodbye are left: as long as telemetry does.
GOODBYE_S_MAX: Final = 2.0

# After its task was cancelled, a link needs a turn of its loop.
_ABANDON_S: Final = 0.5

CLAIMED: Final = "CLEW_JOINED"
"""Set in the environment of a process that has joined: its pid and the app's id."""

_CANCELLED: Final = {FrameError.ANCESTOR_CANCELLED.value, CloseCode.ANCESTOR_CANCELLED.name.lower()}

logger = logging.getLogger("clew.tree")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the messages so far. `coalesced` statuses gave way to newer ones.

    The server did not want the `refused` ones. `copies` is how many servers had all that were
    acknowledged when the last of them was; None where a server alone keeps the tree.
    """

    acked: int
    waiting: int
    coalesced: int
    refused: int
    copies: int | None = None


class Membership:
    """The membership of one app; of none when `config` is None, and then it does nothing.

    `is_process` tells that the app is this process, not a part of it: its end is then said when the
    process ends. Hooks and handlers of the program are called in threads that may wait.
    """

    def __init__(
        self,
        config: TrailsConfig | None,
        *,
        stop_if_disconnected_after: float | None = None,
        is_process: bool = True,
    ) -> None:
        self.config = config
        self.handlers = Handlers(config.app_id if config else "", self._take_cancel)
        self.is_connected = threading.Event()
        self.is_cancelled = threading.Event()
        self.notice_hook: Callable[[ChildNotice], Any] | None = None
        self._link: Link | None = None
        self._last_link: Link | None = None
        self._has_ended = False
        self._has_said_end = False
        self._grace_s = GRACE_S
        self._unheard: CancelPayload | None = None
        self._watchers: list[Callable[[], None]] = []
        self._dead_man_s = stop_if_disconnected_after
        self._dead_man: Any = None
        if config is not None:
            self._begin(config, is_process=is_process)

    @property
    def is_active(self) -> bool:
        """Whether what is said goes into the tree."""
        link = self._link
        return link is not None and not self._has_ended and not link.done.is_set()

    @property
    def has_link(self) -> bool:
        """Whether there is a tree, and the app has not left it."""
        return self._link is not None

    def delivery(self) -> Delivery:
        """Return what became of the messages so far."""
        link = self._last_link
        if link is None:
            return Delivery(0, 0, 0, 0)
        outbox = link.conversation.outbox
        waiting = len(outbox) + link.unseen
        coalesced = outbox.coalesced + link.unseen_coalesced
        copies = link.conversation.copies
        return Delivery(outbox.acked, waiting, coalesced, outbox.refused, copies)

    def say(self, kind: MessageKind, payload: Any) -> None:
        """Send a message; after a result or an error nothing more is said. Never blocks."""
        link = self._link
        if link is None or self._has_ended:
            return
        encoded = encode_payload(payload)
        if encoded.trouble:
            logger.warning("what a %s says is left out: %s", kind, encoded.trouble)
        if kind is not MessageKind.STATUS:
            self._has_ended = True
            self._has_said_end = True
        link.put(Entry(kind, encoded.octets, time.time_ns() // NS_PER_MS))

    def ask(self, request: Request) -> None:
        """Ask the server something.

        Raises:
            ClewError: UNAVAILABLE when there is no tree, or the app has left it.
        """
        if self._link is None:
            raise no_tree()
        self._link.ask(request)

    def forget(self, key: str) -> None:
        """Wait no longer for an answer."""
        link = self._link
        if link is not None:
            link.forget(key)

    def require_config(self) -> TrailsConfig:
        """Return who this app is.

        Raises:
            ClewError: UNAVAILABLE when there is no tree.
        """
        if self.config is None:
            raise no_tree()
        return self.config

    def cancel_with(
        self, grace_s: float, hook: Callable[[CancelContext], Any], *, exits: bool
    ) -> None:
        """Call a hook when the app is cancelled, and interrupt the process after it if `exits`."""

        def carry_out(payload: CancelPayload, grace_ms: int | None) -> Any:
            given = grace_s if grace_ms is None else min(grace_s, grace_ms / 1000)
            deadline = time.monotonic() + given
            context = CancelContext(payload.reason, payload.initiated_by, payload.cascade, deadline)
            return hook(context)

        self._grace_s = grace_s
        if exits:
            ending.become_interruptible()
        self.handlers.after_cancel = self._interrupt if exits else None
        self.handlers.on_cancel = carry_out
        self._look_again()
        unheard, self._unheard = self._unheard, None
        if unheard is not None:
            self._cancel_from_here(unheard)

    def handle(self, action: str, handler: Callable[[Any], Any]) -> None:
        """Call a handler for each command of that name."""
        self.handlers.actions[action] = handler
        self._look_again()

    def _look_again(self) -> None:
        link = self._link
        if link is not None:
            link.engine.call(self.handlers.look_again)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call something, in the thread of the sockets, whenever anything here has changed.

        It MUST NOT block or raise.
        """
        self._watchers.append(watcher)

    def leave(self, timeout_s: float, reason: str) -> bool:
        """Wait until all is said, and say goodbye where neither result nor error was. Blocks.

        Returns whether the server has everything. The second call does nothing; never raises.
        """
        link = self._link
        if link is None:
            return True
        self._link = None
        self._has_ended = True
        not_at_exit(self._at_exit)
        link.close(None if self._has_said_end else reason)
        budget = timeout_s if self._has_said_end else min(timeout_s, GOODBYE_S_MAX)
        if not link.done.wait(budget):
            link.abandon()
            link.done.wait(_ABANDON_S)
        left = self.delivery().waiting
        if left:
            logger.warning("%d messages were not acknowledged before the end", left)
        return not left

    # What the link tells (`clew.tree.client.link.Listener`), in its own thread.

    def connected(self) -> None:
        """Take note that the app is in the tree."""
        self.is_connected.set()
        if self._dead_man is not None:
            self._dead_man.cancel()
            self._dead_man = None
        self._tell()

    def disconnected(self) -> None:
        """Take note that the connection is lost."""
        self.is_connected.clear()
        self._arm_dead_man()
        self._tell()

    def noticed(self, frame: Notice) -> None:
        """Tell the program what became of a child."""
        hook = self.notice_hook
        if hook is not None:
            notice = read_notice(frame)
            self.handlers.workers.submit(lambda: self._guarded(hook, notice))
        self._tell()

    def stopped(self, code: str, message: str) -> None:
        """Take note that the server wants no more of this app."""
        app_id = self.config.app_id if self.config else ""
        logger.warning("%s has left the tree: %s (%s)", app_id, message or code, code)
        if code in _CANCELLED:
            self._cancel_from_here(CancelPayload(reason=message or code, initiated_by="server"))
        self._tell()

    def forked(self) -> None:
        """Do nothing any more: this is a forked child, and the app is its parent."""
        self._link = None
        self._has_ended = True

    def _begin(self, config: TrailsConfig, *, is_process: bool) -> None:
        # These need asyncio, websockets and cryptography, which only a tree is worth.
        from clew.tree.client.conversation import Conversation
        from clew.tree.client.link import Link

        engine = get_engine()
        self._link = self._last_link = Link(Conversation(config), self.handlers, engine, self)
        tell_of_forks(self)
        self._link.start()
        if self._dead_man_s is not None:
            ending.become_interruptible()
            engine.call(self._arm_dead_man)
        if is_process:
            at_exit(self._at_exit)

    def _guarded(self, hook: Callable[[Any], Any], value: Any) -> None:
        try:
            hook(value)
        except Exception:
            # A program's own fault: it must not end the thread that calls its hooks.
            logger.exception("a hook of the program failed")

    def _take_cancel(self) -> None:
        self.is_cancelled.set()
        self._tell()

    def _cancel_from_here(self, payload: CancelPayload) -> None:
        """Carry out a cancel that came as no command: the program hears no difference."""
        self._take_cancel()
        if self.handlers.on_cancel is None:
            self._unheard = payload
            return

        def carry_out() -> None:
            self._carry_out(payload)
            if self.handlers.after_cancel is not None:
                self.handlers.after_cancel()

        start_thread(carry_out, "clew cancel")

    def _carry_out(self, payload: CancelPayload) -> None:
        """Call the hook of a cancel; whatever it does, the rest of the cancel goes on."""
        hook = self.handlers.on_cancel
        if hook is None:
            return
        try:
            hook(payload, payload.grace_ms)
        except Exception:
            # A program's own fault: the process ends all the same.
            logger.exception("the hook of a cancel failed")

    def _interrupt(self) -> None:
        ending.interrupt(lambda: self.leave(SHUTDOWN_S_MAX, "cancelled"))

    def _arm_dead_man(self) -> None:
        """Let the time run after which this process ends itself without a server."""
        if self._dead_man_s is None or self._has_ended or self.is_connected.is_set():
            return
        import asyncio

        loop = asyncio.get_running_loop()
        self._dead_man = loop.call_later(self._dead_man_s, self._stop_disconnected)

    def _stop_disconnected(self) -> None:
        if self._has_ended:
            return
        logger.error("no connection to the tree for %s s: this process ends", self._dead_man_s)
        payload = CancelPayload(
            reason="disconnected", initiated_by="self", grace_ms=round(self._grace_s * 1000)
        )

        def stop() -> None:
            ending.kill_after(self._grace_s)
            self._carry_out(payload)
            ending.interrupt(lambda: self.leave(0.0, "disconnected"))

        self._take_cancel()
        start_thread(stop, "clew cancel")

    def _at_exit(self) -> None:
        error = ending.uncaught()
        if error is not None and self.is_active:
            self.say(
                MessageKind.ERROR, {"message": f"{type(error).__name__}: {error}", "detail": None}
            )
        if ending.is_supervised() and not self._has_said_end:
            self._leave_to_agent()
            return
        self.leave(SHUTDOWN_S_MAX, "cancelled" if self.is_cancelled.is_set() else "completed")

    def _leave_to_agent(self) -> None:
        """Send what waits, and leave without a goodbye: the agent tells how the process ended."""
        link = self._link
        if link is not None:
            self._has_ended = True
            link.close(None)
            link.done.wait(GOODBYE_S_MAX)

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()


def join_environment(*, stop_if_disconnected_after: float | None = None) -> Membership:
    """Return this process's own membership, as `TRAILS_INFO` says; the same one at each call.

    A process that inherited the variable from one that has joined with it is not that app, and is
    no part of the tree: whoever starts it says who it is.
    """
    with _own.lock:
        config = read_environment()
        app_id = config.app_id if config else None
        if app_id is not None and _own.membership is not None and _own.app_id == app_id:
            return _own.membership
        claim = os.environ.get(CLAIMED, "")
        if app_id is not None and claim.endswith(app_id) and claim != _claim(app_id):
            logger.debug("another process is %s already", app_id)
            config = None
        elif app_id is not None:
            os.environ[CLAIMED] = _claim(app_id)
        membership = Membership(config, stop_if_disconnected_after=stop_if_disconnected_after)
        _own.membership, _own.app_id = membership, app_id
        return membership


class _Own:
    """The membership of this process. A forked child keeps its parent's, which does nothing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.app_id: str | None = None
        self.membership: Membership | None = None


_own = _Own()


def _unlock() -> None:
    _own.lock = threading.Lock()


os.register_at_fork(after_in_child=_unlock)


def _claim(app_id: str) -> str:
    return f"{os.getpid()}:{app_id}"


def no_tree() -> ClewError:
    """Return the error of a process that has nobody to ask."""
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"process {os.getpid()} is no part of a tree",
        hint="start it with clew exec, or give a TrailsConfig to init_with",
    )
