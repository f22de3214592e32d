"""How far the journal has come, kept in the registry. A released step is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.store.database.contract import Schema, Step

if TYPE_CHECKING:
    from clew.store.database.contract import Reading, Transaction

SCHEMA: Final = Schema(
    "journal",
    (
        Step(
            1,
            "how far the journal has come",
            (
                "CREATE TABLE journal (name TEXT NOT NULL PRIMARY KEY, entry_id BIGINT NOT NULL)",
                "INSERT INTO journal (name, entry_id) VALUES ('telemetry', 0)",
            ),
        ),
    ),
)


def read_position(reading: Reading) -> int:
    """Return the id of the last outbox entry that was told, 0 for none."""
    return int(reading.rows("SELECT entry_id FROM journal WHERE name = 'telemetry'")[0]["entry_id"])


def keep_position(transaction: Transaction, entry_id: int) -> None:
    """Keep the id of the last outbox entry that was told."""
    transaction.run(
        "UPDATE journal SET entry_id = :entry_id WHERE name = 'telemetry'", {"entry_id": entry_id}
    )
