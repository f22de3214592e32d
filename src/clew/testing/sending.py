"""Recorded events on their way to a server, as log records over OTLP/HTTP in JSON."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.twin import attributes as names
from clew.twin.events import EventType
from clew.twin.reconstructor.server import open_connections
from clew.twin.schema.names import otel_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from clew.remote.http import Server
    from clew.twin.events import Event

EVENTS_PER_REQUEST: Final = 500
"""Far below what a server takes at once, and few enough to name the one that it refuses."""

_PATH: Final = "/v1/logs"
_JSON: Final = "application/json"


def send_events(
    events: Iterable[Event], prefixes: Mapping[str, str], client: Any, api_key: str | None
) -> None:
    """Send events to a server, and return once all of them are durable.

    `prefixes` are those of the types; a type that has none there gets the one of its name.
    Raises: ClewError UNAVAILABLE when nothing answers, INVALID_ARGUMENT when events are refused.
    """
    connections = open_connections(client, api_key)
    try:
        with connections.borrow() as server:
            waiting = iter(events)
            while part := list(islice(waiting, EVENTS_PER_REQUEST)):
                _send(server, part, prefixes)
    finally:
        connections.close()


def _send(server: Server, events: Sequence[Event], prefixes: Mapping[str, str]) -> None:
    services: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        prefix = prefixes.get(event.obj_type) or otel_prefix(event.obj_type)
        services.setdefault(event.service, []).append(make_record(event, prefix))
    body = {
        "resourceLogs": [
            {
                "resource": {"attributes": list(_entries({"service.name": service or "replay"}))},
                "scopeLogs": [{"scope": {"name": "clew.testing"}, "logRecords": records}],
            }
            for service, records in services.items()
        ]
    }
    answer = server.post(_PATH, msgspec.json.encode(body), _JSON).body
    refused = msgspec.json.decode(answer or b"{}").get("partialSuccess") or {}
    if int(refused.get("rejectedLogRecords", 0)):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the server refused {refused['rejectedLogRecords']} events:"
            f" {refused.get('errorMessage', '')}",
        )


def make_record(event: Event, prefix: str) -> dict[str, Any]:
    """Return an event as a log record of OTLP/JSON, with the attributes that its writer gave it."""
    said = {f"{prefix}.{name}": value for name, value in event.patch.items() if value is not None}
    ours: dict[str, Any] = {
        names.OBJ_ID: event.obj_id,
        names.OBJ_TYPE: event.obj_type,
        names.EVENT_TYPE: event.type.value,
        names.EVENT_ID: event.event_id,
        names.EVENT_SEQ: event.seq,
        names.OBJ_NULLS: [name for name, value in event.patch.items() if value is None],
        names.ACTION_NAME if event.type is EventType.ACTION else names.EVENT_NAME: event.name,
        names.PROCESS_PHASE: event.phase,
        names.PROCESS_STATUS: event.status,
        names.REGISTRY_CHECKSUM: event.checksum,
    }
    told = {key: value for key, value in ours.items() if value not in ("", [])}
    return {
        "timeUnixNano": str(event.at),
        "observedTimeUnixNano": str(event.at),
        "severityNumber": 9,
        "body": {"stringValue": event.body},
        "attributes": list(_entries({**event.data, **said, **told})),
        "traceId": event.trace_id,
        "spanId": event.span_id,
    }


def _entries(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in values.items():
        yield {"key": key, "value": _value(value)}


def _value(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": list(_entries(value))}}
        case _:
            return {"stringValue": str(value)}
