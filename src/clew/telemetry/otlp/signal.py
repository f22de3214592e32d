"""The three kinds of telemetry that clew takes in."""

from __future__ import annotations

from enum import StrEnum


class Signal(StrEnum):
    """What a request carries. The value is the last part of its OTLP/HTTP path."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"
