"""What the store knows of a table: its columns, how they are kept, and how they look as Arrow.

A strand declares its tables with these values; the engine turns them into DDL, and the decoders
into Arrow batches whose columns stand in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import pyarrow as pa

FRAME: Final = "Frame"
"""The column of every table that carries the number of the log frame that brought the row: what
readers cut at, and what says how far the engine is."""

_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column.

    `type` is the ClickHouse type; the Arrow type follows from it (see `arrow_type`). `comment` says
    in one line what it holds: it goes into the DDL and into the schema that users are shown.
    """

    name: str
    type: str
    codec: str = "ZSTD(1)"
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """A column that is computed when read: ``expression`` over the stored columns of the row."""

    name: str
    type: str
    expression: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Materialized:
    """A column that the engine computes when it stores a row: ``expression`` over its columns.

    It is no part of ``*`` and never inserted. An expression may name materialized columns that
    stand before it. Rows stored before there was such a column have it computed as they are read.
    """

    name: str
    type: str
    expression: str
    codec: str = "ZSTD(1)"
    comment: str = ""


@dataclass(frozen=True)
class Table:
    """A MergeTree table.

    `columns` are inserted, in this order. `materialized`, `aliases` and `indexes` exist on disk
    only; a hot row gets what is computed by the same expressions. `time` is the column that
    retention and partitions go by. A partition is a part at least: a table that is read by what it
    is about, over all times, has a `partition` of months.
    """

    name: str
    time: str
    columns: tuple[Column, ...]
    order_by: str
    materialized: tuple[Materialized, ...] = ()
    aliases: tuple[Alias, ...] = ()
    indexes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    derived: tuple[str, ...] = field(default=())
    """Further columns of the DDL that are never inserted: ``Name Type DEFAULT expression``."""
    partition: Literal["day", "month"] = "day"
    comment: str = ""

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The schema of a batch of rows for this table, columns in insert order."""
        import pyarrow as pa

        return pa.schema(
            [pa.field(c.name, arrow_type(c.type), nullable=False) for c in self.columns]
        )

    def name_partition(self, at: int) -> str:
        """Return the engine's id of the partition of a moment (Unix nanoseconds).

        Ids of later partitions are greater texts.
        """
        return f"{_utc(at):{'%Y%m' if self.partition == 'month' else '%Y%m%d'}}"

    def start_partition(self, at: int) -> int:
        """Return when the partition of a moment begins; both are Unix nanoseconds."""
        start = _utc(at).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.partition == "month":
            start = start.replace(day=1)
        return int(start.timestamp()) * _NS_PER_S


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at // _NS_PER_S, UTC)


def arrow_type(clickhouse_type: str) -> pa.DataType:
    """Return the Arrow type in which values of a ClickHouse column type are inserted.

    Covers the types that our tables use. ``LowCardinality(String)`` is a dictionary with int32
    indices; a ``Map`` has dictionary-encoded keys, which the engine reads without a copy per key.
    """
    import pyarrow as pa

    text_dictionary = pa.dictionary(pa.int32(), pa.utf8())
    simple = {
        "String": pa.utf8(),
        "LowCardinality(String)": text_dictionary,
        "DateTime64(9)": pa.timestamp("ns"),
        "Map(LowCardinality(String), String)": pa.map_(text_dictionary, pa.utf8()),
        "Map(LowCardinality(String), LowCardinality(String))": pa.map_(text_dictionary, pa.utf8()),
        "Bool": pa.bool_(),
        "Float64": pa.float64(),
        "Int32": pa.int32(),
        "UInt8": pa.uint8(),
        "UInt32": pa.uint32(),
        "UInt64": pa.uint64(),
    }
    if clickhouse_type.startswith("Array("):
        return pa.list_(arrow_type(clickhouse_type.removeprefix("Array(").removesuffix(")")))
    return simple[clickhouse_type]
