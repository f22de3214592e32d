"""What servers say to one another about scans: the question, and the answer as Arrow.

A question is msgpack. An answer is the length of its head (eight bytes, big end first), the head as
msgpack, and one Arrow stream after another, as many bytes each as the head says; each begins at a
multiple of 64, since what reads columns where they lie wants them aligned. The head names
the frame up to which all of it was read, and the engine's type of every column: Arrow has fewer
types, and whoever puts the rows into a statement again wants those that they had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA_TYPE = "application/vnd.clew.scans"

_LENGTH_BYTES = 8

_ALIGNED_BYTES = 64


class AskedScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reading of one table, as `clew.store.engine.contract.Scan` has it."""

    name: str
    table: str
    columns: list[str]
    where: str = "1"
    order_by: str | None = None
    limit: int | None = None
    group_by: list[str] = []
    rows: list[str] = []


class ScanQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Readings at one moment: that of the answer, or up to a frame. Zero is no limit of its own."""

    scans: list[AskedScan]
    parameters: dict[str, object] = {}
    up_to: int | None = None
    time_ms_max: int = 0
    memory_bytes_max: int = 0
    rows_max: int = 0


class _ScanHead(msgspec.Struct, frozen=True):
    name: str
    types: list[str]
    size: int


class _AnswerHead(msgspec.Struct, frozen=True):
    frame: int
    scans: list[_ScanHead]


class ReadScan(msgspec.Struct, frozen=True):
    """The rows of one reading, and the engine's types of its columns."""

    rows: pa.Table
    types: tuple[str, ...]


class ScanAnswer(msgspec.Struct, frozen=True):
    """Readings by name, and the frame up to which they were read."""

    frame: int
    scans: dict[str, ReadScan]


class NewestFrame(msgspec.Struct, frozen=True):
    """What `GET /internal/frames` answers: the newest acknowledged frame, and the newest stored.

    `data_id` is the same wherever the same records are. `role` is that of `x-clew-role` in a group,
    else `alone`; `epoch` is the newest that is known there, and `group` the id of its group, empty
    while its log is of none. All are empty from an older server.
    """

    acked: int
    flushed: int
    data_id: str = ""
    role: str = ""
    epoch: int = 0
    group: str = ""


def find_twins(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return each shard that has the same records as one before it, with the name of that one.

    `found` are names of shards with the `data_id` of a server of theirs.
    """
    seen: dict[str, str] = {}
    twins = {}
    for name, data_id in found:
        first = seen.setdefault(data_id, name) if data_id else name
        if first != name:
            twins[name] = first
    return twins


def encode_answer(answer: ScanAnswer, *, compression: str | None = None) -> bytes:
    """Return an answer as bytes; `compression` is one of Arrow's."""
    options = pa.ipc.IpcWriteOptions(compression=compression)
    heads, streams = [], []
    for name, scan in answer.scans.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, scan.rows.schema, options=options) as writer:
            writer.write_table(scan.rows)
        stream = sink.getvalue()
        heads.append(_ScanHead(name, list(scan.types), stream.size))
        streams.append(stream)
    head = msgspec.msgpack.encode(_AnswerHead(answer.frame, heads))
    pieces = [len(head).to_bytes(_LENGTH_BYTES, "big"), head]
    place = _LENGTH_BYTES + len(head)
    for stream in streams:
        gap = _gap(place)
        pieces += (bytes(gap), stream)
        place += gap + stream.size
    return b"".join(pieces)


def decode_answer(body: bytes) -> ScanAnswer:
    """Return what `encode_answer` wrote. Rows lie where they came, and are not copied.

    Raises:
        ClewError: UNAVAILABLE when the bytes are no answer.
    """
    size = int.from_bytes(body[:_LENGTH_BYTES], "big")
    place = _LENGTH_BYTES + size
    scans = {}
    try:
        head = msgspec.msgpack.decode(body[_LENGTH_BYTES:place], type=_AnswerHead)
        whole = pa.py_buffer(body)
        for scan in head.scans:
            place += _gap(place)
            rows = pa.ipc.open_stream(whole.slice(place, scan.size)).read_all()
            if rows.num_columns != len(scan.types):
                raise not_an_answer("what came has other columns than it says")
            scans[scan.name] = ReadScan(rows, tuple(scan.types))
            place += scan.size
    except (msgspec.DecodeError, pa.ArrowException, IndexError, OSError, ValueError) as error:
        raise not_an_answer("what came is no answer to a scan") from error
    return ScanAnswer(head.frame, scans)


def decode_frame(body: bytes) -> NewestFrame:
    """Return what `GET /internal/frames` answered.

    Raises:
        ClewError: UNAVAILABLE when the bytes are no answer.
    """
    try:
        return msgspec.json.decode(body, type=NewestFrame)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_an_answer("what came does not tell of frames") from error


def not_an_answer(what: str) -> ClewError:
    """Return the error for what came in the place of an answer."""
    return ClewError(
        ErrorCode.UNAVAILABLE, what, hint="do all servers run the same version of clew?"
    )


def _gap(place: int) -> int:
    return -place % _ALIGNED_BYTES
