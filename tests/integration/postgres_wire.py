"""A wire to a PostgreSQL server that can be cut just before or just after a COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
CHUNK_BYTES = 1 << 16


class Cut(Enum):
    """When the wire is cut, once."""

    NEVER = 0
    BEFORE_COMMIT = 1
    AFTER_COMMIT = 2


class Wire:
    """Listens in `folder` and carries everything to the server that listens in `server`."""

    def __init__(self, folder: Path, server: Path) -> None:
        self._server = str(server / SOCKET_NAME)
        self._guard = threading.Lock()
        self._open: list[socket.socket] = []
        self.cut = Cut.NEVER
        self.is_down = False
        self.stays_down = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET_NAME))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()
        for thread in self._threads:
            thread.join(10)

    def cut_all(self) -> None:
        """End every connection there is."""
        with self._guard:
            ends, self._open = self._open, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_down:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            with self._guard:
                self._open += [client, server]
            for pump in (self._to_server, self._to_client):
                thread = threading.Thread(target=pump, args=(client, server), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if self.cut is Cut.BEFORE_COMMIT and b"COMMIT" in data:
                    self._cut_now()
                    break
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with server, contextlib.suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                if self.cut is Cut.AFTER_COMMIT and b"COMMIT\0" in data:
                    self._cut_now()
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _cut_now(self) -> None:
        self.cut = Cut.NEVER
        self.is_down = self.stays_down
        self.cut_all()
