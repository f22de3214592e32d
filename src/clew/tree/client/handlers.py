"""What a program does about commands: its handlers, run beside the thread that reads the socket.

A command may arrive twice, because the server sends it again until it is answered; it is carried
out once, and the repeat gets the same answer.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.tree.client.payload import decode_payload, encode_payload
from clew.tree.frames.fields import CANCEL_ACTION
from clew.tree.frames.inbound import ControlAck
from clew.tree.frames.outbound import CancelPayload

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.tree.frames.outbound import Control

    Answer = Callable[[ControlAck], None]
    CancelHook = Callable[[CancelPayload, int | None], Any]
    Handler = Callable[[Any], Any]

# Handlers that run at a time: a checkpoint must not wait for a slow dump_state.
WORKERS_MAX: Final = 4

# Commands that wait for a worker. Whoever sends more to one process hears that it is too much.
WAITING_MAX: Final = 256

# Commands whose answer is remembered; what the server sends again is among the newest.
REMEMBERED_MAX: Final = 1024

# How long a client that has just begun keeps a command that it has no handler for: commands that
# waited for the app arrive with its first breath, before the program has named its handlers.
EARLY_S: Final = 1.0

UNKNOWN_ACTION: Final = "unknown_action"
HANDLER_ERROR: Final = "handler_error"
OVERLOADED: Final = "overloaded"

logger = logging.getLogger("clew.tree")


@dataclass(slots=True)
class _Seen:
    """A command that came; `answer` is None while its handler runs."""

    answer: ControlAck | None = None


def start_thread(work: Callable[[], None], name: str) -> bool:
    """Run something in a daemon thread; return False at the end of a process, which starts none."""
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError:
        return False
    return True


class Workers:
    """A few daemon threads for handlers. They are no executor's: those hold up a process's end."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._unfinished = 0
        self._threads = 0
        self._lock = threading.Lock()

    def submit(self, job: Callable[[], None]) -> bool:
        """Run a job soon; return False when too many wait, or no thread can be started for it."""
        with self._lock:
            if self._unfinished >= WORKERS_MAX + WAITING_MAX:
                return False
            is_thread_needed = self._threads <= self._unfinished and self._threads < WORKERS_MAX
            if is_thread_needed and start_thread(self._work, "clew handler"):
                self._threads += 1
            if not self._threads:
                return False
            self._unfinished += 1
        self._jobs.put(job)
        return True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            finally:
                with self._lock:
                    self._unfinished -= 1


@dataclass(slots=True)
class Handlers:
    """The handlers of one app, and which commands it has had.

    Handlers are called in threads of `workers`. `cancelled` hears of a cancel first, whether there
    is a hook for it or not.
    """

    app_id: str
    cancelled: Callable[[], None]
    actions: dict[str, Handler] = field(default_factory=dict)
    on_cancel: CancelHook | None = None
    after_cancel: Callable[[], None] | None = None
    """Called once a cancel was carried out and its answer is on its way."""
    workers: Workers = field(default_factory=Workers)
    patient_until: float = field(default_factory=lambda: time.monotonic() + EARLY_S)
    _seen: OrderedDict[str, _Seen] = field(default_factory=OrderedDict)
    _early: list[tuple[Control, Answer]] = field(default_factory=list)
    _unheard: tuple[Control, Answer] | None = None

    def take(self, control: Control, answer: Answer) -> None:
        """Carry out a command, once, and answer it; `answer` may be called from another thread."""
        seen = self._seen.get(control.correlation_id)
        if seen is not None:
            if seen.answer is not None:
                answer(seen.answer)
            return
        self._remember(control.correlation_id)
        if control.action == CANCEL_ACTION:
            self.cancelled()
        self._begin(control, answer)

    def look_again(self) -> None:
        """Carry out what came before its handler was named; for the thread of the sockets."""
        early, self._early = self._early, []
        unheard, self._unheard = self._unheard, None
        for control, answer in [*early, *([unheard] if unheard else [])]:
            self._begin(control, answer)

    def answered(self, ack: ControlAck) -> None:
        """Remember how a command was answered."""
        seen = self._seen.get(ack.correlation_id)
        if seen is not None:
            seen.answer = ack

    @property
    def pending(self) -> int:
        """How many commands have no answer yet."""
        return sum(seen.answer is None for seen in self._seen.values())

    def refusal(self, control: Control, error: str, detail: str = "") -> ControlAck:
        """Return an answer that says no."""
        result = encode_payload({"message": detail}).octets if detail else b"null"
        return ControlAck(
            app_id=self.app_id,
            correlation_id=control.correlation_id,
            action=control.action,
            ack=False,
            result=msgspec.Raw(result),
            error=error,
        )

    def _begin(self, control: Control, answer: Answer) -> None:
        if control.action == CANCEL_ACTION and self.on_cancel is not None:
            self._begin_cancel(self.on_cancel, control, answer)
        elif control.action != CANCEL_ACTION and control.action in self.actions:
            handler = self.actions[control.action]
            if not self.workers.submit(lambda: answer(self._run(handler, control))):
                answer(self.refusal(control, OVERLOADED))
        elif time.monotonic() < self.patient_until:
            self._keep(control, answer)
        else:
            logger.warning("no handler for the command %r", control.action)
            answer(self.refusal(control, UNKNOWN_ACTION))
            if control.action == CANCEL_ACTION:
                # A hook that is named later still hears of it.
                self._unheard = (control, answer)

    def _keep(self, control: Control, answer: Answer) -> None:
        if not self._early:
            # There is a loop, so it is imported already.
            import asyncio

            loop = asyncio.get_running_loop()
            loop.call_later(self.patient_until - time.monotonic(), self._lose_patience)
        self._early.append((control, answer))

    def _lose_patience(self) -> None:
        self.patient_until = 0.0
        self.look_again()

    def _begin_cancel(self, hook: CancelHook, control: Control, answer: Answer) -> None:
        try:
            payload = msgspec.json.decode(control.payload, type=CancelPayload)
        except msgspec.MsgspecError:
            payload = CancelPayload()
        grace_ms = control.deadline_in_ms or payload.grace_ms

        def carry_out() -> None:
            answer(self._run(lambda _: hook(payload, grace_ms), control))
            if self.after_cancel is not None:
                self.after_cancel()

        # A thread of its own: a cancel must not wait behind other commands.
        if not start_thread(carry_out, "clew cancel"):
            answer(self.refusal(control, OVERLOADED))

    def _run(self, handler: Handler, control: Control) -> ControlAck:
        try:
            value = handler(decode_payload(control.payload))
        except (Exception, SystemExit) as error:
            # A program's own fault: it must end neither this thread nor the connection.
            logger.exception("the handler of the command %r failed", control.action)
            return self.refusal(control, HANDLER_ERROR, f"{type(error).__name__}: {error}")
        encoded = encode_payload({} if value is None else value)
        if encoded.trouble:
            logger.warning("the answer to %r is left out: %s", control.action, encoded.trouble)
        return ControlAck(
            app_id=self.app_id,
            correlation_id=control.correlation_id,
            action=control.action,
            ack=True,
            result=msgspec.Raw(encoded.octets),
        )

    def _remember(self, correlation_id: str) -> None:
        self._seen[correlation_id] = _Seen()
        while len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
