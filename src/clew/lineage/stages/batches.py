"""Batches of Arrow that carry the id of what they are, in the metadata of their schema.

It goes along into slices, files, and over the wire. Where batches are put together, Arrow keeps the
metadata of the first: say what was joined (`lineage.join`), and the output gets its own.
"""

from __future__ import annotations

from typing import Any, Final

from clew.lineage.stages.names import TRACE_ID

_KEY: Final = TRACE_ID.encode()


def carry_batch(value: Any, trace_id: int) -> Any:
    """Return a batch or a table that carries an id; anything else as it is."""
    replace = getattr(value, "replace_schema_metadata", None)
    if replace is None or not hasattr(value, "num_columns"):
        return value
    return replace({**(value.schema.metadata or {}), _KEY: str(trace_id).encode()})


def read_batch(value: Any) -> bytes | None:
    """Return the id that stands in a batch's metadata, as text; None where there is none."""
    metadata = value.schema.metadata
    found: bytes | None = metadata.get(_KEY) if metadata else None
    return found
