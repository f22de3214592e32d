"""Which shards of a query tier live feeds hear, told where it changes; what two feeds say, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING: Final = "missing_shards"
STANDBYS: Final = "standby_shards"


@dataclass(slots=True)
class Hearing:
    """What feeds said of the shards behind them, by feed. `missing` and `standbys` are of all."""

    missing: frozenset[str] = frozenset()
    standbys: frozenset[str] = frozenset()
    _said: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def take(self, feed: str, said: Mapping[str, Sequence[str]]) -> list[str]:
        """Take in what a feed says, and return what is new of it, in words."""
        lost, unled = self.missing, self.standbys
        self._said[feed] = said
        self._put_together()
        told = (
            ("heard again", lost - self.missing),
            ("not heard", self.missing - lost),
            ("a standby is heard, or one that begins to lead", self.standbys - unled),
            ("one that leads is heard", unled - self.standbys - self.missing),
        )
        return [f"{what}: {_name(shards)}" for what, shards in told if shards]

    def forget(self, feed: str) -> None:
        """Forget what a feed said that broke off: it says anew what is not well."""
        self._said.pop(feed, None)
        self._put_together()

    def _put_together(self) -> None:
        def every(kind: str) -> frozenset[str]:
            return frozenset(name for said in self._said.values() for name in said.get(kind, ()))

        self.missing = every(MISSING)
        self.standbys = every(STANDBYS) - self.missing


def _name(shards: frozenset[str]) -> str:
    return f"shard{'' if len(shards) == 1 else 's'} {', '.join(sorted(shards))}"
