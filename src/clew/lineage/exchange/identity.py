"""Ids of what has names instead: the same name has the same id, whoever asks, whenever.

An id is the first eight bytes, big-endian, of the SHA-256 of the kind and the names, in UTF-8 with
a byte 0 between them. The highest bit of a trace id is set: generators leave it empty, so such an
id is never one of theirs. Of a million names, two have the same id once in 18 million times.

Spans have numbers, so theirs are mixed, not hashed: `mix` over the trace id's upper half, its lower
half, and the span id, each joined to what came before by exclusive or. It is MurmurHash3's
finalizer, whose steps are one-to-one, so spans of a trace meet only where the highest bit is lost.
"""

from __future__ import annotations

import hashlib
from typing import Final

NAMED: Final = 1 << 63
"""The bit that generated ids do not have."""

MIX_FACTORS: Final = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
MIX_SHIFT: Final = 33

_U64: Final = (1 << 64) - 1

_DATASET: Final = "dataset"
_JOB: Final = "job"
_RUN: Final = "run"


def dataset_trace_id(namespace: str, name: str, version: str | None = None) -> int:
    """Return the trace id of a dataset, or of one version of it; 2^63 and above."""
    names = (namespace, name) if version is None else (namespace, name, version)
    return NAMED | _digest(_DATASET, *names)


def job_stream_id(namespace: str, name: str) -> int:
    """Return the stream of what a job puts out: 32 bits, never 0."""
    return _digest(_JOB, namespace, name) >> 32 or 1


def run_seq(run_id: str) -> int:
    """Return the number of what a run put out, in its job's stream: 64 bits."""
    return _digest(_RUN, run_id)


def span_trace_id(trace_id: str, span_id: str) -> int:
    """Return the trace id of a span of OpenTelemetry that carries none; 2^63 and above.

    Both ids are hexadecimal, 32 digits and 16.
    """
    trace = int(trace_id, 16)
    return NAMED | mix(mix(mix(trace >> 64) ^ trace & _U64) ^ int(span_id, 16))


def mix(word: int) -> int:
    """Return 64 bits in which each one depends on all of a word."""
    for factor in MIX_FACTORS:
        word = (word ^ word >> MIX_SHIFT) * factor & _U64
    return word ^ word >> MIX_SHIFT


def _digest(*names: str) -> int:
    text = "\0".join(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
