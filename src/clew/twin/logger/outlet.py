"""The way out of an event: the logger provider of OpenTelemetry, set up where nobody did.

Imported by the first emission, since it brings OpenTelemetry with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger_provider
from opentelemetry._logs._internal import ProxyLoggerProvider

from clew.base.beginning import begin_telemetry
from clew.twin.logger.diversion import LISTENERS, tell_listeners
from clew.twin.logger.record import Severity

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider

    from clew.twin.logger.record import Told
    from clew.twin.logger.whole import SdkLogger

__all__ = ["Outlet"]

_NUMBERS: Final = {each: SeverityNumber(each.number) for each in Severity}


class Outlet:
    """Hands events to a provider: the one given, else that of the process at the time."""

    def __init__(self, name: str, provider: LoggerProvider | None, *, span_events: bool) -> None:
        self._name = name
        self._given = provider
        self._span_events = span_events
        self._found: tuple[LoggerProvider, Logger | SdkLogger] | None = None

    def hand_over(self, told: Told) -> None:
        """Emit an event, with the span that it happened in, unless a listener keeps it."""
        if LISTENERS and not tell_listeners(told):
            return
        body, attributes = told.body, told.attributes
        self._logger().emit(
            LogRecord(
                timestamp=told.at,
                observed_timestamp=told.at,
                severity_number=_NUMBERS[told.severity],
                severity_text=told.severity.text,
                body=body,
                attributes=attributes,
                exception=told.error,
            )
        )
        if self._span_events:
            span = trace.get_current_span()
            if span.is_recording():
                span.add_event(body, _flat(attributes), told.at)

    def _logger(self) -> Logger | SdkLogger:
        provider = self._given or get_logger_provider()
        if isinstance(provider, ProxyLoggerProvider):
            begin_telemetry()
            provider = get_logger_provider()
        if self._found is None or self._found[0] is not provider:
            self._found = (provider, _open_logger(provider, self._name))
        return self._found[1]


def _open_logger(provider: LoggerProvider, name: str) -> Logger | SdkLogger:
    logger = provider.get_logger(name)
    if type(logger).__module__.startswith("opentelemetry.sdk."):
        from clew.twin.logger.whole import SdkLogger, is_known

        if is_known(logger):
            return SdkLogger(logger)
    return logger


def _flat(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes as spans' events take them: texts, numbers and booleans."""
    return {
        key: value if isinstance(value, (str, bool, int, float)) else str(value)
        for key, value in attributes.items()
    }
