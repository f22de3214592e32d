"""Fingerprints as OTLP requests, made by hand: what any writer of any language may send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MORNING = time.time_ns() // 1_000_000_000 * 1_000_000_000 - 3600 * 1_000_000_000
"""A whole second an hour ago: retention takes nothing of it."""


def state_change(obj_id: str, at: int, seq: int, **fields: Any) -> dict[str, Any]:
    """Return the attributes and the time of a change of a shopping cart."""
    return fingerprint("state_change", obj_id, at, seq, fields)


def fingerprint(
    type_: str,
    obj_id: str,
    at: int,
    seq: int,
    fields: Mapping[str, Any],
    *,
    obj_type: str = "ShoppingCart",
    prefix: str = "shopping_cart",
    **others: Any,
) -> dict[str, Any]:
    """Return one record: ``{"at": …, "attributes": {…}}``; `others` win over what is made."""
    nulls = [name for name, value in fields.items() if value is None]
    attributes: dict[str, Any] = {
        "trilog.obj.id": obj_id,
        "trilog.obj.type": obj_type,
        "trilog.event.type": type_,
        "trilog.event.id": f"{obj_id}-{at}-{seq}",
        "trilog.event.seq": seq,
        **{f"{prefix}.{name}": value for name, value in fields.items() if value is not None},
    }
    if nulls:
        attributes["trilog.obj.nulls"] = nulls
    named = {name.replace("__", "."): value for name, value in others.items()}
    return {"at": at, "attributes": attributes | named}


def request_of(
    records: Iterable[Mapping[str, Any]], resource: Mapping[str, Any] | None = None
) -> bytes:
    """Return records as the body of an OTLP export of logs."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    described = {"service.name": "shop", **(resource or {})}
    logs.resource.attributes.extend(_entries(described))
    scope = logs.scope_logs.add()
    for record in records:
        log = scope.log_records.add(
            time_unix_nano=record["at"],
            trace_id=bytes.fromhex(record.get("trace_id", "")),
            span_id=bytes.fromhex(record.get("span_id", "")),
        )
        log.body.string_value = record.get("body", "State change")
        log.attributes.extend(_entries(record["attributes"]))
    body: bytes = request.SerializeToString()
    return body


def _entries(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(each) for each in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=_entries(value)))
        case _:
            return AnyValue(string_value=str(value))
