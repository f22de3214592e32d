"""Lineage's ear at the intake of spans and logs: what they tell of it becomes rows besides.

Theory of operation. Rows of telemetry are looked at when they are taken out of the decoder, all
that came since the last time at once, so nothing is decoded again, and a batch that tells nothing
costs a look at the names of its attributes. What is found goes the way of the rows from there on,
in the same frame: durable, visible and replayed together.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from clew.lineage.ingest.records import read_records
from clew.lineage.ingest.spans import read_spans
from clew.lineage.ingest.told import Arrival
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from clew.lineage.ingest.told import LinkTally, Told
    from clew.store.decoder import Decoded, Decoder

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """Reads rows of one table: `clew.lineage.ingest.spans.read_spans` and its like."""

    def __call__(
        self, rows: pa.RecordBatch, arrivals: Sequence[Arrival], *, kept_ns: int | None = None
    ) -> Told | None:
        """Return what they tell of lineage, None where they tell nothing."""
        ...


class LineageDecoder:
    """A `clew.store.decoder.Decoder` that gives the rows of another one, and those of lineage.

    `read` reads those of `table`. What is older than `kept_ns` is not told of; all is counted.
    """

    def __init__(
        self, decoder: Decoder, table: str, read: Reader, tally: LinkTally, *, kept_ns: int | None
    ) -> None:
        self._decoder = decoder
        self._table = table
        self._read = read
        self._tally = tally
        self._kept_ns = kept_ns
        self._arrivals: list[Arrival] = []

    @classmethod
    def of_spans(cls, decoder: Decoder, tally: LinkTally, *, kept_ns: int | None) -> LineageDecoder:
        """Return one that reads spans."""
        return cls(decoder, TRACES.name, read_spans, tally, kept_ns=kept_ns)

    @classmethod
    def of_logs(cls, decoder: Decoder, tally: LinkTally, *, kept_ns: int | None) -> LineageDecoder:
        """Return one that reads log records."""
        return cls(decoder, LOGS.name, read_records, tally, kept_ns=kept_ns)

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one request and keep its rows; see the contract."""
        decoded = self._decoder.append(body, frame=frame, received=received, oldest=oldest)
        if decoded.accepted:
            self._arrivals.append(Arrival(frame, received))
        return decoded

    def rows(self) -> int:
        """Return how many rows are held, over all tables but those of lineage."""
        return self._decoder.rows()

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name; the decoder is empty afterwards."""
        batches = self._decoder.finish()
        arrivals, self._arrivals = self._arrivals, []
        rows = batches.get(self._table)
        if rows is not None and (told := self._listen(rows, arrivals)) is not None:
            self._tally.add(told)
            batches |= told.batches
        return batches

    def _listen(self, rows: pa.RecordBatch, arrivals: Sequence[Arrival]) -> Told | None:
        try:
            return self._read(rows, arrivals, kept_ns=self._kept_ns)
        except Exception:
            # The boundary between the two: a fault in what is made of rows besides must not take
            # the rows themselves along, which were acknowledged and are only here.
            logger.exception("what spans or logs told of lineage is not kept")
            return None
