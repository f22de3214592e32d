"""What is still to come of a request's body where the connection is closed with the answer.

A connection that is closed with unread bytes is reset, and the reset may overtake the answer:
whoever sent them would not know what became of it.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

LINGER_SECONDS_MAX: Final = 2.0
"""How long a refused body is still read, so that its sender sees the answer instead of a reset."""

LINGER_BYTES_MAX: Final = 32 << 20
"""How much of it: twice the largest body that is sent in good faith."""


async def discard_body(receive: Receive) -> None:
    """Read what still comes of a refused body, within bounds."""
    size = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS_MAX):
            while size < LINGER_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def linger(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return both ends of a request so that an answer that hangs up waits for the body's rest.

    Not where the body was too slow to be waited for any longer.
    """
    is_over = hangs_up = False

    async def receive_noted() -> Message:
        nonlocal is_over
        message = await receive()
        is_over = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def send_lingering(message: Message) -> None:
        nonlocal hangs_up
        if message["type"] == "http.response.start":
            is_slow = message["status"] == HTTPStatus.REQUEST_TIMEOUT
            hangs_up = (b"connection", b"close") in message["headers"] and not is_slow
        elif hangs_up and not (is_over or message.get("more_body", False)):
            await send({**message, "more_body": True})
            await discard_body(receive_noted)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(message)

    return receive_noted, send_lingering
