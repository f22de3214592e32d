"""`clew live`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    FILTERS,
    AnswerFlags,
    Attribute,
    Service,
    Severity,
    read_milliseconds,
    read_whole_number,
)
from clew.surfaces.cli.live import Feed, watch
from clew.telemetry.query.parameters import LogQuery, SpanQuery


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class LiveFlags:
    """Filters of both feeds; one that only one of them knows leaves the other feed out."""

    signal: Literal["spans", "logs", "both"] | None = None
    """What to show. [default: both, or the one that the filters fit]"""

    service: Service = None
    """Exact name of the service."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """A filter expression with and, or, not and parentheses."""

    text: str | None = None
    """Words anywhere in the record."""

    operation: str | None = None
    """Spans: a part of the operation's name."""

    status: Literal["ok", "error", "unset"] | None = None
    """Spans: status."""

    min_duration_ms: Annotated[
        float | None,
        Parameter(name=("--min-duration", "--min-duration-ms"), converter=read_milliseconds),
    ] = None
    """Spans: at least this long: 100ms, 1s, or bare milliseconds."""

    min_severity: Severity | None = None
    """Logs: this class and above."""

    body_contains: str | None = None
    """Logs: a part of the body."""

    limit: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """End after so many records. [default: never]"""


def live(*, flags: LiveFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show spans and logs as they come in, until Ctrl-C."""
    flags = flags or LiveFlags()
    feeds = plan_feeds(flags)
    return watch(feeds, answer, tagged=len(feeds) > 1, limit=flags.limit)


def plan_feeds(flags: LiveFlags) -> list[Feed]:
    """Return the feeds that the flags ask for."""
    only_spans: dict[str, Any] = {
        "operation": flags.operation,
        "status": flags.status,
        "min_duration_ms": flags.min_duration_ms,
    }
    only_logs: dict[str, Any] = {
        "min_severity": flags.min_severity,
        "body_contains": flags.body_contains,
    }
    both: dict[str, Any] = {
        "service": flags.service,
        "attribute": flags.attribute,
        "q": flags.q,
        "text": flags.text,
    }
    of_spans = _given(both | only_spans)
    of_logs = _given(both | only_logs)
    spans = Feed("traces", SpanQuery(**of_spans))
    logs = Feed("logs", LogQuery(**of_logs))
    match flags.signal:
        case "spans":
            _refuse_filters(only_logs, "spans")
            return [spans]
        case "logs":
            _refuse_filters(only_spans, "logs")
            return [logs]
        case "both":
            return [spans, logs]
        case None:
            narrow_spans, narrow_logs = bool(_given(only_spans)), bool(_given(only_logs))
            if narrow_spans == narrow_logs:
                return [spans, logs]
            return [spans] if narrow_spans else [logs]


def _refuse_filters(others: dict[str, Any], signal: str) -> None:
    """Raise when a filter is given that the only feed does not know: it would narrow nothing."""
    for name in _given(others):
        flag = "--" + name.removesuffix("_ms").replace("_", "-")
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{flag} says nothing about {signal}",
            hint="leave it out, or choose another --signal",
        )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
