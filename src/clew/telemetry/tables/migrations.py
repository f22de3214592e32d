"""The steps from earlier versions of the tables to the ones declared here.

Never change a step that was released: append another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.store.engine.migration import (
    Migration,
    add_alias,
    add_index,
    add_materialized,
    drop_index,
)
from clew.telemetry.genai import columns as genai
from clew.telemetry.tables.columns import WHOLE_SECONDS
from clew.telemetry.tables.logs import LOGS
from clew.telemetry.tables.traces import TRACES

if TYPE_CHECKING:
    from clew.store.table import Table


# Each index with the alias that it is over.
_SPAN_TEXTS: Final = (
    ("idx_res_attr_items", "ResourceAttributeItems"),
    ("idx_span_attr_items", "SpanAttributeItems"),
    ("idx_span_words", "SpanText"),
)
_LOG_TEXTS: Final = (
    ("idx_res_attr_items", "ResourceAttributeItems"),
    ("idx_log_attr_items", "LogAttributeItems"),
    ("idx_log_words", "LogText"),
)


def _index_texts(table: Table, texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(
        statement
        for index, alias in texts
        for statement in (
            *drop_index(table, index),
            *add_alias(table, alias),
            *add_index(table, index),
        )
    )


MIGRATIONS: Final = (
    Migration(
        2,
        (
            *add_materialized(TRACES, (column.name for column in genai.COLUMNS)),
            *(each for alias in genai.ALIASES for each in add_alias(TRACES, alias.name)),
        ),
        about="genai lists of otel_traces and their aliases",
    ),
    Migration(
        3,
        add_materialized(TRACES, (WHOLE_SECONDS.name,)),
        about="whole seconds of otel_traces",
    ),
    Migration(
        4,
        (
            *_index_texts(TRACES, _SPAN_TEXTS),
            *_index_texts(LOGS, _LOG_TEXTS),
            *drop_index(LOGS, "idx_body_ngrams"),
        ),
        about="words of spans and logs, and attribute items of bounded length",
    ),
    Migration(
        5,
        tuple(each for name in genai.TOKENS for each in add_alias(TRACES, name)),
        about="token counts of otel_traces are bounded",
    ),
)
"""In order, from version 2."""
