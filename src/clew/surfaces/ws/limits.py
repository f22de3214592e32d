"""The walls around a socket, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLICE_BYTES: Final = 16 << 10
"""Bytes that are parsed in one go: the smallest frames make some 2700 objects of them."""

FRAGMENTS_MAX: Final = 256
"""Pieces of one message: real clients send one, and empty pieces cost more than their bytes."""

BYTES_PER_IDENTITY: Final = 1 << 10
"""Room in a socket's outbound budget for each app on it: a cancel of all of them at once."""

TICKETS_PER_LINK_MAX: Final = 256
"""Commands and children of one socket that wait for an answer."""

RESERVED_DESCRIPTORS: Final = 2048
"""Files of the process that are not sockets of apps: the engine's, the other doors', the log's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """What a peer may do. Seconds, bytes and rates per second.

    A ping every 20 s finds a peer that is gone within 40. The first frame is sent by a client as
    soon as it is connected; an address that opens sockets and says nothing has 32 of them, programs
    of this machine more, because all of them share one address. An app sends a status each second
    or so: 50 with a burst of 200 hold off a loop, and who is held up for half a minute without a
    pause is turned away. 1000 registrations a second take half a core. A peer that does not answer
    a close in 2 s is cut off.
    """

    ping_seconds: float = 20.0
    pong_seconds: float = 20.0
    handshake_seconds: float = 5.0
    first_frame_seconds: float = 5.0
    registration_seconds: float = 30.0
    silent_per_address_max: int = 32
    silent_local_max: int = 1024
    sockets_max: int = 16_000
    registrations_per_second: float = 1000.0
    registrations_burst: int = 1000
    frames_per_second: float = 50.0
    frames_burst: int = 200
    held_seconds_max: float = 30.0
    close_seconds: float = 2.0
    outbound_bytes_max: int = 1 << 20
    outbound_frames_max: int = 256
