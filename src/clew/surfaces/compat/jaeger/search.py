"""What a search of Jaeger's means, as a question of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, format_time
from clew.surfaces.compat.jaeger.limits import TRACES_DEFAULT, TRACES_MAX
from clew.telemetry.query import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final = frozenset({"internal", "server", "client", "producer", "consumer"})
_STATUSES: Final[Mapping[str, str]] = {"OK": "ok", "ERROR": "error", "UNSET": "unset"}

# Tags that Jaeger makes of fields of OTLP spans, and the field that each shows.
_FIELD_TAGS: Final[Mapping[str, str]] = {
    "otel.status_description": "status_message",
    "otel.scope.name": "scope",
    "otel.library.name": "scope",
    "otel.scope.version": "scope_version",
    "otel.library.version": "scope_version",
    "w3c.tracestate": "trace_state",
    "event": "event",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which traces: those with a span of which everything holds that is given.

    Times and durations are nanoseconds; `start` belongs to the range and `end` does not. `limit`
    counts traces. `filter` is an expression of the filter grammar.
    """

    start: int
    end: int
    service: str = ""
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    min_duration: int | None = None
    max_duration: int | None = None
    limit: int = TRACES_DEFAULT
    filter: str = ""
    next: str | None = None


def span_query(search: Search) -> ask.SpanQuery:
    """Return the question.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit or a range that makes no sense.
    """
    if not 1 <= search.limit <= TRACES_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"invalid parameter: limit must be between 1 and {TRACES_MAX}",
        )
    if search.start >= search.end:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "invalid parameter: start time must be before end time"
        )
    shortest, longest = search.min_duration, search.max_duration
    if shortest is not None and longest is not None and longest < shortest:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "maxDuration should be greater than minDuration"
        )
    conditions = [f"({tag_condition(key, value)})" for key, value in search.tags.items()]
    if search.operation:
        conditions.append(f"operation = {quote(search.operation)}")
    if shortest is not None:
        conditions.append(f"duration >= {shortest}ns")
    if longest is not None:
        conditions.append(f"duration <= {longest}ns")
    if search.filter:
        conditions.append(f"({search.filter})")
    return ask.SpanQuery(
        service=search.service or None,
        q=" AND ".join(conditions) or None,
        start=format_time(search.start),
        end=format_time(min(search.end, TIME_NS_MAX)),
        limit=search.limit,
        next=search.next,
        view="traces",
    )


def tag_condition(key: str, value: str) -> str:
    """Return the condition that a span has a tag, wherever Jaeger would show it.

    A tag is an attribute of the span, of its process (the resource) or of one of its events, or one
    of those that Jaeger makes of a span's fields, such as ``error`` and ``span.kind``.
    """
    name, text = quote(key), quote(value)
    parts = [f"{name} = {text}", f"event.{name} = {text}"]
    if key in _FIELD_TAGS:
        parts.append(f"{_FIELD_TAGS[key]} = {text}")
    elif key == "error" and value.lower() == "true":
        parts.append("status = error")
    elif key == "span.kind" and value.lower() in _KINDS:
        parts.append(f"kind = {value.lower()}")
    elif key == "otel.status_code" and value.upper() in _STATUSES:
        parts.append(f"status = {_STATUSES[value.upper()]}")
    return " OR ".join(parts)


def quote(text: str) -> str:
    """Return the text as a quoted word of the filter grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
