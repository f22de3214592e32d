"""From `logging` to OpenTelemetry: one handler on the root logger."""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current

from clew.sdk.quiet import LOGGER_NAME, is_quiet

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

# What every record has; the rest came through `extra` and is the program's own.
_OWN: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "asctime",
    "message",
    "taskName",
}

_SCALARS: Final = (str, bool, int, float)

# Severity as the logs data model maps common level names.
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.DEBUG, SeverityNumber.DEBUG, "DEBUG"),
)


class RecordHandler(logging.Handler):
    """Exports what is logged, with the span it was logged in.

    Loggers become instrumentation scopes. Fields given by `extra` become attributes; an exception
    becomes `exception.*`. What our own machinery logs is left out.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over. A record that cannot be told goes the way of `handleError`."""
        if is_quiet() or record.name == LOGGER_NAME:
            return
        try:
            self._provider.get_logger(record.name).emit(_translate(record))
        except Exception:  # noqa: BLE001 - a handler must never break the program that logs
            self.handleError(record)


def _translate(record: logging.LogRecord) -> LogRecord:
    severity, text = _severity(record.levelno)
    return LogRecord(
        timestamp=int(record.created * 1_000_000_000),
        observed_timestamp=time.time_ns(),
        context=get_current(),
        severity_number=severity,
        severity_text=text,
        body=record.getMessage(),
        attributes=_attributes(record),
    )


def _severity(level: int) -> tuple[SeverityNumber, str]:
    for bound, severity, text in _SEVERITIES:
        if level >= bound:
            return severity, text
    return SeverityNumber.TRACE, "TRACE"


def _attributes(record: logging.LogRecord) -> dict[str, str | bool | int | float]:
    found: dict[str, str | bool | int | float] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName or "",
        "code.line.number": record.lineno,
    }
    for name, value in vars(record).items():
        if name not in _OWN and not name.startswith("_"):
            found[name] = value if isinstance(value, _SCALARS) else str(value)
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        found["exception.type"] = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        found["exception.message"] = str(error)
        found["exception.stacktrace"] = "".join(traceback.format_exception(error))
    return found
