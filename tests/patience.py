"""Programs that tests start: their ends wait for a server that others keep busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PATIENT_END: Final = """
import clew.sdk.run as ending
ending.CLOSE_S_MAX = 120.0
ending.Run.close_outlets.__defaults__ = (120.0,)
"""
"""Before a program whose last words are looked for: they have two seconds otherwise, which is what
a person would wait, and not what a disk takes that three workers of the tests write to."""

PATIENT: Final[Mapping[str, str]] = {"OTEL_EXPORTER_OTLP_TIMEOUT": "120"}
"""Its environment: each request has five seconds otherwise."""
