"""The request messages as clew reads them: OTLP without the fields that belong to profiles.

`string_value_strindex` sits in the same oneof as the values we keep. A parser that knows it would
let it replace a value; one that does not skips it, which is what the contract asks. So the decoder
gets its own message classes, made from the published descriptors with these fields left out.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable

# Protobuf drops unknown fields from 64 levels of messages at a time, and leaves deeper ones as they
# are; a request may have a hundred.
_LEVELS_AT_A_TIME: Final = 32

PROFILE_FIELDS: Final = frozenset({"string_value_strindex", "key_strindex"})

REQUESTS: Final[dict[Signal, Any]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceRequest,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceRequest,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceRequest,
}
"""The published message class of each signal's export request."""

# A file stands after the files that it imports.
_FILES = (
    common_pb2,
    resource_pb2,
    trace_pb2,
    logs_pb2,
    metrics_pb2,
    trace_service_pb2,
    logs_service_pb2,
    metrics_service_pb2,
)


def request_reader(signal: Signal) -> Any:
    """Return the message class that reads a signal's request; profile fields are unknown to it."""
    return _reader(REQUESTS[signal].DESCRIPTOR.full_name)


def serialize_entries(entries: Iterable[common_pb2.KeyValue]) -> bytes:
    """Return an attribute list as a serialised ``KeyValueList``.

    The entries come from a message that `request_reader` read.
    """
    entry_list = _reader("opentelemetry.proto.common.v1.KeyValueList")(values=entries)
    return serialize_known(entry_list)


def serialize_known(message: Any) -> bytes:
    """Return a message as bytes, after dropping its unknown fields at every level."""
    _discard_unknown(message, 0)
    serialized: bytes = message.SerializeToString()
    return serialized


def _discard_unknown(message: Any, level: int) -> None:
    if level % _LEVELS_AT_A_TIME == 0:
        message.DiscardUnknownFields()
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                _discard_unknown(inner, level + 1)


@cache
def _reader(full_name: str) -> Any:
    return GetMessageClass(_pool().FindMessageTypeByName(full_name))


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in _FILES:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            kept = [field for field in message.field if field.name not in PROFILE_FIELDS]
            del message.field[:]
            message.field.extend(kept)
        pool.AddSerializedFile(file.SerializeToString())
    return pool
