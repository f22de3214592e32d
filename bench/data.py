"""Spans in the shape of the Jaeger project's ClickHouse benchmark, as serialised OTLP requests.

The shape: 10 spans a trace, one service a trace, 10 text attributes drawn from 97 keys x 1000
shared values and a status code, 10 services, 50 operations, a million spans an hour. Jaeger's
generator takes keys and values in turn; ours draws them, which compresses worse and is nearer to
life.

Theory of operation. Protobuf objects are dear to build, so a few *templates* of 500 spans are
serialised once. A block of requests is then a copy of a template whose ids, times, services,
operations, attribute keys and values are overwritten with fresh ones of equal width: about 0.4 ms
of vector work for 500 spans. The block with a given number is the same in every process and run.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

from bench.wire import Field, descend, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

SPANS_PER_TRACE = 10
ATTRIBUTES = 10
KEYS = 97
VALUES = 1000
SERVICES = 10
OPERATIONS = 50
NS_PER_TRACE = 36_000_000
"""A million spans an hour: one trace each 36 ms."""

BLOCK_SPANS = 500
BLOCK_TRACES = BLOCK_SPANS // SPANS_PER_TRACE

TEMPLATES = 8
"""Only kinds, statuses and sets of keys come from the template; a few are enough variety."""

FILL_START_NS = 1_793_491_200_000_000_000
"""2026-11-01 00:00 UTC: filled data begins here, so that every run sees equal rows."""

# A span starts within this of its trace, and lasts about its service's scale.
_SPREAD_NS = 5_000_000
_SCALE_NS = 2_000_000

_PARENT = np.array([-1, 0, 0, 0, 1, 1, 2, 2, 3, 3])
"""The tree of a trace: for each span, which one it hangs under."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


def service_name(number: int) -> str:
    """Return the name of one of the services."""
    return f"shop-service-{number:02}"


def operation_name(number: int) -> str:
    """Return the name of an operation; service ``s`` has those from ``5 s`` to ``5 s + 4``."""
    return f"handle-request-{number:02}"


def attribute_key(number: int) -> str:
    """Return one of the attribute keys."""
    return f"app.attribute.{number:02}"


def attribute_value(number: int) -> str:
    """Return one of the attribute values."""
    return f"sample-{number:03}"


@dataclass(frozen=True)
class _Template:
    """A serialised block of requests, and the offsets of what a block overwrites."""

    buffer: Bytes
    bounds: tuple[tuple[int, int], ...]
    """Where each request of the block begins and ends."""
    key_numbers: Numbers
    """Which key each attribute has, spans x 10; distinct within a span."""
    offsets: Numbers
    """Offsets of every overwritten byte, in the order in which `SpanRequests.block` gives them."""


