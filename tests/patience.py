"""Programs that tests start: their ends wait for a server that others keep busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PATIENT: Final[Mapping[str, str]] = {
    "CLEW_END_SECONDS": "120",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "120",
}
"""The environment of a program whose last words are looked for, and whose server answers. It has
two seconds for them otherwise, which is what a person would wait, and not what a disk takes that
three workers of the tests write to; and each request has five."""
