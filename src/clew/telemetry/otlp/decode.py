"""Open the decoder of a signal: the native one where it is installed, else the reference."""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from clew.store.decoder import Decoded, DecoderFullError, MalformedRecordError
from clew.telemetry.otlp.limits import HELD_BYTES_MAX, WEIGHT_MAX, too_heavy_error

if TYPE_CHECKING:
    from types import ModuleType

    from clew.store.decoder import Decoder
    from clew.telemetry.otlp.signal import Signal

logger = logging.getLogger(__name__)


class DecoderName(StrEnum):
    """Which implementation turns requests into rows."""

    NATIVE = "native"
    REFERENCE = "reference"


class NativeDecoder:
    """The `clew.store.decoder.Decoder` that the Rust extension implements.

    `weight_max` is how many bytes one request may weigh, `held_bytes_max` how many those take
    whose rows are held.

    Raises:
        ImportError: the extension is not installed.
    """

    def __init__(
        self,
        signal: Signal,
        *,
        weight_max: int = WEIGHT_MAX,
        held_bytes_max: int = HELD_BYTES_MAX,
    ) -> None:
        import clew_native

        self._native = clew_native.OtlpDecoder(
            signal.value, weight_max=weight_max, held_bytes_max=held_bytes_max
        )
        self._weight_max = weight_max
        self._malformed = clew_native.MalformedError
        self._too_heavy = clew_native.TooHeavyError
        self._full = clew_native.CapacityError

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one request and keep its rows; see the contract."""
        try:
            accepted, rejected = self._native.append(body, frame, received, oldest)
        except self._malformed as error:
            raise MalformedRecordError(str(error)) from error
        except self._too_heavy as error:
            raise too_heavy_error(self._weight_max) from error
        except self._full as error:
            raise DecoderFullError(str(error)) from error
        return Decoded(accepted, rejected)

    def rows(self) -> int:
        """Return how many rows are held, over all tables."""
        rows: int = self._native.rows()
        return rows

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name; the decoder is empty afterwards."""
        return {name: pa.record_batch(batch) for name, batch in self._native.finish().items()}


def open_decoder(signal: Signal) -> Decoder:
    """Return an empty decoder for a signal's export requests (protobuf).

    Without the native extension it is the reference decoder, equal in every column but many times
    slower; the first such call logs a warning that names how to install the extension.
    """
    if _native_module() is None:
        # With it come protobuf's descriptors, which a start with the extension need not wait for.
        from clew.telemetry.otlp.reference import ReferenceDecoder

        return ReferenceDecoder(signal)
    return NativeDecoder(signal)


def decoder_name() -> DecoderName:
    """Return which decoder `open_decoder` opens."""
    return DecoderName.REFERENCE if _native_module() is None else DecoderName.NATIVE


@cache
def _native_module() -> ModuleType | None:
    """Return the extension, or None after one warning for the whole process."""
    try:
        import clew_native
    except ImportError:
        logger.warning(
            "the native decoder is not installed, so ingest uses the slower pure-Python one; "
            "run `make setup` (or `pip install ./native` with a Rust toolchain)"
        )
        return None
    module: ModuleType = clew_native
    return module
