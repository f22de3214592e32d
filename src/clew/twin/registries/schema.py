"""The table of registries, as numbered steps. A released step is never changed."""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# `body` is the file as it is written anew. `given_at` is when it was given last, in Unix
# nanoseconds: an older version that is given again is the current one from then on.
_REGISTRIES: Final = """
CREATE TABLE twin_registries (
    checksum TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    body TEXT NOT NULL,
    objects INTEGER NOT NULL,
    processes INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    stored_by TEXT NOT NULL,
    given_at INTEGER NOT NULL
)"""

SCHEMA: Final = Schema(
    "twin",
    (
        Step(
            1,
            "registries",
            (
                _REGISTRIES,
                "CREATE INDEX twin_registries_by_name ON twin_registries (name, given_at)",
            ),
        ),
    ),
)
