"""What a logger of the twin hands to OpenTelemetry, kept by OpenTelemetry's own exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import LogRecordLimits


class Emitted:
    """A provider, and what came to it."""

    def __init__(self, limits: LogRecordLimits | None = None) -> None:
        self.exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.provider = LoggerProvider(shutdown_on_exit=False, log_record_limits=limits)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))

    def records(self) -> list[LogRecord]:
        """Return what came since the last call, in order."""
        found = [each.log_record for each in self.exporter.get_finished_logs()]
        self.exporter.clear()
        return found

    def attributes(self) -> list[dict[str, Any]]:
        """Return the attributes of what came since the last call."""
        return [dict(each.attributes or {}) for each in self.records()]

    def one(self) -> dict[str, Any]:
        """Return the attributes of the one record that came since the last call."""
        (found,) = self.attributes()
        return found
