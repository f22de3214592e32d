"""Failed spans of a window, put together by what they say, each group with its newest span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.red import span_condition
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

MESSAGE_CHARS: Final = 200
"""What of a message tells one error from another; stack traces and payloads come after it."""

_EXCEPTION: Final = "Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type']"

_FAILED: Final = (
    "ServiceName AS service",
    "SpanName AS operation",
    f"substringUTF8(StatusMessage, 1, {MESSAGE_CHARS}) AS message",
    f"if({_EXCEPTION} != '', {_EXCEPTION}, SpanAttributes['error.type']) AS exception_type",
)

_GROUPS: Final = """
SELECT service, operation, message, exception_type, count() AS errors,
  toUnixTimestamp64Nano(max(Timestamp)) AS last, count() OVER () AS groups
FROM @failed GROUP BY service, operation, message, exception_type
ORDER BY errors DESC, last DESC, service, operation, message, exception_type
LIMIT {limit:UInt32}
"""

_NEWEST: Final = """
SELECT service, operation, message, exception_type, toUnixTimestamp64Nano(Timestamp) AS last,
  max((TraceId, SpanId)) AS ids
FROM @failed GROUP BY service, operation, message, exception_type, last
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
        scans={"failed": Scan(TRACES, (*_FAILED, "Timestamp"), where)},
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    if not groups:
        return [], 0
    # Ids are long and seldom wanted: they are read for the newest span of each group alone.
    moments = ", ".join(
        f"fromUnixTimestamp64Nano(toInt64({last}))" for last in {row["last"] for row in groups}
    )
    newest = store.engine.query(
        _NEWEST,
        snapshot=snapshot,
        scans={
            "failed": Scan(
                TRACES,
                (*_FAILED, "Timestamp", "TraceId", "SpanId"),
                f"{where} AND Timestamp IN ({moments})",
            )
        },
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    ids = {(_key(row), row["last"]): row["ids"] for row in newest}
    return [_group(row, ids[_key(row), row["last"]]) for row in groups], groups[0]["groups"]


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["service"], row["operation"], row["message"], row["exception_type"]


def _group(row: dict[str, Any], ids: dict[str, str]) -> doc.ErrorGroup:
    trace_id, span_id = ids.values()
    return doc.ErrorGroup(
        service=row["service"],
        operation=row["operation"],
        message=row["message"],
        exception_type=row["exception_type"],
        error_count=row["errors"],
        last_seen=format_time(row["last"]),
        trace_id=trace_id,
        span_id=span_id,
    )