@dataclass(frozen=True)
class SpanRequests:
    """An endless, repeatable supply of trace requests of `spans` spans each.

    `spans` divides 500. Times begin at `start_ns` and advance by 36 ms a trace. Ten requests in a
    row, one of each service, share their stretch of time.
    """

    spans: int
    start_ns: int = FILL_START_NS
    seed: int = 1

    @property
    def requests_per_block(self) -> int:
        """How many requests one block holds."""
        return BLOCK_SPANS // self.spans

    def __iter__(self) -> Iterator[bytes]:
        """Yield requests for ever, in order."""
        number = 0
        while True:
            yield from self.block(number)
            number += 1

    def block(self, number: int) -> list[bytes]:
        """Return the requests of one block."""
        template = _template(self.spans, number % TEMPLATES)
        random = np.random.Generator(np.random.PCG64([self.seed, number]))
        services, starts, ends = self._times(number, random)
        trace_ids = np.frombuffer(random.bytes(BLOCK_TRACES * 16), np.uint8).reshape(-1, 16)
        span_ids = np.frombuffer(random.bytes(BLOCK_SPANS * 8), np.uint8).reshape(-1, 8)
        shift = random.integers(0, KEYS, (BLOCK_SPANS, 1))
        keys = (template.key_numbers + shift) % KEYS
        values = random.integers(0, VALUES, (BLOCK_SPANS, ATTRIBUTES))
        by_span = np.repeat(services, SPANS_PER_TRACE)
        operations = by_span * (OPERATIONS // SERVICES) + random.integers(0, 5, BLOCK_SPANS)
        parts = (
            _digits(2)[services[:: self.spans // SPANS_PER_TRACE]],
            np.repeat(trace_ids, SPANS_PER_TRACE, axis=0),
            span_ids,
            span_ids[_parents()],
            _digits(2)[operations],
            starts.view(np.uint8),
            ends.view(np.uint8),
            _digits(2)[keys],
            _digits(3)[values],
        )
        buffer = template.buffer.copy()
        buffer[template.offsets] = np.concatenate([part.reshape(-1) for part in parts])
        data = buffer.tobytes()
        return [data[start:end] for start, end in template.bounds]

    def _times(self, block: int, random: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
        """Return the service of each trace, and start and end of each span."""
        traces = self.spans // SPANS_PER_TRACE
        in_block = np.arange(BLOCK_TRACES)
        request = block * self.requests_per_block + in_block // traces
        services = request % SERVICES
        slot = (request // SERVICES * traces + in_block % traces) * SERVICES + services
        begin = self.start_ns + slot * NS_PER_TRACE
        shape = (BLOCK_TRACES, SPANS_PER_TRACE)
        starts = random.integers(0, _SPREAD_NS, shape)
        starts[:, 0] = 0
        scale = (_SCALE_NS * (1 + services))[:, np.newaxis]
        durations = (random.lognormal(0.0, 0.8, shape) * scale).astype(np.int64)
        ends = starts + durations
        # A root ends after all its children.
        ends[:, 0] = ends.max(axis=1) + 10_000
        begin = begin[:, np.newaxis]
        return services, (begin + starts).reshape(-1), (begin + ends).reshape(-1)


@lru_cache(maxsize=8)
def _digits(width: int) -> Bytes:
    """Return a table from number to its decimal digits as bytes, zero-padded."""
    text = "".join(f"{number:0{width}}" for number in range(10**width))
    return np.frombuffer(text.encode(), np.uint8).reshape(-1, width)


@lru_cache(maxsize=1)
def _parents() -> Numbers:
    """Return, for each span of a block that has a parent, the position of that parent."""
    children = np.arange(1, SPANS_PER_TRACE)
    first = np.arange(0, BLOCK_SPANS, SPANS_PER_TRACE)[:, np.newaxis]
    parents: Numbers = (first + _PARENT[children]).reshape(-1)
    return parents


@lru_cache(maxsize=4 * TEMPLATES)
def _template(spans: int, variant: int) -> _Template:
    """Serialise one template and find where its parts lie."""
    random = np.random.Generator(np.random.PCG64([7, variant]))
    key_numbers = np.stack([random.permutation(KEYS)[:ATTRIBUTES] for _ in range(BLOCK_SPANS)])
    requests = [
        _build(random, key_numbers[first : first + spans]) for first in range(0, BLOCK_SPANS, spans)
    ]
    sizes = np.cumsum([0, *map(len, requests)])
    joined = b"".join(requests)
    bounds = tuple((int(a), int(b)) for a, b in itertools.pairwise(sizes))
    return _Template(np.frombuffer(joined, np.uint8), bounds, key_numbers, _offsets(joined))


def _build(random: np.random.Generator, key_numbers: Numbers) -> bytes:
    """Serialise one request of whole traces; what a block overwrites holds zeros."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (
        ("service.name", service_name(0)),
        ("host.name", "node-07.example.net"),
        ("telemetry.sdk.language", "go"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.40.0"),
    ):
        resource.resource.attributes.append(text_attribute(key, value))
    scope = resource.scope_spans.add()
    scope.scope.name = "go.opentelemetry.io/contrib/instrumentation/net/http"
    scope.scope.version = "0.65.0"
    for number, keys in enumerate(key_numbers):
        failed = random.random() < 0.02
        span = scope.spans.add()
        span.trace_id = b"\x01" * 16
        span.span_id = b"\x01" * 8
        if number % SPANS_PER_TRACE:
            span.parent_span_id = b"\x01" * 8
        span.name = operation_name(0)
        span.kind = 3 if number % SPANS_PER_TRACE else 2
        span.start_time_unix_nano = span.end_time_unix_nano = 1
        for _ in keys:
            span.attributes.append(text_attribute(attribute_key(0), attribute_value(0)))
        status = span.attributes.add()
        status.key = "http.response.status_code"
        status.value.int_value = 500 if failed else int(random.choice((200, 200, 200, 201, 404)))
        if failed:
            span.status.code = 2
    return bytes(request.SerializeToString())


def text_attribute(key: str, value: str) -> common_pb2.KeyValue:
    """Return an attribute with a string value."""
    return common_pb2.KeyValue(key=key, value=common_pb2.AnyValue(string_value=value))


def _offsets(joined: bytes) -> Numbers:
    """Return the offsets of what a block overwrites, found by walking the serialised bytes.

    The joined requests of a block are one well-formed message, which is how they are walked.
    """
    services = [
        value.end
        for resource in descend(joined, 1, 1)
        for value in _attribute_values(joined, resource, 1)[:1]
    ]
    spans = [_span_offsets(joined, span) for span in descend(joined, 1, 2, 2)]
    groups = [
        _before(services, 2),
        *(
            _before([end for span in spans for end in span[place]], width)
            for place, width in enumerate((16, 8, 8, 2, 8, 8, 2, 3))
        ),
    ]
    return np.concatenate(groups)


def _span_offsets(buffer: bytes, span: Field) -> tuple[list[int], ...]:
    """Return where trace id, span id, parent, name, start, end, keys and values of a span end."""
    found: dict[int, list[int]] = {number: [] for number in (1, 2, 4, 5, 7, 8)}
    keys: list[int] = []
    values: list[int] = []
    for field in fields(buffer, span.start, span.end):
        if field.number in found:
            found[field.number].append(field.end)
        elif field.number == 9 and len(keys) < ATTRIBUTES:
            key, value = fields(buffer, field.start, field.end)
            keys.append(key.end)
            values.append(value.end)
    return (*found.values(), keys, values)


def _attribute_values(buffer: bytes, message: Field, number: int) -> list[Field]:
    """Return the text values of the attributes that a message holds under one field number."""
    values: list[Field] = []
    for entry in fields(buffer, message.start, message.end):
        if entry.number == number:
            _, value = fields(buffer, entry.start, entry.end)
            values.extend(fields(buffer, value.start, value.end))
    return values


def _before(ends: list[int], width: int) -> Numbers:
    """Return the offsets of the `width` bytes before each end."""
    return (np.array(ends)[:, np.newaxis] + np.arange(-width, 0)).reshape(-1)
