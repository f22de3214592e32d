"""What clew tells of itself as OTLP: counters as metrics, slow and failed questions as spans."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from clew.app.protobuf import (
    bytes_field,
    double_field,
    fixed64_field,
    number_field,
    text_field,
)
from clew.base.version import own_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.surfaces.health.families import Family
    from clew.surfaces.health.questions import AskedQuestion

SERVICE: Final = "clew"
"""The service of the server's own records. It marks nothing: the tables do that they stand in."""

SCOPE: Final = "clew.own"

_CUMULATIVE: Final = 2
_SPAN_KIND_SERVER: Final = 2
_STATUS_CODE_ERROR: Final = 2

_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8

_ATTRIBUTES_CACHED: Final = 4096
"""Labels of samples are the same every time: some hundred, and as many routes by statuses."""


def encode_metrics(families: Iterable[Family], *, started: int, at: int) -> bytes:
    """Return an OTLP request of gauges and sums; times are Unix nanoseconds."""
    # Start and time stand in every point alike.
    sum_times = fixed64_field(2, started) + fixed64_field(3, at)
    gauge_times = fixed64_field(3, at)
    metrics = []
    for name, kind, help_text, samples in families:
        is_sum = kind == "counter"
        times = sum_times if is_sum else gauge_times
        points = b"".join(
            bytes_field(1, times + double_field(4, float(value)) + _attributes(7, labels))
            for labels, value in samples
        )
        if not points:
            continue
        body = text_field(1, name) + text_field(2, help_text)
        if is_sum:
            told = points + number_field(2, _CUMULATIVE) + number_field(3, number=1)
            body += bytes_field(7, told)
        else:
            body += bytes_field(5, points)
        metrics.append(body)
    return _request(metrics)


def encode_questions(questions: Sequence[AskedQuestion]) -> bytes:
    """Return an OTLP request of spans, one for each question.

    Who asked and what exactly is not told: whoever may read telemetry may read these.
    """
    return _request(
        [
            bytes_field(1, os.urandom(_TRACE_ID_BYTES))
            + bytes_field(2, os.urandom(_SPAN_ID_BYTES))
            + text_field(5, f"{each.method} {each.route}")
            + number_field(6, _SPAN_KIND_SERVER)
            + fixed64_field(7, each.at)
            + fixed64_field(8, each.at + each.duration_ns)
            + _attributes(
                9,
                {
                    "http.request.method": each.method,
                    "http.route": each.route,
                    "http.response.status_code": str(each.status),
                },
            )
            + (bytes_field(15, number_field(3, _STATUS_CODE_ERROR)) if each.has_failed else b"")
            for each in questions
        ]
    )


def _request(records: Iterable[bytes]) -> bytes:
    """Return records of one resource and one scope; metrics and spans are alike in that."""
    scope = bytes_field(1, text_field(1, SCOPE) + text_field(2, own_version()))
    inner = scope + b"".join(bytes_field(2, record) for record in records)
    resource = bytes_field(
        1, _attributes(1, {"service.name": SERVICE, "host.name": socket.gethostname()})
    )
    return bytes_field(1, resource + bytes_field(2, inner))


def _attributes(field: int, given: Mapping[str, str]) -> bytes:
    return b"".join(_attribute(field, key, value) for key, value in given.items())


@lru_cache(_ATTRIBUTES_CACHED)
def _attribute(field: int, key: str, value: str) -> bytes:
    return bytes_field(field, text_field(1, key) + bytes_field(2, text_field(1, value)))
