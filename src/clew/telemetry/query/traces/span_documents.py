"""Rows of the span table as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS, format_time
from clew.telemetry import documents as doc
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.query.typed import Loss, text_attributes, typed_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

SPAN_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "TraceState",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "ScopeAttributes",
    "SpanAttributes",
    "Duration",
    "StatusCode",
    "StatusMessage",
    "arrayMap(each -> toUnixTimestamp64Nano(each), `Events.Timestamp`) AS EventTimes",
    "`Events.Name` AS EventNames",
    "`Events.Attributes` AS EventAttributes",
    "`Links.TraceId` AS LinkTraceIds",
    "`Links.SpanId` AS LinkSpanIds",
    "`Links.TraceState` AS LinkTraceStates",
    "`Links.Attributes` AS LinkAttributes",
    "Residue",
)
"""What is read of the table for a document, besides the start as ``at``."""

_STATUSES: Final[Mapping[str, doc.Status]] = {"Ok": "ok", "Error": "error", "Unset": "unset"}
_KINDS: Final[Mapping[str, doc.Kind]] = {
    "Unspecified": "internal",
    "Internal": "internal",
    "Server": "server",
    "Client": "client",
    "Producer": "producer",
    "Consumer": "consumer",
}

_Pairs = list[tuple[str, str]]


class SpanDocuments:
    """Makes documents of rows read with `SPAN_COLUMNS`; values are texts, or typed."""

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed

    def document(self, row: dict[str, Any]) -> doc.Span:
        """Return the document of one row."""
        residue = read_residue(row["Residue"])
        start = row["at"]
        return doc.Span(
            trace_id=row["TraceId"],
            span_id=row["SpanId"],
            parent_span_id=row["ParentSpanId"] or None,
            service=row["ServiceName"],
            operation=row["SpanName"],
            start_time=format_time(start),
            end_time=format_time(int(residue.get("end", start + row["Duration"]))),
            duration_ms=row["Duration"] / NS_PER_MS,
            status=_STATUSES.get(row["StatusCode"], "unset"),
            status_message=row["StatusMessage"],
            kind=_KINDS.get(row["SpanKind"], "internal"),
            trace_state=row["TraceState"],
            attributes=self._attributes(row["SpanAttributes"], residue.get("attributes")),
            events=self._events(row, residue.get("events", {})),
            links=self._links(row, residue.get("links", {})),
            resource=self._attributes(row["ResourceAttributes"], residue.get("resource")),
            scope=doc.Scope(
                name=row["ScopeName"],
                version=row["ScopeVersion"],
                attributes=self._attributes(row["ScopeAttributes"], residue.get("scope")),
            ),
        )

    def _attributes(self, pairs: _Pairs, loss: Loss) -> doc.Attributes:
        return typed_attributes(pairs, loss) if self._typed else text_attributes(pairs)

    def _events(self, row: Mapping[str, Any], losses: Mapping[str, Any]) -> list[doc.SpanEvent]:
        columns = (row["EventTimes"], row["EventNames"], row["EventAttributes"])
        return [
            doc.SpanEvent(
                name=name,
                timestamp=format_time(at),
                attributes=self._attributes(pairs, losses.get(str(position), {}).get("attributes")),
            )
            for position, (at, name, pairs) in enumerate(zip(*columns, strict=True))
        ]

    def _links(self, row: Mapping[str, Any], losses: Mapping[str, Any]) -> list[doc.SpanLink]:
        columns = (
            row["LinkTraceIds"],
            row["LinkSpanIds"],
            row["LinkTraceStates"],
            row["LinkAttributes"],
        )
        return [
            doc.SpanLink(
                trace_id=trace_id,
                span_id=span_id,
                trace_state=trace_state,
                attributes=self._attributes(pairs, losses.get(str(position), {}).get("attributes")),
            )
            for position, (trace_id, span_id, trace_state, pairs) in enumerate(
                zip(*columns, strict=True)
            )
        ]
