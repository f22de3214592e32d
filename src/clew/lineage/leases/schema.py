"""The tables of leases, as numbered steps. A released step is never changed.

Times are Unix nanoseconds; both dialects take the same statements.
"""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# The last lease of each node id that ever had one. `free_since` is when the one before it ended.
_NODES: Final = """
CREATE TABLE lineage_nodes (
    node_id BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    process TEXT NOT NULL,
    host TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    leased_at BIGINT NOT NULL,
    leased_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    released_at BIGINT,
    free_since BIGINT
)"""

# What ids of long ago are traced to a process by. `expires_at` is not kept up to date here: a lease
# ended at the latest when the next one of its node began.
_LEASES: Final = """
CREATE TABLE lineage_leases (
    id TEXT NOT NULL PRIMARY KEY,
    node_id BIGINT NOT NULL,
    process TEXT NOT NULL,
    host TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    leased_at BIGINT NOT NULL,
    leased_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    released_at BIGINT,
    free_since BIGINT
)"""

SCHEMA: Final = Schema(
    "lineage",
    (
        Step(
            1,
            "node ids on lease",
            (
                _NODES,
                "CREATE UNIQUE INDEX lineage_nodes_by_lease ON lineage_nodes (id)",
                _LEASES,
                "CREATE INDEX lineage_leases_by_node ON lineage_leases (node_id, leased_at)",
                "CREATE INDEX lineage_leases_by_time ON lineage_leases (leased_at)",
            ),
        ),
    ),
)
