"""What an OTLP request says, read straight from its messages and independent of our decoders.

Two requests are equal by contract when they hold the same records with multiplicity, each with an
equal resource, scope and metric; how records are grouped does not matter.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Any, Final

import pyarrow as pa
from google.protobuf.descriptor import FieldDescriptor

from clew.telemetry.otlp.signal import Signal
from tests.property.otlp_strategies import DAY, OLDEST, RECEIVED, messages_below

PROFILE_FIELDS: Final = {"string_value_strindex", "key_strindex"}
_ATTRIBUTE_FIELDS: Final = {"attributes", "filtered_attributes"}
_EQUAL_WHEN_EMPTY: Final = {"resource", "scope", "status"}
_LEVELS: Final = {
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
}


def canonical(message: Any) -> tuple[Any, ...]:
    """Return a message as nested tuples that are equal where the contract calls it equal."""
    members = []
    for field, value in message.ListFields():
        if field.name in PROFILE_FIELDS:
            continue
        if not field.is_repeated:
            form = _canonical_value(field, value)
            if field.name in _EQUAL_WHEN_EMPTY and form == ():
                continue
        else:
            form = tuple(_canonical_value(field, element) for element in value)
            if field.name in _ATTRIBUTE_FIELDS and _has_unique_keys(value):
                form = tuple(sorted(form, key=repr))
        members.append((field.name, form))
    return tuple(members)


def _has_unique_keys(entries: Any) -> bool:
    return len({entry.key for entry in entries}) == len(entries)


def _canonical_value(field: Any, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return canonical(value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return "NaN" if isnan(value) else struct.pack(">d", value)
    return value


@dataclass(frozen=True)
class Located:
    """One span, log record or data point with everything above it."""

    above: tuple[Any, ...]
    record: Any
    metadata: tuple[Any, ...]
    resource: Any
    scope: Any

    def form(self) -> tuple[Any, ...]:
        return (*self.above, canonical(self.record))


def located_records(signal: Signal, request: Any) -> Iterator[Located]:
    """Yield every record of a request with what it belongs to."""
    resources, scopes, records = _LEVELS[signal]
    for by_resource in getattr(request, resources):
        resource = (canonical(by_resource.resource), by_resource.schema_url)
        for by_scope in getattr(by_resource, scopes):
            above = (*resource, canonical(by_scope.scope), by_scope.schema_url)
            for record in getattr(by_scope, records):
                parents = (by_resource.resource, by_scope.scope)
                if signal is not Signal.METRICS:
                    yield Located(above, record, (), *parents)
                    continue
                kind = record.WhichOneof("data")
                if kind is None:
                    continue
                data = getattr(record, kind)
                identity = (
                    *(record.name, record.description, record.unit, kind),
                    tuple(canonical(entry) for entry in record.metadata),
                    getattr(data, "aggregation_temporality", None),
                    getattr(data, "is_monotonic", None),
                )
                for point in data.data_points:
                    yield Located((*above, identity), point, tuple(record.metadata), *parents)


def refusal(signal: Signal, located: Located) -> str | None:
    """Return why a record must be refused, by the page and not by our decoder."""
    parts = [located.resource, located.scope, located.record, *located.metadata]
    longest = max(len(located.metadata), *(_longest(part) for part in parts))
    if longest > 1024:
        return "attribute_count"
    if max(_deepest(part) for part in parts) > 24:
        return "attribute_depth"
    record = located.record
    if signal is Signal.TRACES:
        if len(record.trace_id) != 16 or not any(record.trace_id):
            return "trace_id"
        if len(record.span_id) != 8 or not any(record.span_id):
            return "span_id"
        if len(record.parent_span_id) not in {0, 8}:
            return "parent_span_id"
        time = record.start_time_unix_nano
    elif signal is Signal.LOGS:
        if len(record.trace_id) not in {0, 16}:
            return "trace_id"
        if len(record.span_id) not in {0, 8}:
            return "span_id"
        time = record.time_unix_nano or record.observed_time_unix_nano or RECEIVED
    else:
        time = record.time_unix_nano
    if not OLDEST <= time <= RECEIVED + DAY or max(_times(record)) > 2**63 - 1:
        return "time"
    return None


def _longest(message: Any) -> int:
    lengths = [0]
    for part in messages_below(message):
        for field, value in part.ListFields():
            if field.is_repeated and field.message_type is not None:
                listed = field.message_type.name in {"KeyValue", "AnyValue"}
                lengths.append(len(value) if listed else 0)
    return max(lengths)


def _deepest(message: Any) -> int:
    """Count the values on the way to the deepest value below a message."""
    below = [0]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            below += [_deepest(child) for child in (value if field.is_repeated else [value])]
    own = 1 if message.DESCRIPTOR.name == "AnyValue" else 0
    return max(below) + own


def _times(record: Any) -> Iterator[int]:
    for part in messages_below(record):
        for field, value in part.ListFields():
            if field.name.endswith("time_unix_nano"):
                yield value
    yield 0


def expected_outcome(
    signal: Signal, request: Any
) -> tuple[Counter[tuple[Any, ...]], dict[str, int]]:
    """Return the records that must be kept, and how many must be refused, by reason."""
    kept: Counter[tuple[Any, ...]] = Counter()
    refused: Counter[str] = Counter()
    for located in located_records(signal, request):
        reason = refusal(signal, located)
        if reason is None:
            kept[located.form()] += 1
        else:
            refused[reason] += 1
    return kept, dict(refused)


def records_of(signal: Signal, request: Any) -> Counter[tuple[Any, ...]]:
    """Return every record of a request in canonical form, with multiplicity."""
    return Counter(located.form() for located in located_records(signal, request))


def plain_values(array: pa.Array) -> list[Any]:
    """Return a column as Python values: times as integers, maps as pairs, doubles as bits."""
    kind = array.type
    if pa.types.is_map(kind):
        keys, items = plain_values(array.keys), plain_values(array.items)
        offsets = array.offsets.to_pylist()
        pairs = list(zip(keys, items, strict=True))
        return [pairs[start:end] for start, end in pairwise(offsets)]
    if pa.types.is_list(kind):
        elements, offsets = plain_values(array.values), array.offsets.to_pylist()
        return [elements[start:end] for start, end in pairwise(offsets)]
    if pa.types.is_dictionary(kind):
        texts = array.dictionary.to_pylist()
        return [texts[index] for index in array.indices.to_pylist()]
    if pa.types.is_timestamp(kind):
        return list(array.cast(pa.int64()).to_pylist())
    if pa.types.is_float64(kind):
        return [
            "NaN" if isnan(number) else struct.pack(">d", number) for number in array.to_pylist()
        ]
    return list(array.to_pylist())


def plain_batch(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """Return a batch as plain values by column name."""
    return {name: plain_values(batch.column(name)) for name in batch.schema.names}
