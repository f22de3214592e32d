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

    def ask(self, snapshot: Snapshot, name: str, where: str, *, sets: str = "") -> tuple[str, Scan]:
        """Return the SELECT that gives the groups out of a scan by this name, and the scan.

        `sets` are the grouping sets over the keys, where there are others than all of them; then
        each key has a column ``no_KEY`` that is 1 where the row is of no one value of it.
        """
        sql, scans = self.ask_all(snapshot, {name: (self.table, where)}, sets=sets)
        return sql, scans[name]

    def ask_all(
        self, snapshot: Snapshot, sources: Mapping[str, tuple[Table, str]], *, sets: str = ""
    ) -> tuple[str, dict[str, Scan]]:
        """Return the SELECT that gives the groups of several tables together, and its scans.

        `sources` are tables and conditions by the names of the scans.
        """
        named = tuple(f"{expression} AS {key}" for key, expression in self.keys.items())
        group = f" GROUP BY {sets or ', '.join(self.keys)}" if self.keys else ""
        marks = tuple(f"grouping({key}) AS no_{key}" for key in self.keys) if sets else ()
        by: tuple[str, ...] = ()
        if snapshot.frames is None:
            columns = self.columns
            figures = (*marks, *named, *(each.whole for each in self.aggregates))
        else:
            columns = (*named, *(each.state for each in self.aggregates))
            by = tuple(self.keys.values())
            figures = (*marks, *self.keys, *(each.merged for each in self.aggregates))
        scans = {
            name: Scan(table, columns, where, group_by=by)
            for name, (table, where) in sources.items()
        }
        rows = " UNION ALL ".join(f"SELECT * FROM @{name}" for name in sources)
        source = f"({rows})" if len(sources) > 1 else f"@{next(iter(sources))}"
        return f"SELECT {', '.join(figures)} FROM {source}{group}", scans
