"""Where datagrams go: ``udp://127.0.0.1:7704``, ``unix:///run/clew/links.sock``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from clew.base.errors import ClewError, ErrorCode, shorten

LINKS_DEFAULT: Final = "udp://127.0.0.1:7704"

UNIX_PATH_BYTES_MAX: Final = 107
"""Of Linux; other systems have a few less, and say so themselves."""

_HINT: Final = "write udp://HOST:PORT, HOST:PORT, or unix:///PATH"
_QUOTED_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class UdpAddress:
    """A host, by name or number, and a port; port 0 is any that is free, for who binds to it."""

    host: str
    """In ASCII."""

    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"udp://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A path of the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = UdpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Return the address that a text names.

    Raises:
        ClewError: INVALID_ARGUMENT when it names none.
    """
    given = text.strip()
    if given.startswith("unix:"):
        return _unix(given, text)
    try:
        parts = urlsplit(given if "://" in given else f"udp://{given}")
        host, port = parts.hostname, parts.port
        if host is not None and not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as error:
        raise _wrong(text) from error
    if parts.scheme != "udp" or not host or port is None:
        raise _wrong(text)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise _wrong(text)
    return UdpAddress(host, port)


def _unix(given: str, text: str) -> UnixAddress:
    path = given.removeprefix("unix:")
    path = path.removeprefix("//")
    if not path.startswith("/") or "\0" in path:
        raise _wrong(text)
    if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the path of a socket has at most {UNIX_PATH_BYTES_MAX} bytes",
            hint="use a shorter folder, such as one of /run or /tmp",
        )
    return UnixAddress(path)


def _wrong(text: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not an address for link sets: {shorten(text, _QUOTED_CHARS_MAX)!r}",
        hint=_HINT,
    )
