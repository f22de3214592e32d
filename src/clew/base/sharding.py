"""Which of several servers owns a trace: the ring that OpenTelemetry Collectors route by.

A key belongs to the shard whose point comes next on a circle. Every shard has two hundred points,
at places that follow from its name, and where points meet, from those of the others; so the order
in which shards are listed means nothing, and a shard that is added takes keys from the others and
moves next to none between them.

The ring is the one of the Collector's `loadbalancing` exporter, number for number, because there
the spans are sent: a name is what its static resolver lists. The exporter has had other rings in
earlier versions; this is the newest that was to be had. `contracts/sharding/` says what it is made
of, and holds vectors that the Collector's own code has written.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACES: Final = 131_071
"""On the circle. The Collector's number, as the next two are."""

POINTS_PER_SHARD: Final = 200

TRIED_MAX: Final = 10
"""Places that a point tries, one after the other, until one is free; then it is left out."""

OTLP_PORT: Final = 4317
"""Where Collectors send when nothing else is said: the port of OTLP over gRPC."""


class Ring:
    """Knows the owner of each key. Immutable; from any thread."""

    __slots__ = ("_owners", "_places", "names")

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names of the shards; their order means nothing, nor does one given twice.

        Raises:
            ClewError: INVALID_ARGUMENT when there is none.
        """
        self.names: Final = tuple(sorted(set(names)))
        if not self.names:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, "there is no shard", hint="name at least one"
            )
        points: dict[int, str] = {}
        for wanted, _, owner in sorted(point for name in self.names for point in _points_of(name)):
            tried = ((wanted + step) % PLACES for step in range(TRIED_MAX))
            free = next((place for place in tried if place not in points), None)
            if free is not None:
                points[free] = owner
        self._places = sorted(points)
        self._owners = [points[place] for place in self._places]

    def owner_of(self, key: bytes) -> str:
        """Return the name of the shard that owns a key."""
        index = bisect_left(self._places, zlib.crc32(key) % PLACES)
        return self._owners[index % len(self._owners)]

    def owner_of_trace(self, trace_id: str) -> str:
        """Return the name of the shard that owns a trace, whose id is given as hex digits.

        Raises:
            ClewError: INVALID_ARGUMENT for what is no trace id.
        """
        return self.owner_of(bytes.fromhex(parse_trace_id(trace_id)))


def endpoint_of(url: str) -> str:
    """Return what a Collector calls the server at an address if nobody says otherwise.

    That is its host and OTLP's usual port: ``a:4317`` for ``http://a:7701``.
    """
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    return f"[{host}]:{OTLP_PORT}" if ":" in host else f"{host}:{OTLP_PORT}"


def _points_of(name: str) -> Iterable[tuple[int, int, str]]:
    """Yield what points are sorted by: the place that each wants, its whole hash, and the name."""
    begun = zlib.crc32(name.encode())
    for point in range(POINTS_PER_SHARD):
        hashed = zlib.crc32(point.to_bytes(4, "little"), begun)
        yield hashed % PLACES, hashed, name
