"""What a query tier says to whoever would write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import NotOfferedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.base.gathering import Shard


def refused_write(shards: Sequence[Shard]) -> NotOfferedError:
    """Return the error for what would write to a tier over these shards."""
    places = ", ".join(shard.where for shard in shards)
    return NotOfferedError(
        "a query tier keeps nothing itself, and this belongs to no shard more than to another",
        hint=f"choose the shard that is to keep it, and send it there: {places}",
    )
