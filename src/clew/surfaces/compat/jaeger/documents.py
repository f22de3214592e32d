"""The JSON of Jaeger's first query API, as its UI and Grafana read it. Times are microseconds."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

TagType: TypeAlias = Literal["string", "bool", "int64", "float64", "binary"]
RefType: TypeAlias = Literal["CHILD_OF", "FOLLOWS_FROM"]


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """A tag, or a field of a log. Integers that JavaScript would round are decimal texts."""

    key: str
    type: TagType
    value: str | int | float | bool


class Reference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Another span that this one comes from."""

    ref_type: RefType
    trace_id: str = msgspec.field(name="traceID")
    span_id: str = msgspec.field(name="spanID")


class Log(msgspec.Struct, frozen=True):
    """An event of a span."""

    timestamp: int
    fields: list[KeyValue]


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A span."""

    trace_id: str = msgspec.field(name="traceID")
    span_id: str = msgspec.field(name="spanID")
    flags: int = 0
    operation_name: str
    references: list[Reference]
    start_time: int
    duration: int
    tags: list[KeyValue]
    logs: list[Log]
    process_id: str = msgspec.field(name="processID")
    warnings: list[str] | None


class Process(msgspec.Struct, frozen=True, rename="camel"):
    """What sent spans: the resource of OpenTelemetry."""

    service_name: str
    tags: list[KeyValue]


class Trace(msgspec.Struct, kw_only=True, rename="camel"):
    """A trace: its spans, and by their ids the processes that sent them."""

    trace_id: str = msgspec.field(name="traceID")
    spans: list[Span]
    processes: dict[str, Process]
    warnings: list[str] | None = None


class Operation(msgspec.Struct, frozen=True, rename="camel"):
    """An operation of a service."""

    name: str
    span_kind: str


class Dependency(msgspec.Struct, frozen=True, rename="camel"):
    """How often one service called another."""

    parent: str
    child: str
    call_count: int


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong: all of the answer with `code`, a part of it without."""

    msg: str
    code: int = 0
    trace_id: str = msgspec.field(name="traceID", default="")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer is wrapped in; `data` is null where there is none."""

    data: Any
    total: int = 0
    limit: int = 0
    offset: int = 0
    errors: list[Error] | None = None
