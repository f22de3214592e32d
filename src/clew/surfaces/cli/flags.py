"""The flags, by the names of the REST parameters.

Each class of flags stands beside the parameter struct it fills; `tests/unit/test_cli_flags.py`
compares their fields and choices, so that a parameter cannot be added without its flag. A flag that
is not given is not sent: the server's default counts, not a copy of it here.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import NS_PER_MS, parse_duration_ns
from clew.remote.address import DEFAULT_SERVER
from clew.remote.asker import SESSION_VARIABLE
from clew.remote.http import Server
from clew.surfaces.cli.completion import complete_attributes, complete_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

FILTERS = Group("Filters", sort_key=1)
PAGE = Group("Time and page", sort_key=2)
ANSWER = Group("Answer", sort_key=9)

Format = Literal["json", "table", "ndjson"]
Severity = Literal["trace", "debug", "info", "warn", "error", "fatal"]

Query = TypeVar("Query")

_WHOLE = re.compile(r"-?[0-9]{1,18}")


def read_tags(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Return the tags that ``NAME=VALUE`` texts are, None when there are none.

    Raises:
        ClewError: INVALID_ARGUMENT for a text without a name.
    """
    tags: dict[str, str] = {}
    for text in texts or ():
        name, is_given, value = text.partition("=")
        if not (name and is_given):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"--tag {text[:80]!r} is not NAME=VALUE",
                hint="--tag NAME=VALUE",
            )
        tags[name] = value
    return tags or None


def read_milliseconds(_type: object, tokens: Sequence[Token]) -> float:
    """Read ``100ms``, ``1.5s`` or bare milliseconds."""
    token = tokens[0]
    try:
        return parse_duration_ns(token.value, bare=NS_PER_MS) / NS_PER_MS
    except ClewError as error:
        flag = f"{token.keyword}: " if token.keyword else ""
        raise ClewError(error.code, flag + error.message, hint=error.hint) from error


def read_whole_number(_type: object, tokens: Sequence[Token]) -> int:
    """Read a whole number as the REST parameters have it: 1.5 is not rounded to one."""
    token = tokens[0]
    if _WHOLE.fullmatch(token.value):
        return int(token.value)
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{token.keyword or 'a number'}: not a whole number: {shorten(token.value, 64)!r}",
        hint="write it in digits, such as 100",
    )


Attribute = Annotated[
    list[str] | None,
    Parameter(
        name="--attribute", negative=(), consume_multiple=False, completer=complete_attributes
    ),
]
PageText = Annotated[str | None, Parameter(group=PAGE)]
PageNumber = Annotated[int | None, Parameter(group=PAGE, converter=read_whole_number)]
Service = Annotated[str | None, Parameter(completer=complete_services)]
Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


@Parameter(name="*", group=ANSWER)
@dataclass(frozen=True, kw_only=True)
class ServerFlags:
    """What a command takes that asks a server and writes something of its own."""

    server: Annotated[str, Parameter(env_var="CLEW_SERVER")] = DEFAULT_SERVER
    """The server to ask."""

    api_key: Annotated[str | None, Parameter(env_var="CLEW_API_KEY")] = None
    """The key to show it; the variable keeps it out of lists of processes."""

    def open(self) -> Server:
        """Return the server, which is asked by nothing yet."""
        session = os.environ.get(SESSION_VARIABLE)
        return Server(self.server, api_key=self.api_key, session=session)


