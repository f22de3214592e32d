"""Columns and settings that several telemetry tables share."""

from __future__ import annotations

from clew.store.table import FRAME as FRAME_NAME
from clew.store.table import Alias, Column, Materialized

ATTRIBUTES = "Map(LowCardinality(String), String)"

# Every record of a process repeats the attributes of its resource (ADR 0006).
RESOURCE_ATTRIBUTES = "Map(LowCardinality(String), LowCardinality(String))"

# Shape of the instrumentation, not of the values: a few dozen different texts in a fleet.
RESIDUE = Column(
    "Residue",
    "LowCardinality(String)",
    comment="what the columns lose of the record, as JSON; mostly empty",
)

# Rows of one request share it, and requests arrive in order: almost free after the delta.
FRAME = Column(
    FRAME_NAME,
    "UInt64",
    "Delta(8), ZSTD(1)",
    comment="number of the write-ahead-log frame that brought the row",
)

# Spans stand in the order of time, so equal seconds stand in rows: nearly no bytes, and compared in
# a tenth of the time that nanoseconds take (ADR 0009). The name is the one of the table of logs.
WHOLE_SECONDS = Materialized(
    "TimestampTime",
    "DateTime",
    "toDateTime(Timestamp)",
    "Delta(4), ZSTD(1)",
    comment="Timestamp in whole seconds, cheaper to compare",
)

FRAME_INDEX = f"INDEX idx_frame {FRAME_NAME} TYPE minmax GRANULARITY 1"

# Why each is set: docs/internals/engine.md. The token window makes a replayed batch a no-op;
# fsync makes the checkpoint of the write-ahead log honest; small granules and blocks make the
# twenty rows of a page cheap to fetch wherever they lie (ADR 0004).
SETTINGS = (
    "index_granularity=1024",
    "min_bytes_for_wide_part=33554432",
    "ttl_only_drop_parts=1",
    "fsync_after_insert=1",
    "fsync_part_directory=1",
    "non_replicated_deduplication_window=1000",
    "min_compress_block_size=16384",
    "max_compress_block_size=65536",
    "text_index_posting_list_codec='bitpacking'",
)


# Prompts and other long values are hardly compared as a whole, and the index would hold each of
# them once more: half of a store of agents' spans (ADR 0011).
ITEM_VALUE_BYTES_MAX = 128


def attribute_items(map_column: str, name: str) -> Alias:
    """Return the alias that shows a map as an array of ``key=value``, for the text index."""
    expression = (
        f"arrayMap(kv -> concat(kv.1, '=', substring(kv.2, 1, {ITEM_VALUE_BYTES_MAX})), "
        f"CAST({map_column}, 'Array(Tuple(String, String))'))"
    )
    comment = (
        f"{map_column} as key=value, of each value the first {ITEM_VALUE_BYTES_MAX} bytes; "
        "has() uses an index"
    )
    return Alias(name, "Array(String)", expression, comment)


def searched_text(name: str, lists: tuple[str, ...]) -> Alias:
    """Return the alias that puts lists of texts into one, in lower case, for the index of words.

    It MUST be free of lambdas: the engine compares a part of a word with its dictionary, and reads
    the column itself where that finds too much, which fails for a lambda.
    """
    expression = f"lower(arrayStringConcat(arrayConcat({', '.join(lists)}), '\\n'))"
    return Alias(name, "String", expression, "all its text in lower case; LIKE uses an index")


def words_index(name: str, alias: str) -> str:
    """Return the index over the words of a searched text."""
    return f"INDEX {name} {alias} TYPE text(tokenizer='splitByNonAlpha')"
