"""What the OTLP doors answer, as bytes: export responses, google.rpc.Status, RetryInfo.

The three export responses have one shape (field 1: partial success; in it field 1 the number of
refused records, field 2 the message), so a few lines of protobuf writing serve all of them, and no
message class is loaded for the hot path. Tests read the bytes with the official classes.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARINT: Final = 0
_BYTES: Final = 2

_RETRY_INFO_TYPE: Final = b"type.googleapis.com/google.rpc.RetryInfo"

_REJECTED_JSON: Final = {
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
    Signal.METRICS: "rejectedDataPoints",
}

_RECORD_NOUN: Final = {
    Signal.TRACES: "spans",
    Signal.LOGS: "log records",
    Signal.METRICS: "data points",
}

REASON_TEXT: Final[Mapping[str, str]] = {
    "attribute_count": "more than 1024 attributes in one list",
    "attribute_depth": "a value nested deeper than 24 levels",
    "trace_id": "trace id is not 16 bytes, or all zero",
    "span_id": "span id is not 8 bytes, or all zero",
    "parent_span_id": "parent span id is not 8 bytes",
    "time": "time is older than the retention, or more than a day ahead",
}
"""The reasons of `docs/internals/rows.md`, for the one who sent the record."""


class Encoding(Enum):
    """How a body is written; the value is its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encode_response(signal: Signal, rejected: Mapping[str, int], encoding: Encoding) -> bytes:
    """Return the export response: empty when all was kept, else a partial success.

    `rejected` counts refused records by reason; the message names every reason with its count.
    """
    if not rejected:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    count = sum(rejected.values())
    message = describe_rejected(signal, rejected)
    if encoding is Encoding.JSON:
        # A 64-bit number is a string in protobuf's JSON.
        partial = {_REJECTED_JSON[signal]: str(count), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial})
    return _field(1, _number(1, count) + _field(2, message.encode()))


def describe_rejected(signal: Signal, rejected: Mapping[str, int]) -> str:
    """Return why records were refused, in words: ``2 spans: trace id is not 16 bytes…``."""
    noun = _RECORD_NOUN[signal]
    return "; ".join(
        f"{count} {noun}: {REASON_TEXT.get(reason, reason)}" for reason, count in rejected.items()
    )


def encode_status(
    code: int, message: str, encoding: Encoding, *, retry_after_ms: int | None = None
) -> bytes:
    """Return a google.rpc.Status, with RetryInfo in its details when trying again makes sense."""
    if encoding is Encoding.JSON:
        return msgspec.json.encode({"code": code, "message": message})
    status = _number(1, code) + _field(2, message.encode())
    if retry_after_ms is not None:
        seconds, rest_ms = divmod(retry_after_ms, 1000)
        delay = _number(1, seconds) + _number(2, rest_ms * 1_000_000)
        retry_info = _field(1, _RETRY_INFO_TYPE) + _field(2, _field(1, delay))
        status += _field(3, retry_info)
    return status


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _number(field: int, value: int) -> bytes:
    """Write a proto3 scalar: nothing when it is zero."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content
