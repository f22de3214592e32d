"""A server that says what a test tells it to: a real socket, for promises about the wire itself."""

from __future__ import annotations

import json
import queue
import threading
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from clew.tree.frames.info import TrailsConfig

SECONDS_MAX = 150.0
"""A deadline, not an expectation: what hangs fails, what is slow on a busy machine does not."""

SERVER_KEY = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Talk:
    """One connection of a client."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.is_over = threading.Event()
        self.close_code: int | None = None

    def receive(self) -> dict[str, Any]:
        """Return the next frame of the client."""
        message = self._connection.recv(timeout=SECONDS_MAX)
        assert isinstance(message, str), "frames are text messages"
        value: dict[str, Any] = json.loads(message)
        return value

    def expect(self, kind: str) -> dict[str, Any]:
        """Return the next frame, which must be of a type."""
        frame = self.receive()
        assert frame["type"] == kind, frame
        return frame

    def closed(self) -> int:
        """Read until the client closes; return with which code it did."""
        try:
            while True:
                self._connection.recv(timeout=SECONDS_MAX)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    def send(self, kind: str, /, **fields: Any) -> None:
        """Send a frame."""
        self._connection.send(json.dumps({"type": kind, **fields}))

    def send_bytes(self, octets: bytes) -> None:
        """Send a binary message."""
        self._connection.send(octets)

    def register(self, **fields: Any) -> dict[str, Any]:
        """Let a client join or return; return what it said."""
        frame = self.receive()
        assert frame["type"] in {"register", "re_register"}, frame
        self.send(
            "registered",
            **{"app_id": frame["app_id"], "server_pub_key": SERVER_KEY, "epoch": 1} | fields,
        )
        return frame

    def ack(self, frame: dict[str, Any]) -> None:
        """Acknowledge a message."""
        self.send("ack", app_id=frame["app_id"], seq=frame["header"]["seq"])

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code."""
        self._connection.close(code, reason)

    def drop(self) -> None:
        """Lose the connection without a word."""
        self._connection.socket.shutdown(2)
        self.is_over.set()

    def end(self) -> None:
        """Let the connection go."""
        self.is_over.set()


class ScriptedPeer:
    """A server on loopback that hands every connection to the test."""

    def __init__(self, port: int = 0) -> None:
        self._talks: queue.Queue[Talk] = queue.Queue()
        self._open: list[Talk] = []
        self._server: Server = serve(
            self._handle, "127.0.0.1", port, compression=None, ping_interval=None, close_timeout=2
        )
        self.port = int(self._server.socket.getsockname()[1])
        self.url = f"ws://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def config(self, name: str = "worker", **changes: Any) -> TrailsConfig:
        """Return the configuration of an app of this server."""
        config = TrailsConfig.create(name, self.url)
        values = {field: getattr(config, field) for field in config.__struct_fields__}
        return TrailsConfig(**values | changes)

    def talk(self) -> Talk:
        """Return the next connection."""
        talk = self._talks.get(timeout=SECONDS_MAX)
        self._open.append(talk)
        return talk

    @property
    def has_talk(self) -> bool:
        """Whether somebody has connected whom the test has not looked at."""
        return not self._talks.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop: nobody is answered any more."""
        while not self._talks.empty():
            self._open.append(self._talks.get())
        for talk in self._open:
            talk.end()
        self._server.shutdown()
        self._thread.join(SECONDS_MAX)

    def _handle(self, connection: ServerConnection) -> None:
        talk = Talk(connection)
        self._talks.put(talk)
        talk.is_over.wait(SECONDS_MAX)


class WillingPeer(ScriptedPeer):
    """A server that lets everybody in, takes what is said, and remembers it."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.acks = True
        self._changed = threading.Condition()
        self._connections: dict[str, ServerConnection] = {}
        super().__init__()

    def await_frame(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the first frame of a type that has these fields, also those of its header."""

        def find() -> dict[str, Any] | None:
            for frame in self.frames:
                known = frame | frame.get("header", {})
                if frame["type"] == kind and fields.items() <= known.items():
                    return frame
            return None

        with self._changed:
            assert self._changed.wait_for(find, SECONDS_MAX), (kind, fields, self.frames)
            found = find()
        assert found is not None
        return found

    def await_end(self, app_id: str) -> None:
        """Wait until an app has no connection any more."""
        with self._changed:
            assert self._changed.wait_for(lambda: app_id not in self._connections, SECONDS_MAX)

    def tell(self, app_id: str, kind: str, /, **fields: Any) -> None:
        """Send a frame to an app."""
        with self._changed:
            assert self._changed.wait_for(lambda: app_id in self._connections, SECONDS_MAX)
        self._connections[app_id].send(json.dumps({"type": kind, "app_id": app_id, **fields}))

    def _handle(self, connection: ServerConnection) -> None:
        app_id = ""
        try:
            for message in connection:
                frame = json.loads(message)
                app_id = frame["app_id"]
                # Who was answered may be gone before anything is written down after that.
                with self._changed:
                    self.frames.append(frame)
                    self._changed.notify_all()
                answer = self._answer(frame)
                if answer is not None:
                    connection.send(json.dumps({"app_id": app_id, **answer}))
                with self._changed:
                    self._connections[app_id] = connection
                    self._changed.notify_all()
        except ConnectionClosed:
            return
        finally:
            with self._changed:
                # It may have come back before its former connection was seen to end.
                if self._connections.get(app_id) is connection:
                    del self._connections[app_id]
                self._changed.notify_all()

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        match frame["type"]:
            case "register" | "re_register":
                return {"type": "registered", "server_pub_key": SERVER_KEY, "epoch": 1}
            case "message" if self.acks:
                return {"type": "ack", "seq": frame["header"]["seq"]}
            case "spawn":
                return {"type": "spawned", "child_id": frame["child_id"], "join_token": "once"}
            case "issue":
                fields = {"kind": "cancel", "is_over": True, "targets": []}
                copied = {name: frame[name] for name in ("correlation_id", "action")}
                return {"type": "issued", **fields, **copied}
        return None
