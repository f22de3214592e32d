"""Ids of what has names instead: the same name has the same id, whoever asks, whenever.

An id is the first eight bytes, big-endian, of the SHA-256 of the kind and the names, in UTF-8 with
a byte 0 between them. The highest bit of a trace id is set: generators leave it empty, so such an
id is never one of theirs. Of a million names, two have the same id once in 18 million times.
"""

from __future__ import annotations

import hashlib
from typing import Final

NAMED: Final = 1 << 63
"""The bit that generated ids do not have."""

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


def _digest(*names: str) -> int:
    text = "\0".join(names).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
