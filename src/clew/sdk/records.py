"""From `logging` to OpenTelemetry: one handler on the root logger."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current

from clew.base.surroundings import describe_surroundings
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

# Lists in lists: what is nested deeper is told as text. The server takes 24 levels.
_DEPTH_MAX: Final = 16

# Where it is loaded a program has anchors, and what it logs inside one is about an object.
_ANCHORS: Final = "clew.twin.anchoring.context"

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
    becomes `exception.*`. A record that is logged inside an anchor says which object it is about,
    one that is logged in a stage of a pipeline, which output is made there.
    What our own machinery logs is left out.

    Where a program has set up no handler of its own, warnings go to stderr as they did before.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over. A record that cannot be told goes the way of `handleError`."""
        self._show_where_nobody_does(record)
        if is_quiet() or record.name == LOGGER_NAME:
            return
        try:
            if _ANCHORS in sys.modules:
                from clew.twin.logger.bridge import with_anchor

                record = with_anchor(record)
            self._provider.get_logger(record.name).emit(_translate(record))
        except Exception:  # noqa: BLE001 - a handler must never break the program that logs
            self.handleError(record)

    def _show_where_nobody_does(self, record: logging.LogRecord) -> None:
        """Do what `logging` does without any handler: this one shows nothing to a person."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        each: logging.Logger | None = logging.getLogger(record.name)
        while each is not None:
            if any(handler is not self for handler in each.handlers):
                return
            each = each.parent if each.propagate else None
        last.handle(record)


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


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName or "",
        "code.line.number": record.lineno,
    }
    found.update(describe_surroundings())
    for name, value in vars(record).items():
        if name not in _OWN and not name.startswith("_"):
            found[name] = value if _is_attribute(value) else str(value)
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, _ = record.exc_info
        found["exception.type"] = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        found["exception.message"] = str(error)
        found["exception.stacktrace"] = "".join(traceback.format_exception(error))
    return found


def _is_attribute(value: object, depth: int = 0) -> bool:
    """Whether a value can be exported as it is: a scalar, or lists and dictionaries of such."""
    if isinstance(value, _SCALARS):
        return True
    if depth >= _DEPTH_MAX:
        return False
    if isinstance(value, dict):
        entries = value.items()
        return all(isinstance(k, str) and _is_attribute(v, depth + 1) for k, v in entries)
    return isinstance(value, list) and all(_is_attribute(each, depth + 1) for each in value)
