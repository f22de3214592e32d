"""The datasets that ids were made of, by the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.lineage import documents as doc
from clew.lineage.exchange.identity import NAMED
from clew.lineage.tables import DATASETS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=1 << 30)


def find_datasets_of(
    store: Store, snapshot: Snapshot, trace_ids: Collection[int]
) -> dict[int, doc.NodeDataset]:
    """Return those of some ids that were made of the names of datasets, each with these."""
    made = sorted(each for each in trace_ids if each >= NAMED)
    if not made:
        return {}
    rows = store.engine.query(
        "SELECT TraceId, min((Namespace, Name, Version)) AS named,"
        " tupleElement(named, 1) AS namespace, tupleElement(named, 2) AS name,"
        " tupleElement(named, 3) AS version FROM @datasets GROUP BY TraceId",
        snapshot=snapshot,
        scans={
            "datasets": Scan(
                DATASETS,
                ("TraceId", "Namespace", "Name", "Version"),
                "TraceId IN {ids:Array(UInt64)}",
            )
        },
        parameters={"ids": made},
        limits=LIMITS,
    ).to_pylist()
    return {
        row["TraceId"]: doc.NodeDataset(
            namespace=row["namespace"], name=row["name"], version=row["version"] or None
        )
        for row in rows
    }
