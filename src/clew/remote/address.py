"""Where a server is: its address as people write it, read once."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from clew.base.errors import ClewError, ErrorCode

DEFAULT_SERVER: Final = "http://127.0.0.1:7701"

ADDRESS_CHARS_SHOWN: Final = 200
"""How much of a wrong address an error repeats: host names end at 253."""

_PATH: Final = re.compile(r"[!-~]*")


def parse_server(url: str) -> SplitResult:
    """Read a server's address; `host:port` means http.

    Raises:
        ClewError: INVALID_ARGUMENT when it is no http or https address.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it, and names are looked up in this encoding.
        is_sound = (parts.port is None or parts.port > 0) and bool(
            (parts.hostname or "").encode("idna")
        )
    except ValueError:
        is_sound = False
    if not (
        is_sound
        and parts.scheme in {"http", "https"}
        and parts.netloc.isprintable()
        and " " not in parts.netloc
        and _PATH.fullmatch(parts.path)
        # Nothing of these would be sent, so an address that has them means something else.
        and not (parts.query or parts.fragment or "@" in parts.netloc)
    ):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a server's address: {_without_secret(url)[:ADDRESS_CHARS_SHOWN]!r}",
            hint=f"it looks like {DEFAULT_SERVER}",
        )
    return parts


def _without_secret(url: str) -> str:
    """Return an address without the user and password that it may begin with."""
    return re.sub(r"(?<=//)[^/]*@", "…@", url)
