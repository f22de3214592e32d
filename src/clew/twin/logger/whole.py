"""Records whose attributes OpenTelemetry's SDK need not look at again.

The SDK cleans and copies every attribute of a record, since it knows nothing of them. Those of an
event are made by `encoding`, as exporters take them; a third of what an emission costs goes with
the second look. Imported once it is known that the logger is the SDK's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from opentelemetry.sdk._logs import Logger, ReadWriteLogRecord

if TYPE_CHECKING:
    from opentelemetry._logs import Logger as APILogger
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import LogRecordLimits


class _Whole(ReadWriteLogRecord):
    """A record whose attributes stay as they are."""

    def __post_init__(self) -> None:
        """Leave out what the SDK does here: bounds, which were looked at, and cleaning."""


def is_known(logger: APILogger) -> TypeGuard[Logger]:
    """Whether a logger is the SDK's own, and no class that somebody made of it."""
    return type(logger) is Logger


class SdkLogger:
    """Emits through a logger of the SDK, by the shorter way where nothing is to be cut off."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._scope = logger.instrumentation_scope
        # The SDK tells a record alone which limits it has.
        limits: LogRecordLimits = getattr(logger, "_log_record_limits", None) or _read_limits()
        self._limits = limits
        count = limits.max_log_record_attributes
        self._count_max = 0 if limits.max_log_record_attribute_length is not None else count

    def emit(self, record: LogRecord) -> None:
        """Emit a record."""
        count = len(record.attributes or ())
        fits = self._count_max is None or count <= self._count_max
        if not fits or record.exception is not None:
            self._logger.emit(record)
            return
        self._logger.emit(
            _Whole(record, self._logger.resource, self._scope, self._limits)  # type: ignore[arg-type]
        )


def _read_limits() -> LogRecordLimits:
    from opentelemetry.sdk._logs import LogRecordLimits

    return LogRecordLimits()
