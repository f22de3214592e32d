"""How many spans and log records there are, and when: what a time bar shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, format_time
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.parameters import BUCKETS_MAX
from clew.telemetry.analytics.windows import read_current
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.query.store import Store

# What lies ahead of our clock belongs to the last bucket: an open window ends now.
_COUNTED: Final = """
SELECT signal, bucket, sum(n) AS records, sum(failed) AS failures
FROM (
  SELECT 0 AS signal, bucket, n, failed FROM @spans
  UNION ALL SELECT 1 AS signal, bucket, n, 0 AS failed FROM @logs
)
GROUP BY signal, bucket
"""
_BUCKET: Final = (
    "least(intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64}), {last:Int64})"
)


def count_over_time(store: Store, query: ask.DensityQuery, now: int) -> doc.Density:
    """Return the counts of each of `buckets` parts of the window, exact over every record of it.

    Raises:
        ClewError: INVALID_ARGUMENT for a window or a number of buckets that is none.
    """
    if not 1 <= query.buckets <= BUCKETS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"buckets must be between 1 and {BUCKETS_MAX}",
            hint="a screen has no more columns than that",
        )
    window = read_current(query, now=now)
    # Whole milliseconds: a bucket's width is told as a number that every client holds exactly.
    width_ms = -(-(window.end - window.start) // (query.buckets * NS_PER_MS))
    step = width_ms * NS_PER_MS
    count = -(-(window.end - window.start) // step)
    parameters: dict[str, object] = {"start": window.start, "step": step, "last": count - 1}
    of_service = ""
    if query.service is not None:
        of_service = " AND ServiceName = {service:String}"
        parameters["service"] = query.service
    counted = (f"{_BUCKET} AS bucket", "count() AS n")
    spans, errors, logs = [0] * count, [0] * count, [0] * count
    for row in store.engine.query(
        _COUNTED,
        snapshot=store.snapshot(),
        scans={
            "spans": Scan(
                TRACES,
                (*counted, "countIf(StatusCode = 'Error') AS failed"),
                time_condition(TRACES, window.range) + of_service,
                group_by=(_BUCKET,),
            ),
            "logs": Scan(
                LOGS,
                counted,
                time_condition(LOGS, window.range) + of_service,
                group_by=(_BUCKET,),
            ),
        },
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist():
        if row["signal"]:
            logs[row["bucket"]] = row["records"]
        else:
            spans[row["bucket"]] = row["records"]
            errors[row["bucket"]] = row["failures"]
    return doc.Density(
        start=format_time(window.start),
        bucket_ms=width_ms,
        count=count,
        spans=spans,
        errors=errors,
        logs=logs,
    )
