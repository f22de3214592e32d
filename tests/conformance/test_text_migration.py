"""A store of the version before the index of words: old rows are found, by words and by value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from clew.store.engine.chdb import ChdbEngine
from clew.store.table import Alias, Table
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.logs import find_logs
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.telemetry.query.traces.spans import find_spans
from clew.telemetry.tables import LOGS, MIGRATIONS, TABLES, TRACES
from tests.conformance.query_requests import NOW
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = "tell me of the heron " * 40


def before(table: Table) -> Table:
    """Return a table as it was: whole values as items, no words, n-grams of log bodies."""
    indexes = tuple(index for index in table.indexes if "_words" not in index)
    if table is LOGS:
        ngrams = "idx_body_ngrams lower(Body) TYPE ngrambf_v1(4, 32768, 3, 0) GRANULARITY 8"
        indexes = (*indexes, f"INDEX {ngrams}")
    aliases = tuple(
        whole_items(alias) for alias in table.aliases if not alias.name.endswith("Text")
    )
    return dataclasses.replace(table, aliases=aliases, indexes=indexes)


def whole_items(alias: Alias) -> Alias:
    if not alias.name.endswith("AttributeItems"):
        return alias
    attributes = alias.name.removesuffix("Items") + "s"
    pairs = f"CAST({attributes}, 'Array(Tuple(String, String))')"
    expression = f"arrayMap(kv -> concat(kv.1, '=', kv.2), {pairs})"
    return dataclasses.replace(alias, expression=expression)


def add_rows(held: HeldStore) -> None:
    prompt = KeyValue(key="prompt", value=AnyValue(string_value=PROMPT))
    spans = ExportTraceServiceRequest()
    span = spans.resource_spans.add().scope_spans.add().spans.add(name="chat")
    span.trace_id, span.span_id, span.start_time_unix_nano = b"\x01" * 16, b"\x02" * 8, NOW
    span.attributes.append(prompt)
    held.add(Signal.TRACES, spans)
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=NOW)
    record.body.string_value = "the heron was seen"
    record.attributes.append(prompt)
    held.add(Signal.LOGS, logs)
    held.flush()


def counts(held: HeldStore) -> list[int]:
    """Count what is found by a word, by a part with a space, and by a whole long value."""
    return [
        *(find_spans(held, SpanQuery(text=text), NOW).count for text in ("hero", "the heron")),
        *(find_logs(held, LogQuery(body_contains=text), NOW).count for text in ("eron", "heron ")),
        find_spans(held, SpanQuery(attribute=[f"prompt={PROMPT}"]), NOW).count,
        find_logs(held, LogQuery(attribute=[f"prompt={PROMPT}"]), NOW).count,
    ]


def test_old_rows_and_new_ones_are_found_by_their_words(tmp_path: Path) -> None:
    older = ChdbEngine(tmp_path, migrations=MIGRATIONS[:2])
    older.create([before(table) if table in (TRACES, LOGS) else table for table in TABLES])
    add_rows(HeldStore(older, received=NOW))
    older.close()
    newer = ChdbEngine(tmp_path, migrations=MIGRATIONS)
    try:
        newer.create(TABLES)
        held = HeldStore(newer, received=NOW)
        assert counts(held) == [1] * 6
        add_rows(held)
        assert counts(held) == [2] * 6
        # A second start has nothing left to do, and takes the store for its own.
        newer.create(TABLES)
    finally:
        newer.close()
