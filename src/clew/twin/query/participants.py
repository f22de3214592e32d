"""The objects that events of traces are about: who took part in what ran under them."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.times import format_time
from clew.twin import documents as doc
from clew.twin.state.rows import AT
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS, Selection

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Order
    from clew.twin.state.store import Store

_ORDER: Final = "(at, Seq, EventId)"

IN_SPANS_MAX: Final = 100_000
"""Objects of all spans that are asked for together: some 20 MB."""


class TraceObjects:
    """Names the objects that traces touched, for whoever met a trace elsewhere."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_in_trace(self, trace_id: str, limit: int) -> tuple[list[doc.Participant], int]:
        """Return the objects that a trace touched first, at most so many, and how many there are.

        `trace_id` is one as it is stored. Calls block and may come from any thread.
        """
        selection = select_traces([trace_id])
        return find_participants(self._store, self._store.snapshot(), selection, limit)

    def find_in_spans(
        self, spans: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Return the objects, by type and id, that events in some spans are about.

        A span is a trace id and a span id as they are stored; those without such events are
        absent. Calls block and may come from any thread.
        """
        selection = select_traces({trace_id for trace_id, _ in spans}).narrow(
            "SpanId IN {span_ids:Array(String)}", span_ids=sorted({span_id for _, span_id in spans})
        )
        rows = self._store.engine.query(
            "SELECT DISTINCT TraceId, SpanId, type, ObjId FROM @events"
            f" ORDER BY type, ObjId LIMIT {IN_SPANS_MAX}",
            snapshot=self._store.snapshot(),
            scans={
                "events": selection.scan("TraceId", "SpanId", "toString(ObjType) AS type", "ObjId")
            },
            parameters=selection.parameters,
            limits=LIMITS,
        ).to_pylist()
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for row in rows:
            span = (row["TraceId"], row["SpanId"])
            found.setdefault(span, []).append((row["type"], row["ObjId"]))
        return found


def find_participants(
    store: Store, snapshot: Snapshot, selection: Selection, limit: int
) -> tuple[list[doc.Participant], int]:
    """Return the objects that events are about, those touched first standing first.

    At most `limit` of them, and how many there are.
    """
    rows = store.engine.query(
        "SELECT type, ObjId AS id, uniqExact(EventId) AS events,"
        f" uniqExactIf(EventId, {CHANGING}) AS changes, min(at) AS first_at, max(at) AS last_at,"
        " arraySort(groupUniqArray(service)) AS services, count() OVER () AS total"
        f" FROM @events GROUP BY type, id ORDER BY min({_ORDER}), type, id LIMIT {limit}",
        snapshot=snapshot,
        scans={
            "events": selection.scan(
                "toString(ObjType) AS type",
                "ObjId",
                AT,
                "Seq",
                "EventId",
                "EventType",
                "toString(ServiceName) AS service",
            )
        },
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    found = [
        doc.Participant(
            type=row["type"],
            id=row["id"],
            events=row["events"],
            changes=row["changes"],
            first_at=format_time(row["first_at"]),
            last_at=format_time(row["last_at"]),
            services=row["services"],
        )
        for row in rows
    ]
    return found, rows[0]["total"] if rows else 0


def select_traces(trace_ids: Collection[str], until: Order | int | None = None) -> Selection:
    """Return the events of objects that traces carry and that count, up to a moment or an event."""
    selection = Selection(
        f"TraceId IN {{trace_ids:Array(String)}} AND ObjId != '' AND {COUNTED}",
        {"trace_ids": list(trace_ids)},
    )
    return end_at(selection, until)


def end_at(selection: Selection, until: Order | int | None) -> Selection:
    """Return those events that stand up to a moment (inclusive) or the place of an event."""
    if until is None:
        return selection
    bound = "fromUnixTimestamp64Nano({end_at:Int64})"
    if isinstance(until, int):
        return selection.narrow(f"Timestamp <= {bound}", end_at=until)
    return selection.narrow(
        f"Timestamp <= {bound} AND (Timestamp < {bound}"
        " OR (Seq, EventId) <= ({end_seq:UInt64}, {end_id:String}))",
        end_at=until.at,
        end_seq=until.seq,
        end_id=until.event_id,
    )
