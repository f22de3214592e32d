"""The HTTP library, which comes with an extra and is imported when the first client is made."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Final

from clew.base.errors import ClewError, ErrorCode

INSTALL_HINT: Final = "pip install 'clew[team]'"

_CHATTY: Final = ("httpcore2.http11", "httpcore2.http2", "httpcore2.proxy")
"""Loggers that write down the headers of answers, cookies among them, at the level DEBUG."""

_TELLING: Final = "receive_response_headers.complete"


class _HeadersLeftOut(logging.Filter):
    """Keeps what a server answered out of a log: a login's answer sets cookies that are tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _TELLING in record.getMessage():
            record.msg, record.args = f"{_TELLING} (left out)", ()
        return True


_FILTER: Final = _HeadersLeftOut()


def load_library() -> None:
    """Make sure that the HTTP library is there, and that it logs no token.

    Raises:
        ClewError: UNSUPPORTED when it is not installed.
    """
    if find_spec("httpx2") is None:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            "speaking to a team's server needs an HTTP library that is not installed",
            hint=INSTALL_HINT,
        )
    for name in _CHATTY:
        # The same filter is added once, however often this is called.
        logging.getLogger(name).addFilter(_FILTER)
