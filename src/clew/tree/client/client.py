"""A process's part in the tree, for programs without an event loop.

Nothing here blocks but what says so, and nothing raises because of the server: a program that is
watched must run as if it were not. Without `TRAILS_INFO` in the environment a client does nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.base.times import NS_PER_MS
from clew.tree.client import ending
from clew.tree.client.answers import Answer, ChildNotice, read_notice
from clew.tree.client.ending import GRACE_S, CancelContext
from clew.tree.client.engine import get_engine, tell_of_forks
from clew.tree.client.exchange import ANSWER_S_MAX, Issuing, Spawning, timed_out
from clew.tree.client.handlers import CANCEL, Handlers
from clew.tree.client.outbox import Entry
from clew.tree.client.payload import encode_payload
from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.fields import MessageKind
from clew.tree.frames.inbound import Issue, Spawn
from clew.tree.frames.info import TrailsConfig, read_environment
from clew.tree.frames.outbound import CancelPayload

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from clew.tree.client.link import Link
    from clew.tree.frames.outbound import Notice
    from clew.tree.machine.app import Orphans

# How long the end of a process waits for its result to be durable.
SHUTDOWN_S_MAX: Final = 10.0

# How long it waits when only statuses and the goodbye are left: as long as telemetry does.
GOODBYE_S_MAX: Final = 2.0

# After its task was cancelled, a link needs a turn of its loop.
_ABANDON_S: Final = 0.5

# A token is told once. When its answer was lost with a connection, the child gets another id, and
# the first one counts as failed to start.
_SPAWN_TRIES: Final = 2

_CANCELLED: Final = {FrameError.ANCESTOR_CANCELLED.value, CloseCode.ANCESTOR_CANCELLED.name.lower()}

logger = logging.getLogger("clew.tree")

Hook = TypeVar("Hook", bound="Callable[..., Any]")
Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the messages so far. `coalesced` statuses gave way to newer ones."""

    acked: int
    waiting: int
    coalesced: int
    dropped: int
    refused: int


