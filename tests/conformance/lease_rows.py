"""Leases as rows, for a thousand processes that nobody starts."""

from __future__ import annotations

from typing import Any

from clew.lineage.terms import LEASE_NS, NODE_MAX
from clew.store.database.contract import Database

TABLES = ("lineage_nodes", "lineage_leases")
NAMES = "id node_id process host started_at leased_at leased_by expires_at released_at free_since"
COLUMNS = ", ".join(NAMES.split())
VALUES = ", ".join(f":{name}" for name in NAMES.split())


def take_nodes(database: Database, at: int, *, but: int = 0) -> dict[int, str]:
    """Have every node id leased, as a thousand processes would; return the leases by node id."""
    row = {"process": "p", "host": "h", "started_at": 1, "leased_by": "t", "released_at": None}
    times = {"leased_at": at, "expires_at": at + LEASE_NS, "free_since": None}
    leases = {node_id: f"lease-{node_id}" for node_id in range(1, NODE_MAX + 1 - but)}
    rows: list[dict[str, Any]] = [
        {**row, **times, "node_id": node_id, "id": lease_id, "process": f"p{node_id}"}
        for node_id, lease_id in leases.items()
    ]
    statements = [f"INSERT INTO {t} ({COLUMNS}) VALUES ({VALUES})" for t in TABLES]
    database.submit(lambda w: [w.run_many(each, rows) for each in statements]).result()
    return leases
