"""What may be asked over REST beyond the parameters that every surface shares."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from clew.telemetry.group import GroupStatus
from clew.telemetry.query.parameters import (
    LIMIT_DEFAULT,
    LogQuery,
    MetricQuery,
    PageParameters,
    SpanQuery,
)

SQL_LIMIT_DEFAULT = LIMIT_DEFAULT


class SpanListParameters(SpanQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans, and whether the answer says how it came about."""

    explain: bool = False


class TraceParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one trace is shown: `limit` cuts after so many spans, and the answer says so."""

    attributes: Literal["text", "typed"] = "text"
    limit: int | None = None
    own: bool = False


class SqlParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement, and how many rows of its answer."""

    q: str
    limit: int = SQL_LIMIT_DEFAULT


class SuggestParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that may be misspelt, and what it names."""

    kind: Literal["service", "operation", "attribute"]
    text: str


_OF_PAGES: Final = frozenset(PageParameters.__struct_fields__) | {"view"}
"""What says which part of a list is shown, and of what: a feed has neither pages nor an end."""


def _feed_of(name: str, query: type[PageParameters]) -> type[msgspec.Struct]:
    """Return the parameters of a feed: the filters of a list, and the event id to go on after.

    Made from the list's own, so that a filter is written once. (A struct cannot inherit the filters
    from one side and the page from another.) `after` is what `Last-Event-ID` is.
    """
    filters = [
        (
            field.name,
            field.type,
            msgspec.field(default=field.default)
            if field.default_factory is msgspec.NODEFAULT
            else msgspec.field(default_factory=field.default_factory),
        )
        for field in msgspec.structs.fields(query)
        if field.name not in _OF_PAGES
    ]
    return msgspec.defstruct(
        name,
        [*filters, ("after", str | None, None)],
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


LiveSpanParameters: Final = _feed_of("LiveSpanParameters", SpanQuery)
LiveLogParameters: Final = _feed_of("LiveLogParameters", LogQuery)


class SpanExport(SpanQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class LogExport(LogQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class MetricExport(MetricQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which data points leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class ReadinessQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server is to be ready for: `writes` asks that it takes what is sent as well.

    A standby and a query tier are not; so a load balancer finds who leads by the status alone.
    """

    writes: bool = False


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must be well for the server to be ready."""

    name: str
    ok: bool
    detail: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the server is ready, and what keeps it from being so.

    `group` is where it stands among several servers; a standby is ready when it answers reads.
    `shards` are the names of those that a query tier asks, and of no other server.
    """

    ready: bool
    checks: list[Check]
    group: GroupStatus | None = None
    shards: list[str] | None = None
