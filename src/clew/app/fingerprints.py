"""The twin's ear at the intake of logs: what is a fingerprint becomes an event, too.

Theory of operation. A request whose bytes name no attribute of ours is passed on at the cost of one
search through them. Any other is decoded twice: once into the rows that the store keeps of it, and
once alone, so that its own rows can be read at once. The events go the way of the rows from there
on, in the same frame: durable, visible and replayed together.
"""

from __future__ import annotations

import time
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from clew.base.errors import ClewError
from clew.store.decoder import DecoderFullError, MalformedRecordError
from clew.store.hot import frame_numbers
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.otlp.text import Letter
from clew.telemetry.query.typed import typed_attributes
from clew.telemetry.tables import LOGS
from clew.twin.attributes import RESERVED
from clew.twin.ingest.fingerprint import is_fingerprint, read_seq
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from clew.store.decoder import Decoded
    from clew.store.engine.contract import Snapshot
    from clew.twin.ingest.judge import Judge
    from clew.twin.ingest.presence import Presence
    from clew.twin.registries.book import RegistryBook
    from clew.twin.state.selection import Subject

_MARK: Final = RESERVED.encode()

_AS_THEY_ARE: Final = (Letter.INTEGER, Letter.BOOLEAN, Letter.NESTED)
"""Types whose text in the columns is JSON already."""

_RESOURCES_CACHED: Final = 1024
"""Processes that write at a time; each repeats its resource on every row."""


class FingerprintDecoder:
    """A `clew.store.decoder.Decoder` of logs that gives the events among them as well.

    `in_order`: the events of a request are judged in the order of their times, since exporters put
    what each logger said together, whatever was said between.
    """

    def __init__(self, judge: Judge, *, in_order: bool = False) -> None:
        self._logs = open_decoder(Signal.LOGS)
        self._alone = open_decoder(Signal.LOGS)
        self._events = EventRows(judge)
        self._in_order = in_order

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one request and keep its rows; see the contract."""
        decoded = self._logs.append(body, frame=frame, received=received, oldest=oldest)
        if decoded.accepted and _MARK in body:
            self._alone.append(body, frame=frame, received=received, oldest=oldest)
            records: Iterable[LogRecord] = read_records(self._alone.finish()[LOGS.name], received)
            if self._in_order:
                records = sorted(records, key=lambda each: (each.at, read_seq(each.texts)))
            for record in records:
                self._events.append(record, frame)
        return decoded

    def rows(self) -> int:
        """Return how many rows are held, over all tables."""
        return self._logs.rows() + len(self._events)

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name; the decoder is empty afterwards."""
        batches = self._logs.finish()
        events = self._events.finish()
        if events is not None:
            batches[EVENTS.name] = events
        return batches


class ReferenceLookup:
    """Learns what events refer to before they are judged: a `RecordKind.prepare`."""

    def __init__(self, book: RegistryBook, presence: Presence) -> None:
        self._book = book
        self._presence = presence

    def __call__(self, bodies: Sequence[bytes], snapshot: Callable[[], Snapshot]) -> None:
        """Ask the store for the objects that requests refer to. Blocks, never raises."""
        wanted: set[Subject] = set()
        for body in bodies:
            if _MARK in body:
                wanted |= self._find_references(body)
        self._presence.ask(wanted, snapshot)

    def _find_references(self, body: bytes) -> set[Subject]:
        decoder = open_decoder(Signal.LOGS)
        received = time.time_ns()
        try:
            decoded = decoder.append(body, frame=0, received=received, oldest=0)
        except (MalformedRecordError, DecoderFullError, ClewError):
            # Whoever decodes it in earnest will say so.
            return set()
        found: set[Subject] = set()
        if decoded.accepted:
            for record in read_records(decoder.finish()[LOGS.name], received):
                if is_fingerprint(record.texts):
                    found |= self._book.find_references(record)
        return found


def read_records(rows: pa.RecordBatch, received: int) -> Iterator[LogRecord]:
    """Yield what stands in rows of `otel_logs`, in their order."""
    times = frame_numbers(rows.column("Timestamp"))
    observed = frame_numbers(rows.column("ObservedTimestamp"))
    names = ("TraceId", "SpanId", "ServiceName", "Body", "Residue", "SeverityNumber")
    columns = [_values(rows.column(name)) for name in names]
    attributes = _pairs(rows.column("LogAttributes"))
    resources = _pairs(rows.column("ResourceAttributes"))
    for at, row in enumerate(zip(*columns, strict=True)):
        trace_id, span_id, service, body, residue, severity = row
        texts = _first_values(attributes[at])
        yield LogRecord(
            at=times[at],
            observed=observed[at],
            received=received,
            severity=severity,
            body=body,
            trace_id=trace_id,
            span_id=span_id,
            service=service,
            texts=texts,
            literals=_literals(texts, residue) if residue else {},
            resource=_resource(resources[at]),
        )


def _values(column: pa.Array) -> list[Any]:
    if not pa.types.is_dictionary(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]
    # Once for each different text, not for each row.
    texts = column.dictionary.to_pylist()
    return [texts[index] for index in column.indices.to_pylist()]


def _pairs(column: pa.MapArray) -> list[tuple[tuple[str, str], ...]]:
    """Return the entries of each row of a map, in their order."""
    offsets = column.offsets.to_pylist()
    # Offsets count from the beginning of the children, which a slice shares with its whole.
    entries = tuple(zip(_values(column.keys), _values(column.items), strict=True))
    first = offsets[0]
    return [entries[start - first : end - first] for start, end in pairwise(offsets)]


@lru_cache(maxsize=_RESOURCES_CACHED)
def _resource(pairs: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return _first_values(pairs)


def _first_values(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return entries by their keys; of a repeated key the first value counts."""
    values = dict(pairs)
    return values if len(values) == len(pairs) else values | dict(reversed(pairs))


def _literals(texts: Mapping[str, str], residue: str) -> dict[str, str]:
    """Return the attributes that are no strings, as JSON."""
    loss = read_residue(residue).get("attributes")
    if loss is None:
        return {}
    if isinstance(loss, str):
        typed = typed_attributes(texts.items(), loss)
        return {
            key: msgspec.json.encode(value).decode()
            for key, value in typed.items()
            if not isinstance(value, str)
        }
    literals = {key: texts[key] for letter in _AS_THEY_ARE for key in loss.get(letter, ())}
    for key in loss.get(Letter.DOUBLE, ()):
        text = texts[key]
        if text not in {"NaN", "Infinity", "-Infinity"}:
            literals[key] = f"{text}.0" if text.lstrip("-").isdigit() else text
    for letter in (Letter.NO_CASE, Letter.NO_VALUE):
        literals |= dict.fromkeys(loss.get(letter, ()), "null")
    return literals
