"""The reference decoder itself: parse a request, read its records, gather their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from clew.store.decoder import Decoded, DecoderFullError, MalformedRecordError
from clew.telemetry.otlp.limits import HELD_BYTES_MAX, WEIGHT_MAX
from clew.telemetry.otlp.messages import request_reader
from clew.telemetry.otlp.reference.batch import Batch
from clew.telemetry.otlp.reference.intake import Arrival, Intake
from clew.telemetry.otlp.reference.logs import read_logs
from clew.telemetry.otlp.reference.points import read_points
from clew.telemetry.otlp.reference.spans import read_spans
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

_READERS: Final[dict[Signal, Callable[[Any, Intake], None]]] = {
    Signal.TRACES: read_spans,
    Signal.LOGS: read_logs,
    Signal.METRICS: read_points,
}


class ReferenceDecoder:
    """The `clew.store.decoder.Decoder` of one signal's export requests.

    `weight_max` is how many bytes one request may weigh, `held_bytes_max` how many those take
    whose rows are held.
    """

    def __init__(
        self,
        signal: Signal,
        *,
        weight_max: int = WEIGHT_MAX,
        held_bytes_max: int = HELD_BYTES_MAX,
    ) -> None:
        self._request = request_reader(signal)
        self._read = _READERS[signal]
        self._weight_max = weight_max
        self._held_bytes_max = held_bytes_max
        self._held_bytes = 0
        self._batches: dict[str, Batch] = {}

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one request and keep its rows; see the contract."""
        try:
            request = self._request.FromString(body)
        except DecodeError as error:
            raise MalformedRecordError(f"not a protobuf request: {error}") from error
        intake = Intake(Arrival(frame, received, oldest), self._weight_max)
        self._read(request, intake)
        held_bytes = self._held_bytes + intake.weight + len(body)
        if held_bytes > self._held_bytes_max:
            raise DecoderFullError("the rows do not fit beside those held")
        self._held_bytes = held_bytes
        for table, row in intake.rows:
            if table.name not in self._batches:
                self._batches[table.name] = Batch(table)
            self._batches[table.name].append(row)
        return Decoded(len(intake.rows), dict(intake.refused))

    def rows(self) -> int:
        """Return how many rows are held, over all tables."""
        return sum(batch.rows for batch in self._batches.values())

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name; the decoder is empty afterwards."""
        batches, self._batches = self._batches, {}
        self._held_bytes = 0
        return {name: batch.finish() for name, batch in batches.items()}
