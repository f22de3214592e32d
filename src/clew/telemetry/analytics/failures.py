"""Failed spans of a window, put together by what they say, each group with its newest span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.red import span_condition
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import SECONDS
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

MESSAGE_CHARS: Final = 200
"""What of a message tells one error from another; stack traces and payloads come after it."""

_EXCEPTION: Final = "Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type']"

_NAMES: Final = (
    "ServiceName AS service",
    "SpanName AS operation",
    f"substringUTF8(StatusMessage, 1, {MESSAGE_CHARS}) AS message",
)
_SECOND: Final = f"toUInt32({SECONDS})"
_FAILED: Final = (*_NAMES, f"{_EXCEPTION} AS exception")

# Attributes of events are dear to read even where there are none, so spans without events are read
# apart from those with.
_SILENT: Final = (*_NAMES, "'' AS exception")

_GROUPS: Final = """
SELECT service, operation, message, exception, sum(n) AS errors,
  max(latest) AS last, count() OVER () AS groups
FROM (SELECT * FROM @failed UNION ALL SELECT * FROM @silent)
GROUP BY service, operation, message, exception
ORDER BY errors DESC, last DESC, service, operation, message, exception
LIMIT {limit:UInt32}
"""

_NEWEST: Final = """
SELECT service, operation, message, exception,
  max((toUnixTimestamp64Nano(Timestamp), TraceId, SpanId, error_type)) AS newest
FROM @failed GROUP BY service, operation, message, exception, second
"""


def read_error_groups(
    store: Store, snapshot: Snapshot, window: Window, *, service: str | None, limit: int
) -> tuple[list[doc.ErrorGroup], int]:
    """Return the `limit` largest groups of failed spans, and how many groups there are."""
    where, parameters = span_condition(window, service)
    where += " AND StatusCode = 'Error'"
    groups = store.engine.query(
        _GROUPS,
        snapshot=snapshot,
        scans={
            "failed": _counted(_FAILED, f"{where} AND notEmpty(Events.Name)"),
            "silent": _counted(_SILENT, f"{where} AND empty(Events.Name)"),
        },
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    if not groups:
        return [], 0
    # Ids, nanoseconds and attributes are dear: they are read of the seconds alone in which the
    # newest span of a group began. The hint lets the engine find those by its primary key.
    seconds = ", ".join(f"toDateTime({last})" for last in {row["last"] for row in groups})
    inside = f"{SECONDS} IN ({seconds}) AND indexHint(toDateTime(Timestamp) IN ({seconds}))"
    found = store.engine.query(
        _NEWEST,
        snapshot=snapshot,
        scans={
            "failed": Scan(
                TRACES,
                (
                    *_FAILED,
                    f"{_SECOND} AS second",
                    "Timestamp",
                    "TraceId",
                    "SpanId",
                    "SpanAttributes['error.type'] AS error_type",
                ),
                f"{where} AND {inside}",
            )
        },
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    newest: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for row in found:
        newest[_key(row)] = max(newest.get(_key(row), ()), tuple(row["newest"].values()))
    return [_group(row, newest[_key(row)]) for row in groups], groups[0]["groups"]


def _counted(names: tuple[str, ...], where: str) -> Scan:
    """Return the scan of groups of failed spans, one from each side that is read."""
    figures = ("count() AS n", f"max({_SECOND}) AS latest")
    by = ("service", "operation", "message", "exception")
    return Scan(TRACES, (*names, *figures), where, group_by=by)


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["service"], row["operation"], row["message"], row["exception"]


def _group(row: dict[str, Any], newest: tuple[Any, ...]) -> doc.ErrorGroup:
    at, trace_id, span_id, error_type = newest
    return doc.ErrorGroup(
        service=row["service"],
        operation=row["operation"],
        message=row["message"],
        exception_type=row["exception"] or error_type,
        error_count=row["errors"],
        last_seen=format_time(at),
        trace_id=trace_id,
        span_id=span_id,
    )
