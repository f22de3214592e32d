"""The contract between the pipeline and what turns record bytes into rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa


class MalformedRecordError(Exception):
    """The bytes are not a record of their kind. Nothing of them was kept."""


class DecoderFullError(Exception):
    """The record's rows do not fit beside those that the decoder holds. Nothing of it was kept.

    After `finish` they may fit; if they do not fit into an empty decoder, they never will.
    """


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of one record: how many rows were kept, and how many refused, by reason.

    `copies` is how many servers are known to have it; None where there is one server.
    """

    accepted: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    copies: int | None = None


class Decoder(Protocol):
    """Collects rows from records of one kind until they are taken as Arrow batches.

    Not thread-safe: the pipeline calls it from one thread at a time.
    """

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one record and keep its rows, all of them carrying `frame`.

        MUST keep nothing when it raises, and MUST give the same rows whenever it is called with
        the same arguments. `received` and `oldest` are Unix nanoseconds; rows whose time is before
        `oldest` or more than a day after `received` are refused.

        Raises:
            MalformedRecordError: the bytes do not parse.
            DecoderFullError: the rows do not fit beside those held.
            ClewError: TOO_LARGE when the record alone asks for more than any may.
        """
        ...

    def rows(self) -> int:
        """Return how many rows are held, over all tables."""
        ...

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name, in arrival order; the decoder is empty afterwards.

        Tables without rows are absent. Columns stand as in the table's `arrow_schema`.
        """
        ...
