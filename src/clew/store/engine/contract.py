"""What the store promises of an engine, whichever adapter stands behind it.

Theory of operation. Rows reach the engine in batches, some time after they were acknowledged;
until then they are *hot*: Arrow batches in memory whose bytes are in the write-ahead log. A reader
takes a `Snapshot` and sees the engine's rows up to the last flushed frame together with the hot
rows after it, so that a row is seen exactly once however the reader and a running flush interleave:
every row carries the number of the frame that brought it, and the two sides of the union are cut at
the same number. No lock is held while a query runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clew.store.table import Table

FRAME_BITS: Final = 48
"""Of a frame's number on its own server; above them a query tier puts the number of the shard. A
log of a thousand records a second takes nine thousand years to number so many."""

WORD_PART_CHARS_MIN: Final = 3
"""A part of a word of so many letters and digits is looked for in the dictionary of a text index:
``oom`` and ``tcp`` are worth it, parts of two characters stand in too many words."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the store: what a query that starts now may see.

    `flushed` and `acked` are frame numbers, `flushed <= acked`. `hot` holds, by table name, the
    rows of frames after `flushed`; rows of frames after `acked` may be among them and MUST NOT be
    seen. A table of few chunks is read fastest.
    Immutable and free of locks: hold it as long as the answer takes.

    Over shards `frames` has the frame of each of them; then `acked` is larger than any frame of any
    row, and says nothing of what came since.

    `is_hot_alone`: no stored row meets the condition of any scan, so that an engine need not look.
    """

    flushed: int
    acked: int
    hot: Mapping[str, pa.Table] = field(default_factory=dict)
    frames: tuple[int, ...] | None = None
    is_hot_alone: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """One reading of one table, hot rows included.

    `columns` are SQL expressions (``"SpanName"``, ``"Duration / 1e6 AS duration_ms"``), `where` a
    condition over the table's columns and aliases. `order_by` and `limit` are applied to each side
    of the union, which keeps "newest first" searches reading in order; the caller applies them once
    more outside. All text is trusted: values go through query parameters.

    With `group_by`, which are expressions too, each side groups its rows by itself: `columns` then
    hold these keys and states of aggregate functions (``countState() AS n``), and the caller puts
    the groups of both sides together with ``-Merge``.

    With `rows`, which are expressions too and may be windows over the rows of their side, each side
    makes these of its rows first; `columns` and `group_by` then are over them alone.
    """

    table: Table
    columns: tuple[str, ...]
    where: str = "1"
    order_by: str | None = None
    limit: int | None = None
    group_by: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Walls around one query. Zero means none."""

    time_ms_max: int = 0
    memory_bytes_max: int = 0
    rows_max: int = 0


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """Name and ClickHouse type of one column of an answer to untrusted SQL."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class UntrustedAnswer:
    """What a statement of a user gave: at most `rows_max` rows, and whether there were more."""

    columns: tuple[ResultColumn, ...]
    rows: Sequence[Mapping[str, object]]
    truncated: bool


@dataclass(frozen=True, slots=True)
class TableSize:
    """What a table takes on disk, by the engine's own count of its parts.

    `bytes` is everything, `data_bytes` the columns as they are compressed, `uncompressed_bytes`
    the same before, `index_bytes` the indexes beside the columns. Hot rows are not among `rows`.
    """

    table: str
    rows: int = 0
    parts: int = 0
    bytes: int = 0
    data_bytes: int = 0
    uncompressed_bytes: int = 0
    index_bytes: int = 0


class Engine(Protocol):
    """Tables of the ClickHouse dialect. Every call blocks and may come from any thread."""

    def create(self, tables: Sequence[Table], kept: Mapping[str, int | None] | None = None) -> None:
        """Create what does not exist yet and bring older tables up to date (versioned migrations).

        `kept` says, by name, for how many seconds the rows of tables that do not exist yet stay,
        None for ever. `retain` finds it so then: to change it later takes as long as to make the
        table. What `retain` would refuse is left to it.

        Raises:
            ClewError: UNSUPPORTED when the stored schema is newer than this program, or when the
                tables are not ours.
        """
        ...

    def retain(self, kept: Sequence[tuple[Table, int | None]]) -> None:
        """Set for how many seconds rows are kept after their table's time column; None for ever."""
        ...

    def drop_before(self, table: Table, at: int) -> int:
        """Drop every partition that ends at a moment (Unix nanoseconds) or earlier; at once.

        For what must not go before something else is done, where `retain` would take it unasked.
        Returns how many partitions went. What a kill interrupts is done by the next call.
        """
        ...

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """Insert rows as one block; durable when it returns.

        The same token again MUST add nothing, across restarts, within the last 1000 blocks.
        """
        ...

    def newest_frame(self, tables: Sequence[Table]) -> int:
        """Return the highest frame number stored in any of the tables, 0 when there is none."""
        ...

    def measure(self, tables: Sequence[Table]) -> list[TableSize]:
        """Return what each table takes on disk, in their order; zeros for one without rows."""
        ...

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """Run trusted SQL over scans and return its rows.

        `sql` names a scan as ``@name`` where a table would stand: ``SELECT count() FROM @spans``.
        ``@spans`` alone gives the scan's rows as they are: the stored ones and the hot ones, each
        in the scan's order and within its limit, for the caller to put together. That is cheaper
        than a SELECT around them, by what the engine spends on each column of each level.
        Values are bound as ``{name:Type}``. A SETTINGS clause is not for `sql` to have: limits
        become one. A scan's columns must be named where they are needed (no ``COLUMNS('…')``).

        Raises:
            ClewError: TIMEOUT or TOO_LARGE at a limit, UNAVAILABLE when the engine is gone.
        """
        ...

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        """Run a statement of a user, read-only, over the telemetry tables alone.

        Sees what is flushed; the caller flushes first. Refuses what is not one SELECT of allowed
        functions over allowed tables.

        Raises:
            ClewError: INVALID_ARGUMENT for what does not parse or run, FORBIDDEN for what is not
                allowed, TIMEOUT and TOO_LARGE at a limit.
        """
        ...

    def check(self) -> None:
        """Raise ClewError(UNAVAILABLE) unless the engine answers."""
        ...

    def close(self) -> None:
        """Release the engine; idempotent. No call may be running or follow."""
        ...
