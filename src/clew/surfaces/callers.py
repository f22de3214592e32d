"""Who may call a door of ours from a browser: the rules of Host and Origin, as pure functions.

A door on loopback is open to every program of the machine, and a browser runs programs of others.
Two things keep web pages out. A page of a foreign site carries its `Origin`, which is not ours. A
page that points a DNS name of its own at 127.0.0.1 (DNS rebinding) is of our origin in the eyes of
the browser, but its requests carry that name as `Host`; a name that a stranger controls is never a
loopback name, nor a plain address.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

ANY_ORIGIN: Final = "*"

_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


def split_host(header: str) -> str:
    """Return the host of a `Host` header in lower case, without port and brackets."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return (host if colon and port.isdigit() else text).rstrip(".")


def is_loopback_name(host: str) -> bool:
    """Tell whether a host, as `split_host` gives it, is this machine's own name for itself."""
    if host in _LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host_admitted(header: str | None, names: Collection[str]) -> bool:
    """Tell whether a request with this `Host` may be answered, None where it has no such head.

    Loopback names, plain addresses (no DNS stands behind them) and the configured names are, and
    whoever names nothing: no browser does that, and health checks in HTTP/1.0 do.
    """
    if header is None:
        return True
    host = split_host(header)
    if is_loopback_name(host) or host in names:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_origin_admitted(origin: str, origins: Collection[str]) -> bool:
    """Tell whether a page of this origin may send us something.

    Pages from loopback may, and those of the configured origins (compared without case); ``null``
    is the origin of sandboxed frames and local files and is admitted by `ANY_ORIGIN` only.
    """
    if not (origin.isascii() and origin.isprintable()):
        return False
    if ANY_ORIGIN in origins or origin.lower() in origins:
        return True
    try:
        parts = urlsplit(origin)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and host is not None and is_loopback_name(host)