@Parameter(name="*", group=ANSWER)
@dataclass(frozen=True, kw_only=True)
class AnswerFlags(ServerFlags):
    """What every command that asks a server takes."""

    format: Format | None = None
    """How the answer is written. [default: table on a terminal, json when piped]"""

    max_tokens: Annotated[
        int | None, Parameter(name="--max-tokens", converter=read_whole_number)
    ] = None
    """Bound the answer to about this many tokens (4 characters each); it says what it left out."""


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class TimeFlags:
    """`TimeParameters`."""

    last: PageText = None
    """Only the last 15m, 2h, 7d, 1w, or bare seconds."""

    start: PageText = None
    """From this moment on: RFC 3339, a Unix time, 15m (ago), now."""

    end: PageText = None
    """Up to, not including, this moment."""


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class PageFlags(TimeFlags):
    """`PageParameters`."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before: the next page, untouched by what came in since."""

    count: Annotated[Literal["exact"] | None, Parameter(group=PAGE)] = None
    """Count every match, where the answer would else say at_least."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class SpanFlags(PageFlags):
    """`SpanQuery`."""

    service: Service = None
    """Exact name of the service."""

    operation: str | None = None
    """A part of the operation's name."""

    status: Literal["ok", "error", "unset"] | None = None
    """Status of the span."""

    kind: Literal["internal", "server", "client", "producer", "consumer"] | None = None
    """Kind of the span."""

    min_duration_ms: Annotated[
        float | None,
        Parameter(name=("--min-duration", "--min-duration-ms"), converter=read_milliseconds),
    ] = None
    """At least this long: 100ms, 1s, or bare milliseconds."""

    max_duration_ms: Annotated[
        float | None,
        Parameter(name=("--max-duration", "--max-duration-ms"), converter=read_milliseconds),
    ] = None
    """At most this long."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """A filter expression with and, or, not and parentheses."""

    text: str | None = None
    """Words anywhere in the span."""

    trace_id: str | None = None
    """Only this trace."""

    root: Switch = False
    """Only spans without a parent."""

    view: Literal["spans", "traces"] | None = None
    """One line per span, or per trace that holds a matching span. [default: spans]"""

    attributes: Literal["text", "typed"] | None = None
    """Attribute values as text, or as typed JSON. [default: text]"""

    own: Switch = False
    """What clew tells of itself, which no other question shows."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class LogFlags(PageFlags):
    """`LogQuery`."""

    service: Service = None
    """Exact name of the service."""

    severity: Severity | None = None
    """Exactly this class."""

    min_severity: Severity | None = None
    """This class and above."""

    body_contains: str | None = None
    """A part of the body."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """A filter expression with and, or, not and parentheses."""

    text: str | None = None
    """Words anywhere in the record."""

    trace_id: str | None = None
    """Only this trace."""

    span_id: str | None = None
    """Only this span."""

    attributes: Literal["text", "typed"] | None = None
    """Attribute values as text, or as typed JSON. [default: text]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class MetricFlags(PageFlags):
    """`MetricQuery`."""

    service: Service = None
    """Exact name of the service."""

    name: str | None = None
    """Exact name of the metric."""

    metric_type: Annotated[
        Literal["gauge", "sum", "histogram", "summary"] | None,
        Parameter(name=("--metric-type", "--type")),
    ] = None
    """Kind of the metric."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    attributes: Literal["text", "typed"] | None = None
    """Attribute values as text, or as typed JSON. [default: text]"""

    own: Switch = False
    """What clew tells of itself, which no other question shows."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class SeriesFlags(TimeFlags):
    """`SeriesQuery`, but for the name, which is the argument of `clew metric`."""

    service: Service = None
    """Exact name of the service."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    step: str | None = None
    """Width of a bucket, such as 1m. [default: about 60 buckets]"""

    aggregate: (
        Literal["avg", "sum", "min", "max", "count", "last", "rate", "p50", "p95", "p99"] | None
    ) = None
    """What a bucket shows; rate is per second and honours resets. [default: avg]"""

    by: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)] = None
    """Repeatable: one series per value of this attribute."""

    limit: PageNumber = None
    """How many series at most. [default: 100]"""

    own: Switch = False
    """What clew tells of itself, which no other question shows."""


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class ServiceFlags(TimeFlags):
    """`ServiceQuery`, and `OperationQuery` but for the service."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class AttributeFlags(ServiceFlags):
    """`AttributeQuery`."""

    signal: Literal["traces", "logs", "metrics"] | None = None
    """Where to look. [default: traces]"""

    place: Literal["span", "resource", "scope", "event", "log", "metric"] | None = None
    """Only attributes of this part."""

    service: Service = None
    """Exact name of the service."""

    prefix: str | None = None
    """Only keys (or, with KEY, values) that begin so."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class SummaryFlags(TimeFlags):
    """`SummaryQuery`."""

    service: Service = None
    """Exact name of the service."""

    limit: PageNumber = None
    """Items of each list, at most 1000. [default: 10]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TopologyFlags(TimeFlags):
    """`TopologyQuery`."""

    service: Service = None
    """Only the edges of this service."""

    limit: PageNumber = None
    """Edges at most, the busiest ones. [default: 1000]"""


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class BaselineFlags(TimeFlags):
    """`BaselineParameters`."""

    baseline: PageText = None
    """How long the stretch before is that it is compared with. [default: six times as long]"""

    baseline_start: PageText = None
    """From this moment on instead."""

    baseline_end: PageText = None
    """Up to, not including, this moment."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class AnomalyFlags(BaselineFlags):
    """`AnomalyQuery`."""

    service: Service = None
    """Exact name of the service."""

    limit: PageNumber = None
    """How many at most, the worst ones. [default: 100]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class DiffFlags(BaselineFlags):
    """`DiffQuery`."""

    service: Service = None
    """Exact name of the service."""

    bad: str | None = None
    """Which spans are bad, as a filter expression. [default: failed ones, else the slowest]"""

    good: str | None = None
    """Which spans are good. [default: the others]"""

    against: Literal["rest", "baseline"] | None = None
    """Where the good ones are: in the same window, or in the baseline. [default: rest]"""

    limit: PageNumber = None
    """How many values at most. [default: 20]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class PatternFlags(ServiceFlags):
    """`PatternQuery`."""

    service: Service = None
    """Exact name of the service."""

    severity: Severity | None = None
    """Exactly this class."""

    min_severity: Severity | None = None
    """This class and above."""

    attribute: Attribute = None
    """Repeatable, all must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k."""

    q: str | None = None
    """A filter expression with and, or, not and parentheses."""


def to_query(flags: Any, kind: type[Query], **more: object) -> Query:
    """Return the parameters that flags say; what was not given keeps the struct's default."""
    names = [field.name for field in dataclasses.fields(flags)] if flags is not None else []
    # A switch can only be turned on: off is the same as not given.
    values = {name: getattr(flags, name) for name in names}
    # By identity: a limit of 0 is given, and equal to false.
    given = {name: v for name, v in values.items() if v is not None and v is not False}
    return kind(**(given | more))
