"""What the spans of a run say: their attributes, their events, and the log records they wrote.

What was said is large, since each call of a model repeats the history before it; so it is read in
pieces, and whoever takes them keeps of each only what is new. The pieces are laid out by how many
log records each span has, which is counted first.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.telemetry.genai.content import CONTENT_EVENTS, Event, Record
from clew.telemetry.query.typed import text_attributes
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from clew.telemetry.genai.run import GenAiSpan, Moment

PIECE_SPANS: Final = 500
"""Spans whose content is read at once: some 50 MB where contexts are long."""

PIECE_LOGS_MAX: Final = 20_000
"""Log records that are read at once, and of one span: forty messages for each span of a piece."""

LOGS_MAX: Final = 200_000
"""Log records of one run: four seconds of CPU to read them."""

_CONTENT_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "toUnixTimestamp64Nano(Timestamp) AS at",
    "SpanAttributes",
    "arrayMap(each -> toUnixTimestamp64Nano(each), `Events.Timestamp`) AS EventTimes",
    "`Events.Name` AS EventNames",
    "`Events.Attributes` AS EventAttributes",
)

_NAME: Final = "if(EventName != '', toString(EventName), LogAttributes['event.name'])"

_LOG_COLUMNS: Final = (
    "TraceId",
    "SpanId",
    "toUnixTimestamp64Nano(Timestamp) AS at",
    f"{_NAME} AS Name",
    "Body",
    "LogAttributes",
)

_OF_SPANS: Final = "TraceId IN {traces:Array(String)} AND SpanId IN {spans:Array(String)}"
_SAYING: Final = f"{_OF_SPANS} AND {_NAME} IN {{names:Array(String)}}"

_Key = tuple[str, str]
"""The ids of trace and span."""


@dataclass(slots=True)
class _Piece:
    """Spans that are read at once, and how many log records of each."""

    spans: list[GenAiSpan] = field(default_factory=list)
    logs: dict[_Key, int] = field(default_factory=dict)

    def has_room(self, logs: int) -> bool:
        """Whether one more span with so many log records fits."""
        return len(self.spans) < PIECE_SPANS and sum(self.logs.values()) + logs <= PIECE_LOGS_MAX


class RecordReader:
    """Reads what spans say, a piece at a time.

    `log_records_left_out` says how many log records are not read: there are too many of one span,
    or of all.
    """

    def __init__(self, moment: Moment, spans: Sequence[GenAiSpan]) -> None:
        """Count log records, and lay out the pieces."""
        self._moment = moment
        self.log_records_left_out = 0
        self._pieces = [_Piece()]
        counts = self._count_logs(spans)
        room = LOGS_MAX
        for span in spans:
            key = (span.trace_id, span.span_id)
            count = counts.get(key, 0)
            taken = min(count, PIECE_LOGS_MAX, room)
            room -= taken
            self.log_records_left_out += count - taken
            if not self._pieces[-1].has_room(taken):
                self._pieces.append(_Piece())
            self._pieces[-1].spans.append(span)
            if taken:
                self._pieces[-1].logs[key] = taken

    def read(self) -> Iterator[tuple[GenAiSpan, Record]]:
        """Yield the spans with what they say, in their order."""
        for piece in self._pieces:
            attributes, events = self._read_spans(piece)
            for key, more in self._read_logs(piece).items():
                events[key] = [*events.get(key, []), *more]
            for span in piece.spans:
                key = (span.trace_id, span.span_id)
                told = sorted(events.get(key, []), key=lambda event: event.at)
                yield span, Record(span.operation, attributes.get(key, {}), told)

    def _count_logs(self, spans: Sequence[GenAiSpan]) -> dict[_Key, int]:
        rows = self._moment.query(
            "SELECT TraceId, SpanId, count() AS records FROM @rows GROUP BY TraceId, SpanId",
            LOGS,
            ("TraceId", "SpanId"),
            _SAYING,
            _ids((span.trace_id, span.span_id) for span in spans),
        )
        return {(row["TraceId"], row["SpanId"]): row["records"] for row in rows.to_pylist()}

    def _read_spans(
        self, piece: _Piece
    ) -> tuple[dict[_Key, dict[str, str]], dict[_Key, list[Event]]]:
        """Return attributes and events of the spans of a piece."""
        attributes: dict[_Key, dict[str, str]] = {}
        events: dict[_Key, list[Event]] = {}
        for row in self._moment.query(
            "SELECT * FROM @rows ORDER BY at LIMIT 1 BY TraceId, SpanId",
            TRACES,
            _CONTENT_COLUMNS,
            _OF_SPANS,
            _ids((span.trace_id, span.span_id) for span in piece.spans),
        ).to_pylist():
            key = (row["TraceId"], row["SpanId"])
            attributes[key] = text_attributes(row["SpanAttributes"])
            events[key] = [
                Event(at, name, text_attributes(pairs))
                for at, name, pairs in zip(
                    row["EventTimes"], row["EventNames"], row["EventAttributes"], strict=True
                )
            ]
        return attributes, events

    def _read_logs(self, piece: _Piece) -> dict[_Key, list[Event]]:
        """Return the log records of the spans of a piece, the first of each."""
        events: dict[_Key, list[Event]] = {}
        if not piece.logs:
            return events
        most = max(piece.logs.values())
        for row in self._moment.query(
            f"SELECT * FROM @rows ORDER BY at LIMIT {most} BY TraceId, SpanId",
            LOGS,
            _LOG_COLUMNS,
            _SAYING,
            _ids(piece.logs),
        ).to_pylist():
            key = (row["TraceId"], row["SpanId"])
            taken = events.setdefault(key, [])
            if len(taken) < piece.logs.get(key, 0):
                said = text_attributes(row["LogAttributes"])
                taken.append(Event(row["at"], row["Name"], said, row["Body"]))
        return events


def _ids(keys: Iterable[_Key]) -> dict[str, object]:
    """Return what the conditions on spans name."""
    pairs = list(keys)
    return {
        "traces": sorted({trace for trace, _ in pairs}),
        "spans": sorted({span for _, span in pairs}),
        "names": list(CONTENT_EVENTS),
    }
