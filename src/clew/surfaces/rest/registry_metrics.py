"""The registry's counters as families of Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.store.database.contract import DatabaseStatus


def registry_families(
    status: DatabaseStatus,
) -> list[tuple[str, str, str, list[tuple[dict[str, str], float]]]]:
    """Return name, type, help and samples of each family."""

    def one(
        name: str, kind: str, text: str, value: float
    ) -> tuple[str, str, str, list[tuple[dict[str, str], float]]]:
        return f"clew_registry_{name}", kind, text, [({"database": status.dialect.value}, value)]

    return [
        one("writable", "gauge", "1 when the registry takes writes.", status.failure is None),
        one("writes_total", "counter", "Writes answered, well or not.", status.writes),
        one("failed_writes_total", "counter", "Writes answered badly.", status.failed_writes),
        one("shed_writes_total", "counter", "Writes that the queue had no room for.", status.shed),
        one("commits_total", "counter", "Groups of writes made durable.", status.commits),
        one("failed_commits_total", "counter", "Groups that failed whole.", status.failed_commits),
        one(
            "commit_seconds_total",
            "counter",
            "Time from taking a group to having it on disk.",
            status.commit_seconds,
        ),
        one("last_group_writes", "gauge", "Writes in the newest group.", status.last_group),
        one("queued_writes", "gauge", "Writes that wait for their group.", status.queued),
        one(
            "reconnections_total",
            "counter",
            "Lost connections to the database that were replaced.",
            status.reconnections,
        ),
    ]
