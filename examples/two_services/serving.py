"""A service as a process of its own: it says its address on stdout when it listens."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.applications import Starlette


def serve(app: Starlette) -> None:
    """Serve an application on PORT, or on any free one, until SIGTERM."""
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    host, port = listening.getsockname()
    print(f"http://{host}:{port}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
