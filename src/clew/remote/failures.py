"""What it means that no answer came: nobody is there, it is late, or it broke off.

What an answer means that is no success is another matter (`clew.remote.problems`).
"""

from __future__ import annotations

import http.client
import socket
from typing import Final
from urllib.parse import urlsplit

from clew.base.errors import ClewError, ErrorCode
from clew.remote.problems import ended, tls_problem

START_HINT: Final = "start one with: clew serve"


class NotSentError(ClewError):
    """Nobody could be told anything at all, so that what was to be sent was not done."""


def explain_silence(url: str, seconds: float) -> ClewError:
    """Return the error for an answer that did not come in time."""
    return ClewError(
        ErrorCode.TIMEOUT,
        f"{url} did not answer in {seconds:g} s",
        hint="ask for less (--last, --limit), or look at it with: clew doctor",
    )


def explain_failure(error: BaseException, url: str) -> ClewError:
    """Say what a failure of the transport, that is no silence, means to the one who asked."""
    if isinstance(error, socket.gaierror):
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"no such host: {urlsplit(url).hostname}",
            hint="set --server or CLEW_SERVER to a clew server's address",
        )
    if url.startswith("https:") and (strange := tls_problem(error, url)) is not None:
        return strange
    if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol) and not (
        isinstance(error, ConnectionError)
    ):
        # Its bytes say nothing to a reader, and may be anything.
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"what answers at {url} does not speak HTTP",
            hint="give the address of a clew server's HTTP door, 7701 by default, or "
            "https:// where TLS is in front of it",
        )
    if isinstance(error, http.client.RemoteDisconnected):
        return ended(url)
    reason = "its answer broke off" if isinstance(error, http.client.IncompleteRead) else ""
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"no clew server answers at {url} ({reason or _tell(error)})",
        hint=START_HINT,
    )


def explain_unreached(url: str, seconds: float) -> NotSentError:
    """Return the error for a connection that did not come about in time."""
    return NotSentError(
        ErrorCode.UNAVAILABLE,
        f"no clew server answers at {url} (no connection in {seconds:g} s)",
        hint=START_HINT,
    )


def explain_unknown(error: BaseException | None, url: str, seconds: float) -> ClewError:
    """Return the error for what was sent and got no answer; `error` is None where that was late.

    Whether it was done is not known, so nobody sends it a second time unasked.
    """
    code, what = ErrorCode.TIMEOUT, f"did not answer in {seconds:g} s"
    if error is not None:
        code, what = ErrorCode.UNAVAILABLE, f"broke off before it answered ({_tell(error)})"
    return ClewError(
        code,
        f"{url} {what}: whether it did what was sent is not known",
        hint="look whether it was done before you send it again",
    )


def _tell(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(reason).lower()
