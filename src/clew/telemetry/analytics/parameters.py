"""The questions of analytics, as plain values: REST parameters and CLI flags carry these names.

Times follow the one grammar of `clew.base.times`; a question without any is about the last hour.
"""

from __future__ import annotations

from clew.telemetry.query.parameters import TimeParameters


class BaselineParameters(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window, and the one to compare it with.

    `baseline` is how long the stretch before the window is; six times the window by default.
    `baseline_start` and `baseline_end` say it by moments instead.
    """

    baseline: str | None = None
    baseline_start: str | None = None
    baseline_end: str | None = None
