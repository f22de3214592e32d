"""Conditions over rows, put together part by part, with what is bound in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.base.times import TimeRange
    from clew.store.database.contract import Reading, Value


@dataclass(slots=True)
class Where:
    """A condition: all its parts hold. Parts are SQL of ours; whatever was asked for is bound."""

    parts: list[str] = field(default_factory=list)
    parameters: dict[str, Value] = field(default_factory=dict)

    def add(self, part: str, /, **parameters: Value) -> None:
        """Narrow it."""
        self.parts.append(part)
        self.parameters.update(parameters)

    def equal(self, column: str, value: Value, name: str | None = None) -> None:
        """Narrow it to one value, bound as `name`, the column's unless given; None is any value."""
        if value is not None:
            self.add(f"{column} = :{name or column}", **{name or column: value})

    def within(self, column: str, window: TimeRange) -> None:
        """Narrow it to a time range; the parameters are `start` and `end`."""
        if window.start is not None:
            self.add(f"{column} >= :start", start=window.start)
        if window.end is not None:
            self.add(f"{column} < :end", end=window.end)

    def narrowed(self, part: str, /, **parameters: Value) -> Where:
        """Return one that is narrower, and leave this one as it is."""
        return Where([*self.parts, part], {**self.parameters, **parameters})

    def bound(self, **parameters: Value) -> dict[str, Value]:
        """Return what is bound, with more for the rest of a statement."""
        return {**self.parameters, **parameters}

    @property
    def sql(self) -> str:
        """The clause of a statement, with the blank before it; empty when any row will do."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""


def count_rows(reading: Reading, source: str, where: Where, *, most: int | None = None) -> int:
    """Return how many rows of `source`, a table or a join, there are; counting ends at `most`."""
    counted = f"{source}{where.sql}"
    if most is not None:
        counted = f"(SELECT 1 AS one FROM {counted} LIMIT :most) AS counted"  # noqa: S608 - ours
        where = Where([], where.bound(most=most))
    (row,) = reading.rows(f"SELECT count(*) AS n FROM {counted}", where.parameters)  # noqa: S608 - ours
    return int(row["n"])
