"""What a query tier says to whoever would write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.base.gathering import Shard


def refused_write(shards: Sequence[Shard]) -> ClewError:
    """Return the error for what would write to a tier over these shards."""
    places = ", ".join(shard.url for shard in shards)
    return ClewError(
        ErrorCode.UNSUPPORTED,
        "a query tier keeps nothing, so nothing can be written through it",
        hint=f"send it to a shard: {places}",
    )
