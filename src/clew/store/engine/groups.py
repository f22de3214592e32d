"""Aggregates over groups: from rows on one server, from states of every shard at a query tier.

What reads every row of a window sends a state for each group instead, and the states of all shards
are put together by the functions that made them, so that the figures are those of all rows. On one
server the same groups are read in one step, since states that nobody else adds to are only copied.
"""

# ruff: noqa: S608 - the text is our own, and values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.store.engine.contract import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure of a group: ``function(arguments) AS name``.

    `function` has its parameters with it (``quantilesExact(0.5)``), and no combinator.
    """

    name: str
    function: str
    arguments: str = ""

    @property
    def whole(self) -> str:
        """The figure of rows."""
        return f"{self.function}({self.arguments}) AS {self.name}"

    @property
    def state(self) -> str:
        """The state of rows."""
        return f"{self._with('State')}({self.arguments}) AS {self.name}_state"

    @property
    def merged(self) -> str:
        """The figure of states."""
        return f"{self._with('Merge')}({self.name}_state) AS {self.name}"

    def _with(self, combinator: str) -> str:
        name, bracket, parameters = self.function.partition("(")
        return f"{name}{combinator}{bracket}{parameters}"


@dataclass(frozen=True, slots=True)
class Groups:
    """Figures of the groups of a table's rows.

    `keys` are expressions by the names that the groups have; `columns` are what keys and aggregates
    are made of.
    """

    table: Table
    keys: Mapping[str, str]
    aggregates: tuple[Aggregate, ...]
    columns: tuple[str, ...]

    def ask(self, snapshot: Snapshot, name: str, where: str) -> tuple[str, Scan]:
        """Return the SELECT that gives the groups out of a scan by this name, and the scan."""
        named = tuple(f"{expression} AS {key}" for key, expression in self.keys.items())
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        if snapshot.frames is None:
            figures = ", ".join((*named, *(each.whole for each in self.aggregates)))
            return f"SELECT {figures} FROM @{name}{group}", Scan(self.table, self.columns, where)
        states = tuple(each.state for each in self.aggregates)
        scan = Scan(self.table, (*named, *states), where, group_by=tuple(self.keys.values()))
        figures = ", ".join((*self.keys, *(each.merged for each in self.aggregates)))
        return f"SELECT {figures} FROM @{name}{group}", scan
