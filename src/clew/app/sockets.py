"""Addresses taken before anything else: a busy port is told in the first moment, not the last."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.app.machine import find_listener
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from clew.app.configuration.values import Address
    from clew.lineage.transport.receiver import DatagramReceiver


@dataclass(frozen=True, slots=True)
class Sockets:
    """Addresses that were taken; None for a door that stays shut."""

    http: socket.socket
    otlp_http: socket.socket | None
    trails: socket.socket | None = None
    links: tuple[DatagramReceiver, ...] = ()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the doors really are, as ``host:port``; None for a door that is shut."""

    http: str
    otlp_http: str | None
    otlp_grpc: str | None
    trails: str | None = None
    links: str | None = None
    """The addresses for datagrams, with commas between."""


def take(address: Address, flag: str) -> socket.socket:
    """Return a socket that is bound and does not listen yet.

    Raises:
        ClewError: UNAVAILABLE, naming the flag and whoever has the address.
    """
    family, kind, protocol, _, place = _resolve(address, flag)
    taken = socket.socket(family, kind, protocol)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(place)
        # Two processes may both bind; only one can listen, and this is the moment to know.
        taken.listen(1)
    except OSError as error:
        taken.close()
        raise explain(error, address, flag) from error
    taken.setblocking(False)
    return taken


def explain(error: OSError, address: Address, flag: str) -> ClewError:
    """Say why an address cannot be taken, and what to do."""
    if error.errno != errno.EADDRINUSE:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"cannot listen on {address}: {reason}",
            hint=f"choose another address with {flag}",
        )
    listener = find_listener(address.port)
    by = f" by {listener}" if listener else ""
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"{address} is in use{by}",
        hint=f"stop what listens there, or choose another address with {flag}",
    )


def port_of(taken: socket.socket) -> int:
    """Return the port that a socket has, which the system chose if it was asked for port 0."""
    port: int = taken.getsockname()[1]
    return port


def _resolve(
    address: Address, flag: str
) -> tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"cannot listen on {address}: there is no such host",
            hint=f"choose another address with {flag}",
        ) from error
    # A name such as localhost may mean several addresses; IPv4 is what clients try when told
    # nothing.
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return found[0]
