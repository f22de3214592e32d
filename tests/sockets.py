"""WebSockets for tests that speak the protocol themselves."""

from __future__ import annotations

from functools import partial
from typing import Final

import websockets.asyncio.client
import websockets.sync.client

OPEN_SECONDS_MAX: Final = 150.0
"""A deadline, not an expectation: the library's own ten seconds pass on a busy machine."""

connect = partial(websockets.sync.client.connect, open_timeout=OPEN_SECONDS_MAX)
"""Connects in a thread. Not over TLS: this client reads in one thread and writes in another, which
Python's TLS sockets do not stand, and now and then what was sent is lost."""

connect_async = partial(websockets.asyncio.client.connect, open_timeout=OPEN_SECONDS_MAX)
"""Connects on the event loop, over TLS as well."""