class TrailsClient:
    """One app of the tree. Make it with `init` or `init_with`."""

    def __init__(
        self,
        config: TrailsConfig | None,
        *,
        stop_if_disconnected_after: float | None = None,
        is_process: bool = True,
    ) -> None:
        """Join as `config` says; do nothing, ever, when it is None.

        `is_process` tells that the app is this process, not a part of it: its end is then said when
        the process ends.
        """
        self.config = config
        self._link: Link | None = None
        self._last_link: Link | None = None
        self._handlers = Handlers(config.app_id if config else "", self._call, self._take_cancel)
        self._is_connected = threading.Event()
        self._is_cancelled = threading.Event()
        self._has_ended = False
        self._has_said_end = False
        self._cancel_context: CancelContext | None = None
        self._notice_hook: Callable[[ChildNotice], Any] | None = None
        self._watchers: list[Callable[[], None]] = []
        self._dead_man_s = stop_if_disconnected_after
        self._dead_man: Any = None
        if config is not None:
            self._begin(config, is_process=is_process)

    @classmethod
    def init(cls, *, stop_if_disconnected_after: float | None = None) -> TrailsClient:
        """Join as the environment says (`TRAILS_INFO`). Returns at once and never raises.

        With `stop_if_disconnected_after`, in seconds, this process ends itself when it has had no
        connection for so long: the only way to be sure that two never do the same work when the
        network is cut in two. It is interrupted as by Ctrl-C, and killed when that does not help
        within the grace of its `on_cancel`.
        """
        return cls(read_environment(), stop_if_disconnected_after=stop_if_disconnected_after)

    @classmethod
    def init_with(
        cls, config: TrailsConfig, *, stop_if_disconnected_after: float | None = None
    ) -> TrailsClient:
        """Join as the program itself says; else as `init`.

        Raises:
            ClewError: INVALID_ARGUMENT or UNSUPPORTED when the configuration cannot be used.
        """
        return cls(config.checked(), stop_if_disconnected_after=stop_if_disconnected_after)

    @property
    def app_id(self) -> str | None:
        """The id of this app, None for a client that does nothing."""
        return self.config.app_id if self.config else None

    @property
    def is_active(self) -> bool:
        """Whether what is said goes into the tree: not without one, and not after the end."""
        link = self._link
        return link is not None and not self._has_ended and not link.done.is_set()

    @property
    def is_connected(self) -> bool:
        """Whether the app is in the tree, over a connection that is open."""
        return self._link is not None and self._is_connected.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled this app."""
        return self._is_cancelled.is_set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the app is in the tree; return whether it is. Blocks."""
        return self._link is not None and self._is_connected.wait(timeout_s)

    def wait_cancelled(self, timeout_s: float | None = None) -> bool:
        """Wait until somebody cancels this app; return whether somebody has. Blocks."""
        return self._is_cancelled.wait(timeout_s)

    def delivery(self) -> Delivery:
        """Return what became of the messages so far."""
        link = self._last_link
        if link is None:
            return Delivery(0, 0, 0, 0, 0)
        outbox = link.conversation.outbox
        waiting = len(outbox) + link.unseen
        return Delivery(outbox.acked, waiting, outbox.coalesced, link.dropped, outbox.refused)

    def status(self, payload: Any) -> None:
        """Say how it goes. Never blocks; what is too much is counted in `delivery`."""
        self._say(MessageKind.STATUS, payload)

    def result(self, payload: Any = None) -> None:
        """Say what came out: the app is done. It is kept until the server has it durably.

        What is said after it is ignored. Never blocks; `shutdown`, or the end of the process, waits
        for it.
        """
        self._say(MessageKind.RESULT, payload)

    def error(self, message: str, detail: Any = None) -> None:
        """Say that it failed: the app has ended with an error. Else as `result`."""
        self._say(MessageKind.ERROR, {"message": message, "detail": detail})

    def on(self, action: str) -> Callable[[Hook], Hook]:
        """Make a function the handler of a command: ``@client.on("pause")``.

        It is called with the payload, in a thread of its own, and what it returns, a dict, is the
        answer. An exception is the answer ``handler_error``.
        """

        def register(handler: Hook) -> Hook:
            self._handlers.actions[action] = handler
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
        `exits` is False: then the program ends by itself.
        """

        def register(given: Hook) -> Hook:
            def carry_out(payload: CancelPayload, grace_ms: int | None) -> Any:
                return self._carry_out_cancel(given, grace_seconds, payload, grace_ms)

            self._handlers.on_cancel = carry_out
            self._handlers.after_cancel = self._interrupt if exits else None
            return given

        return register if hook is None else register(hook)

    def on_notice(self, hook: Hook) -> Hook:
        """Call something with a `ChildNotice` when something becomes of a child of this app."""
        self._notice_hook = hook
        return hook

    def create_child(self, name: str, *, tags: Any = None) -> TrailsConfig:
        """Return what a child needs to know, without telling the server about it.

        Raises:
            ClewError: UNAVAILABLE when this process is no part of a tree.
        """
        return self._require_config().create_child(name, tags=tags)

    def spawn(
        self,
        name: str,
        *,
        tags: Any = None,
        start_deadline_s: int | None = None,
        resume_window_s: float | None = None,
        orphans: Orphans | None = None,
        timeout_s: float = ANSWER_S_MAX,
    ) -> TrailsConfig:
        """Announce a child and return what it needs to know, its join token included. Blocks.

        Start the process with ``TRAILS_INFO=config.encode()`` in its environment within
        `start_deadline_s`; else the child counts as failed to start.

        Raises:
            ClewError: UNAVAILABLE without a tree, TIMEOUT without an answer, or the server's own.
        """
        child = self.create_child(name, tags=tags)
        if start_deadline_s is not None:
            child = msgspec.structs.replace(child, start_deadline=start_deadline_s)
        for _ in range(_SPAWN_TRIES):
            spawning = self.begin_spawn(child, resume_window_s=resume_window_s, orphans=orphans)
            answer = self._wait(spawning.spawned, timeout_s, spawning.request.key, "a spawn")
            if answer.join_token is not None or answer.is_new:
                break
            child = fresh(child)
        return msgspec.structs.replace(child, join_token=answer.join_token)

    def send(
        self,
        target: str,
        action: str,
        payload: Any = None,
        *,
        cascade: bool = False,
        ttl_s: float | None = None,
        name_filter: str | None = None,
        status_filter: str | None = None,
        wait_s: float = 0.0,
    ) -> Answer:
        """Send a command to a descendant, or with `cascade` to all below it that match. Blocks.

        Returns what is known once it is durable; with `wait_s`, once it is over, or as it stands
        after so many seconds.

        Raises:
            ClewError: NOT_FOUND or FORBIDDEN when it is no descendant, INVALID_ARGUMENT for a
                payload that cannot be sent, UNAVAILABLE without a tree, TIMEOUT without an answer.
        """
        encoded = encode_payload(payload)
        if encoded.trouble:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"the payload cannot be sent: {encoded.trouble}",
                hint="put what is large into a file and its name into the payload",
            )
        frame = Issue(
            app_id=self._require_config().app_id,
            correlation_id=new_uuid(time.time_ns()),
            target_id=parse_uuid(target),
            action=action,
            payload=msgspec.Raw(encoded.octets),
            cascade=cascade,
            ttl_ms=None if ttl_s is None else round(ttl_s * 1000),
            name_filter=name_filter,
            status_filter=status_filter,
        )
        return self._wait_issue(self.begin_issue(frame, waits=wait_s > 0), wait_s)

    def cancel(
        self,
        target: str,
        *,
        cascade: bool = True,
        reason: str = "",
        grace_s: float = GRACE_S,
        include_detached: bool = False,
        wait_s: float = 0.0,
    ) -> Answer:
        """Cancel a descendant, and with `cascade` all that is below it. Blocks; else as `send`."""
        frame = Issue(
            app_id=self._require_config().app_id,
            correlation_id=new_uuid(time.time_ns()),
            target_id=parse_uuid(target),
            action=CANCEL,
            cascade=cascade,
            grace_ms=round(grace_s * 1000),
            reason=reason,
            include_detached=include_detached,
        )
        return self._wait_issue(self.begin_issue(frame, waits=wait_s > 0), wait_s)

    def shutdown(self, timeout_s: float = SHUTDOWN_S_MAX, *, reason: str = "completed") -> bool:
        """Leave: wait until all is said, and say goodbye where neither result nor error was said.

        Blocks for `timeout_s` at the most, and `GOODBYE_S_MAX` where no result waits. Returns
        whether the server has everything. The second call does nothing; never raises.
        """
        link = self._link
        if link is None:
            return True
        ending.not_at_exit(self._at_exit)
        self._has_ended = True
        link.close(None if self._has_said_end else reason)
        budget = timeout_s if self._has_said_end else min(timeout_s, GOODBYE_S_MAX)
        if not link.done.wait(budget):
            link.abandon()
            link.done.wait(_ABANDON_S)
        left = self.delivery().waiting
        if left:
            logger.warning("%d messages were not acknowledged before the end", left)
        self._link = None
        return not left

    def begin_spawn(
        self,
        child: TrailsConfig,
        *,
        resume_window_s: float | None = None,
        orphans: Orphans | None = None,
    ) -> Spawning:
        """Announce a child without waiting for the answer.

        Raises:
            ClewError: UNAVAILABLE without a tree.
        """
        spawning = Spawning(
            Spawn(
                app_id=self._require_config().app_id,
                child_id=child.app_id,
                app_name=child.app_name,
                tier=child.tier,
                start_deadline_s=child.start_deadline,
                resume_window_ms=None if resume_window_s is None else round(resume_window_s * 1000),
                orphans=orphans,
                role_refs=child.role_refs,
                originator=child.originator,
                tags=child.tags,
            )
        )
        self._require_link().ask(spawning.request)
        return spawning

    def begin_issue(self, frame: Issue, *, waits: bool) -> Issuing:
        """Send a command without waiting for the answer.

        Raises:
            ClewError: UNAVAILABLE without a tree.
        """
        issuing = Issuing(frame, waits=waits)
        self._require_link().ask(issuing.request)
        return issuing

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call something, in the thread of the sockets, whenever what this client is has changed.

        It MUST NOT block or raise.
        """
        self._watchers.append(watcher)

    # What the link tells (`clew.tree.client.link.Listener`), in its own thread.

    def connected(self) -> None:
        """Take note that the app is in the tree."""
        self._is_connected.set()
        if self._dead_man is not None:
            self._dead_man.cancel()
            self._dead_man = None
        self._tell()

    def disconnected(self) -> None:
        """Take note that the connection is lost."""
        self._is_connected.clear()
        self._arm_dead_man()
        self._tell()

    def noticed(self, frame: Notice) -> None:
        """Tell the program what became of a child."""
        hook = self._notice_hook
        if hook is not None:
            notice = read_notice(frame)
            self._handlers.workers.submit(lambda: self._guarded(hook, notice))
        self._tell()

    def stopped(self, code: str, message: str) -> None:
        """Take note that the server wants no more of this app."""
        logger.warning("%s has left the tree: %s (%s)", self.app_id, message or code, code)
        if code in _CANCELLED:
            self._cancel_from_here(CancelPayload(reason=message or code, initiated_by="server"))
        self._tell()

    def forked(self) -> None:
        """Do nothing any more: this is a forked child, and the app is its parent."""
        self._link = None
        self._has_ended = True

    def _begin(self, config: TrailsConfig, *, is_process: bool) -> None:
        # The rest of a client needs asyncio, websockets and cryptography: only where there is a
        # tree.
        from clew.tree.client.conversation import Conversation
        from clew.tree.client.link import Link

        engine = get_engine()
        self._link = Link(Conversation(config), self._handlers, engine, self)
        self._last_link = self._link
        tell_of_forks(self)
        self._link.start()
        if self._dead_man_s is not None:
            engine.call(self._arm_dead_man)
        if is_process:
            ending.at_exit(self._at_exit)

    def _say(self, kind: MessageKind, payload: Any) -> None:
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

    def _call(self, handler: Callable[[Any], Any], value: Any) -> Any:
        """Call a handler in this thread; the asyncio face has another way for coroutines."""
        return handler(value)

    def _guarded(self, hook: Callable[[Any], Any], value: Any) -> None:
        try:
            self._call(hook, value)
        except Exception:
            # A program's own fault: it must not end the thread that calls its hooks.
            logger.exception("a hook of the program failed")

    def _carry_out_cancel(
        self,
        hook: Callable[[CancelContext], Any],
        grace_s: float,
        payload: CancelPayload,
        grace_ms: int | None,
    ) -> Any:
        given = grace_s if grace_ms is None else min(grace_s, grace_ms / 1000)
        context = CancelContext(
            payload.reason, payload.initiated_by, payload.cascade, time.monotonic() + given
        )
        self._cancel_context = context
        return self._call(hook, context)

    def _take_cancel(self) -> None:
        self._is_cancelled.set()
        self._tell()

    def _cancel_from_here(self, payload: CancelPayload) -> None:
        """Carry out a cancel that came as no command: the program hears no difference."""
        self._take_cancel()
        hook = self._handlers.on_cancel
        if hook is None:
            return

        def carry_out() -> None:
            self._guarded(lambda _: hook(payload, None), None)
            if self._handlers.after_cancel is not None:
                self._handlers.after_cancel()

        threading.Thread(target=carry_out, name="clew cancel", daemon=True).start()

    def _interrupt(self) -> None:
        ending.interrupt(lambda: self.shutdown(reason="cancelled"))

    def _arm_dead_man(self) -> None:
        """Let the time run after which this process ends itself without a server."""
        if self._dead_man_s is None or self._has_ended or self._is_connected.is_set():
            return
        import asyncio

        loop = asyncio.get_running_loop()
        self._dead_man = loop.call_later(self._dead_man_s, self._stop_disconnected)

    def _stop_disconnected(self) -> None:
        if self._has_ended:
            return
        logger.error("no connection to the tree for %s s: this process ends", self._dead_man_s)

        def stop() -> None:
            hook = self._handlers.on_cancel
            if hook is not None:
                payload = CancelPayload(reason="disconnected", initiated_by="self")
                self._guarded(lambda _: hook(payload, None), None)
            context = self._cancel_context
            ending.interrupt(lambda: self.shutdown(0.0))
            never = threading.Event()
            never.wait(context.grace_remaining if context is not None else GRACE_S)
            ending.kill()

        self._take_cancel()
        threading.Thread(target=stop, name="clew cancel", daemon=True).start()

    def _at_exit(self) -> None:
        error = ending.uncaught()
        if error is not None and self.is_active:
            self.error(f"{type(error).__name__}: {error}")
        if ending.is_supervised() and not self._has_said_end:
            self._leave_to_agent()
            return
        self.shutdown(reason="cancelled" if self.is_cancelled else "completed")

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

    def _wait(self, future: Future[Answered], timeout_s: float, key: str, what: str) -> Answered:
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            self._forget(key)
            raise timed_out(what) from error

    def _wait_issue(self, issuing: Issuing, wait_s: float) -> Answer:
        key = issuing.request.key
        deadline = time.monotonic() + max(wait_s, ANSWER_S_MAX)
        answer = self._wait(issuing.accepted, max(wait_s, ANSWER_S_MAX), key, "a command")
        if wait_s <= 0:
            return answer
        try:
            return issuing.over.result(max(0.0, min(wait_s, deadline - time.monotonic())))
        except TimeoutError:
            self._forget(key)
            return issuing.latest or answer

    def _forget(self, key: str) -> None:
        link = self._link
        if link is not None:
            link.forget(key)

    def _require_config(self) -> TrailsConfig:
        if self.config is None:
            raise _no_tree()
        return self.config

    def _require_link(self) -> Link:
        if self._link is None:
            raise _no_tree()
        return self._link


def fresh(child: TrailsConfig) -> TrailsConfig:
    """Return the same child under another id."""
    return msgspec.structs.replace(child, app_id=new_uuid(time.time_ns()))


def _no_tree() -> ClewError:
    pid = os.getpid()
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"process {pid} is no part of a tree",
        hint="start it with clew exec, or give a TrailsConfig to init_with",
    )
