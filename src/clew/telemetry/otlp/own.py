"""The decoder of what clew tells of itself: OTLP like anybody's, into tables of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.tables.own import OWN_BY_NAME

if TYPE_CHECKING:
    import pyarrow as pa

    from clew.store.decoder import Decoded
    from clew.telemetry.otlp.signal import Signal


class OwnDecoder:
    """Implements `clew.store.decoder.Decoder` for requests that clew itself wrote.

    Only the kind of record says that they are ours, and no door accepts that kind.
    """

    def __init__(self, signal: Signal) -> None:
        self._decoder = open_decoder(signal)

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """See `Decoder.append`."""
        return self._decoder.append(body, frame=frame, received=received, oldest=oldest)

    def rows(self) -> int:
        """See `Decoder.rows`."""
        return self._decoder.rows()

    def finish(self) -> dict[str, pa.RecordBatch]:
        """See `Decoder.finish`."""
        return {OWN_BY_NAME[name].name: rows for name, rows in self._decoder.finish().items()}
