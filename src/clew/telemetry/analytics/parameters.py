"""The questions of analytics, as plain values: REST parameters and CLI flags carry these names.

Times follow the one grammar of `clew.base.times`; a question without any is about the last hour.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.telemetry.query.parameters import LIMIT_DEFAULT, TimeParameters

SUMMARY_LIMIT_DEFAULT = 10
"""Items of each list of a summary: what is read at a glance."""

SUMMARY_LIMIT_MAX = 1000
"""Services with figures of their own; whoever needs more asks the lists, which have pages."""

DIFFERENCES_DEFAULT = 20
"""Values that set two sets apart: past twenty they say the same again."""

BUCKETS_DEFAULT = 120
"""Parts of a window: columns of a time bar that are still wide enough to point at."""

BUCKETS_MAX = 2000
"""The columns of pixels of a large screen."""

EDGES_DEFAULT = 1000
"""Edges of a graph: more than anyone reads, and what a fleet of a few hundred services has."""


class SummaryQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened; of one service when it is named. `limit` is for each list."""

    service: str | None = None
    limit: int = SUMMARY_LIMIT_DEFAULT


class DensityQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much there is and when; of one service when it is named."""

    service: str | None = None
    buckets: int = BUCKETS_DEFAULT


class TopologyQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who calls whom; only the edges of one service when it is named."""

    service: str | None = None
    limit: int = EDGES_DEFAULT


class BaselineParameters(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window, and the one to compare it with.

    `baseline` is how long the stretch before the window is; six times the window by default.
    `baseline_start` and `baseline_end` say it by moments instead.
    """

    baseline: str | None = None
    baseline_start: str | None = None
    baseline_end: str | None = None


class AnomalyQuery(BaselineParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not as it was; of one service when it is named."""

    service: str | None = None
    limit: int = LIMIT_DEFAULT


class PatternQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What log records say. `severity` is one class, `min_severity` that class and above."""

    service: str | None = None
    severity: Literal["trace", "debug", "info", "warn", "error", "fatal"] | None = None
    min_severity: Literal["trace", "debug", "info", "warn", "error", "fatal"] | None = None
    attribute: list[str] = msgspec.field(default_factory=list)
    q: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class DiffQuery(BaselineParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two windows side by side, and what sets bad spans apart from good ones.

    `bad` and `good` are filter expressions as in `q`. Without both, failed spans are bad, or where
    hardly any failed the slowest; without one, it is what the other is not. `against` says where
    the good ones are: in the same window, or in the baseline.
    """

    service: str | None = None
    bad: str | None = None
    good: str | None = None
    against: Literal["rest", "baseline"] = "rest"
    limit: int = DIFFERENCES_DEFAULT
