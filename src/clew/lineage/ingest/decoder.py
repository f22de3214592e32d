"""Records of the log to rows: every message read as if its writer had checked nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.lineage.ingest.record import read_head, read_messages
from clew.lineage.ingest.rows import LinkRows
from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.sbe.descriptor import FrameDescriptor, decode_descriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import Kind, Refused, read_kind
from clew.lineage.sbe.linkset import TraceLinkSet, decode_link_set
from clew.store.decoder import Decoded, DecoderFullError

if TYPE_CHECKING:
    import pyarrow as pa

    from clew.lineage.sbe.header import Octets

ROWS_MAX: Final = 500_000
"""Of one record, and of all that are held: what the pipeline inserts at once, some 50 MB. A record
may say sixteen bytes for each of its rows, so its length alone would be no bound."""

FUTURE_NS_MAX: Final = 24 * 3600 * NS_PER_S
"""How far ahead of ours a clock may be, as for all records."""

FOREIGN: Final = "foreign"
"""A message of another schema, template or version 0: none of ours."""

TIME: Final = "time"
"""It was made before what is kept, or later than any clock says."""

_Said = TraceLinkSet | FrameDescriptor


class LinkDecoder:
    """A `clew.store.decoder.Decoder` of link sets and descriptors. What it counts are messages."""

    def __init__(self) -> None:
        self._rows = LinkRows()

    def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode one record and keep its rows; see the contract."""
        source, names, first = read_head(body)
        kept: list[tuple[_Said, int]] = []
        rejected: Counter[str] = Counter()
        rows = 0
        for octets, said_at in read_messages(body, first):
            said = read_message(octets)
            at = said_at
            if isinstance(said, FrameDescriptor):
                at = at or said.timestamp_ns or 0
            at = at or received
            if isinstance(said, str):
                rejected[said] += 1
            elif not oldest <= at <= received + FUTURE_NS_MAX:
                rejected[TIME] += 1
            else:
                kept.append((said, at))
                rows += 1 + (len(said.parents) if isinstance(said, TraceLinkSet) else 0)
        self._check_room(rows + len(names))
        for said, at in kept:
            self._rows.append(said, at=at, received=received, source=source, frame=frame)
        if kept:
            # Names go when the youngest of what they are named for does.
            at = max(at for _, at in kept)
            for named in names:
                self._rows.name(named, at=at, received=received, source=source, frame=frame)
        return Decoded(len(kept), rejected)

    def rows(self) -> int:
        """Return how many rows are held, over all tables."""
        return len(self._rows)

    def finish(self) -> dict[str, pa.RecordBatch]:
        """Take all rows held, by table name; the decoder is empty afterwards."""
        return self._rows.finish()

    def _check_room(self, rows: int) -> None:
        if rows > ROWS_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the sets say {rows} things together, and {ROWS_MAX} may be said at once",
                hint="send fewer sets at a time",
            )
        if len(self._rows) + rows > ROWS_MAX:
            raise DecoderFullError(f"{len(self._rows)} rows are held")


def read_message(octets: Octets) -> _Said | str:
    """Return what a message says, or the reason for which nothing of it is kept."""
    said: _Said | Refused
    match read_kind(octets):
        case Kind.LINK_SET:
            decoded = decode_link_set(octets)
            said = decoded if isinstance(decoded, Refused) else decoded.value
        case Kind.DESCRIPTOR:
            said = decode_descriptor(octets)
        case Kind.OTHER:
            return FOREIGN
    if isinstance(said, Refused):
        return said.fault.value
    if said.trace_id == NULL_TRACE_ID:
        # An item that was not traced: there is nothing to tell of it.
        return Fault.NO_TRACE_ID.value
    return said
