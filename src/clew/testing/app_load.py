"""Apps of the tree that join whichever server of a group takes them, until told to stop.

Each says a Status after the other, gives itself a command now and then, does what it is told, and
ends with a Result. Where a connection breaks it returns at the next server and says again what was
not acknowledged, under the same number, as a client of the tree does. What it knows of each thing
is in its `AppHistory`.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from clew.base.ids import new_uuid
from clew.testing.history import AGAIN_SECONDS, AppHistory, Outcome, post
from clew.testing.load import Load
from clew.tree.frames.codes import FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.sync.client import ClientConnection

HEAR_SECONDS_MAX: Final = 20.0
"""How long an app waits for a frame that must come before it tries another server."""

COMMAND_EVERY: Final = 4
"""So many messages lie between two commands."""

PAUSE_SECONDS: Final = 0.02
"""Between two messages of an app: it reports, it does not flood."""

END_SECONDS_MAX: Final = 60.0
"""When an app that cannot say its last word is given up."""

ACTION: Final = "checkpoint"

KEY: Final = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""What an app of the open tier shows to be the same again."""


class _AwayError(Exception):
    """This server does not speak to the app now; another one may."""


class AppLoad(Load):
    """Apps at the servers whose HTTP doors are `urls` and agent planes `trails_urls`, in turn.

    Told to stop, each says its Result, and is waited for until that is acknowledged or given up.
    """

    def __init__(self, urls: Sequence[str], trails_urls: Sequence[str], apps: int = 2) -> None:
        self.histories = [AppHistory(new_uuid(time.time_ns())) for _ in range(apps)]
        servers = list(zip(urls, trails_urls, strict=True))
        super().__init__(_App(self, servers, each).run for each in self.histories)

    @property
    def acknowledged(self) -> int:
        """How many messages were acknowledged so far."""
        return sum(len(each.acknowledged()) for each in self.histories)


class _App:
    """One app, in a thread of its own."""

    def __init__(
        self, load: AppLoad, servers: Sequence[tuple[str, str]], history: AppHistory
    ) -> None:
        self._load = load
        self._servers = servers
        self._history = history
        self._turn = 0
        self._is_known = False
        self._gives_up_at: float | None = None

    def run(self) -> None:
        """Live."""
        while not self._history.has_ended and not self._is_given_up():
            try:
                url = self._servers[self._turn % len(self._servers)][1]
                with connect(url, open_timeout=HEAR_SECONDS_MAX, compression=None) as socket:
                    self._live(socket)
            except (OSError, TimeoutError, WebSocketException, _AwayError):
                self._turn += 1
                self._load.is_stopping.wait(AGAIN_SECONDS)

    def _is_given_up(self) -> bool:
        if not self._load.is_stopping.is_set():
            return False
        if self._gives_up_at is None:
            self._gives_up_at = time.monotonic() + END_SECONDS_MAX
        return time.monotonic() > self._gives_up_at

    def _live(self, socket: ClientConnection) -> None:
        history = self._history
        self._join(socket)
        while not history.has_ended:
            seq = self._next_number()
            is_last = history.last == seq
            if is_last:
                self._finish_commands(socket)
            self._say(socket, seq, "Result" if is_last else "Status")
            history.has_ended = is_last
            if not is_last and seq % COMMAND_EVERY == 0:
                self._give_command()
            self._load.is_stopping.wait(PAUSE_SECONDS)

    def _next_number(self) -> int:
        """Return the number to say: the one that was not acknowledged, or the next."""
        history = self._history
        with self._load.changed:
            for seq, outcome in history.messages.items():
                if outcome is Outcome.SENT:
                    return seq
            seq = len(history.messages) + 1
            history.messages[seq] = Outcome.SENT
            if self._load.is_stopping.is_set() and history.last is None:
                history.last = seq
            return seq

    def _join(self, socket: ClientConnection) -> None:
        history = self._history
        acked = max(history.acknowledged(), default=0)
        if self._is_known:
            frame = {"type": "re_register", "last_seq": acked, "pub_key": KEY}
        else:
            frame = {"type": "register", "app_name": "drilled", "child_pub_key": KEY}
        self._send(socket, frame | {"app_id": history.app_id})
        while (told := self._hear(socket))["type"] != "registered":
            if told.get("code") in (FrameError.REGISTRATION_FAILED, FrameError.NOT_FOUND):
                # The answer to an earlier registration was lost, and nobody knew what it was.
                self._is_known = history.has_joined or not self._is_known
            self._do(socket, told)
        history.durable.append((acked, told.get("durable_seq", 0)))
        history.has_joined = self._is_known = True

    def _say(self, socket: ClientConnection, seq: int, kind: str) -> None:
        header = {"msg_type": kind, "timestamp": time.time_ns() // 1_000_000, "seq": seq}
        frame = {"type": "message", "app_id": self._history.app_id, "header": header}
        self._send(socket, frame | {"payload": {"at": seq}})
        while (told := self._hear(socket))["type"] != "ack" or told["seq"] < seq:
            self._do(socket, told)
        with self._load.changed:
            self._history.messages[seq] = Outcome.ACKNOWLEDGED
            self._load.changed.notify_all()

    def _give_command(self) -> None:
        """Give this app a command, once, whatever becomes of it."""
        history = self._history
        correlation_id = new_uuid(time.time_ns())
        history.commands[correlation_id] = Outcome.SENT
        asked = {"action": ACTION, "payload": len(history.commands)}
        body = json.dumps(asked | {"correlation_id": correlation_id}).encode()
        url = self._servers[self._turn % len(self._servers)][0]
        status = post(url, f"/api/v1/apps/{history.app_id}/control", body, "application/json")
        if status in (http.client.OK, http.client.CREATED, http.client.ACCEPTED):
            history.commands[correlation_id] = Outcome.ACKNOWLEDGED

    def _finish_commands(self, socket: ClientConnection) -> None:
        """Hear every command that was acknowledged before the last word is said."""
        history = self._history
        while any(
            outcome is Outcome.ACKNOWLEDGED and not history.heard[correlation_id]
            for correlation_id, outcome in history.commands.items()
        ):
            self._do(socket, self._hear(socket))

    def _do(self, socket: ClientConnection, told: dict[str, Any]) -> None:
        """Do what a frame says that was not waited for."""
        if told["type"] == "error":
            self._history.refusals[told["code"]] += 1
            raise _AwayError(told["code"])
        if told["type"] == "control":
            correlation_id = told["correlation_id"]
            self._history.heard[correlation_id] += 1
            answer = {"type": "control_ack", "correlation_id": correlation_id}
            answer |= {"app_id": self._history.app_id, "action": told["action"]}
            self._send(socket, answer | {"ack": True, "result": told["payload"]})

    def _hear(self, socket: ClientConnection) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(socket.recv(HEAR_SECONDS_MAX))
        return found

    def _send(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        socket.send(json.dumps(frame))
