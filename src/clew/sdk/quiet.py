"""What the exporters say about a server that is away: once, in our words, and never in a circle.

The exporters log every failed attempt. A program that is watched by a server which is not running
would print them for ever, and a log handler that exports what the exporters log would never end.
So their records are kept back while they work for us, and the first loss is told once.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,
    attach,
    detach,
    get_value,
    set_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER_NAME: Final = "clew.sdk"

logger = logging.getLogger(LOGGER_NAME)

_here = threading.local()


def is_quiet() -> bool:
    """Whether this thread is exporting, for us or for another exporter of OpenTelemetry's."""
    return bool(getattr(_here, "is_exporting", False) or get_value(_SUPPRESS_INSTRUMENTATION_KEY))


@contextmanager
def exporting() -> Iterator[None]:
    """Mark this thread as exporting: nothing that happens in it is telemetry."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    _here.is_exporting = True
    try:
        yield
    finally:
        _here.is_exporting = False
        detach(token)


class _Quiet(logging.Filter):
    """Keeps back what exporters say while they export for us."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return not getattr(_here, "is_exporting", False)


_quiet = _Quiet()


def hush(exporter: object) -> None:
    """Keep back what the module of an exporter logs while it exports for us."""
    for name in (type(exporter).__module__, "opentelemetry.exporter.otlp.common.http"):
        # Adding the same filter twice does nothing.
        logging.getLogger(name).addFilter(_quiet)


class Complaint:
    """Tells of the first loss, once for all signals of a run."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.RLock()
        self._is_told = False

    def tell(self, signal: str, count: int) -> None:
        """Say that records could not be delivered, if nothing was said yet."""
        if not self._is_first():
            return
        logger.warning(
            "%d %s could not be delivered to %s; the program goes on, and later losses are only "
            "counted (start a server with: clew serve)",
            count,
            signal,
            self._endpoint,
        )

    def tell_overflow(self, signal: str, waiting: int, variable: str) -> None:
        """Say that a record found the queue full, if nothing was said yet."""
        if not self._is_first():
            return
        logger.warning(
            "%s find no room, for %d wait to be sent to %s; the program goes on, and losses are "
            "only counted (start a server with: clew serve; %s makes room for bursts)",
            signal,
            waiting,
            self._endpoint,
            variable,
        )

    def _is_first(self) -> bool:
        with self._lock:
            is_told, self._is_told = self._is_told, True
        return not is_told
