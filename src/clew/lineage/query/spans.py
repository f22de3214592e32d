"""The spans that ids were made of, by the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.lineage.exchange.identity import NAMED
from clew.lineage.naming import SpanName
from clew.lineage.tables import SPANS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=1 << 30)


def find_spans_of(
    store: Store, snapshot: Snapshot, trace_ids: Collection[int]
) -> dict[int, SpanName]:
    """Return those of some ids that were made of spans, each with its span.

    Two spans whose ids met, which is as rare as two names whose ids do, are told as one of them.
    """
    made = sorted(each for each in trace_ids if each >= NAMED)
    if not made:
        return {}
    rows = store.engine.query(
        "SELECT TraceId, min((SpanTraceId, SpanId)) AS span, tupleElement(span, 1) AS trace_id,"
        " tupleElement(span, 2) AS span_id FROM @spans GROUP BY TraceId",
        snapshot=snapshot,
        scans={
            "spans": Scan(
                SPANS, ("TraceId", "SpanTraceId", "SpanId"), "TraceId IN {ids:Array(UInt64)}"
            )
        },
        parameters={"ids": made},
        limits=LIMITS,
    ).to_pylist()
    return {row["TraceId"]: SpanName(row["trace_id"], row["span_id"]) for row in rows}
