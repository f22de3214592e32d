"""What of a log record a fingerprint is read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One log record as the store took it. Times are Unix nanoseconds, ids lower-case hex.

    `texts` are its attributes as text; `literals` holds those that are no strings once more, as
    JSON: ``{"n": "5"}`` for an integer, ``{"n": "5.0"}`` for a double. `resource` describes what
    sent it, `observed` is 0 where nobody said it.
    """

    at: int
    observed: int
    received: int
    severity: int
    body: str
    trace_id: str
    span_id: str
    service: str
    texts: Mapping[str, str]
    literals: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)
