"""Rows of the log table as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.telemetry import documents as doc
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.query.severity import severity_class
from clew.telemetry.query.typed import Loss, text_attributes, typed_attributes, typed_body

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG_COLUMNS: Final = (
    "toUnixTimestamp64Nano(ObservedTimestamp) AS ObservedAt",
    "TraceId",
    "SpanId",
    "SeverityText",
    "SeverityNumber",
    "ServiceName",
    "Body",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "ScopeAttributes",
    "LogAttributes",
    "EventName",
    "Residue",
)
"""What is read of the table for a document, besides the time as ``at``."""


class LogDocuments:
    """Makes documents of rows read with `LOG_COLUMNS`; values are texts, or typed."""

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed

    def document(self, row: dict[str, Any]) -> doc.LogRecord:
        """Return the document of one row."""
        residue = read_residue(row["Residue"])
        body = row["Body"]
        return doc.LogRecord(
            timestamp=format_time(row["at"]),
            observed_timestamp=format_time(row["ObservedAt"]) if row["ObservedAt"] else None,
            trace_id=row["TraceId"] or None,
            span_id=row["SpanId"] or None,
            severity=severity_class(row["SeverityNumber"], row["SeverityText"]),
            severity_number=residue.get("severity", row["SeverityNumber"]),
            severity_text=row["SeverityText"],
            body=typed_body(body, residue.get("body")) if self._typed else body,
            event_name=row["EventName"],
            service=row["ServiceName"],
            attributes=self._attributes(row["LogAttributes"], residue.get("attributes")),
            resource=self._attributes(row["ResourceAttributes"], residue.get("resource")),
            scope=doc.Scope(
                name=row["ScopeName"],
                version=row["ScopeVersion"],
                attributes=self._attributes(row["ScopeAttributes"], residue.get("scope")),
            ),
        )

    def _attributes(self, pairs: Iterable[tuple[str, str]], loss: Loss) -> doc.Attributes:
        return typed_attributes(pairs, loss) if self._typed else text_attributes(pairs)
