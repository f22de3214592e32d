"""What the readers of the three signals share: where rows go, and what stands above a record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clew.telemetry.otlp.limits import (
    ATTRIBUTES_MAX,
    FUTURE_NS_MAX,
    INTEGER_EXACT_MAX,
    TIME_NS_MAX,
    VALUE_DEPTH_MAX,
    Reason,
)
from clew.telemetry.otlp.residue import (
    AttributeList,
    loss_members,
    member,
    number_members,
    read_attributes,
)
from clew.telemetry.otlp.text import Reach, base64_text, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.common.v1 import common_pb2
    from opentelemetry.proto.metrics.v1 import metrics_pb2
    from opentelemetry.proto.resource.v1 import resource_pb2

    from clew.store.table import Table


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the caller says of a request: its frame, and the times (Unix ns) that bound its rows."""

    frame: int
    received: int
    oldest: int

    def admits(self, time: int, *others: int) -> bool:
        """Tell whether a record's own time lies in the bounds and its other times fit a column."""
        newest = min(self.received + FUTURE_NS_MAX, TIME_NS_MAX)
        return self.oldest <= time <= newest and max(others) <= TIME_NS_MAX


class Intake:
    """The outcome of one request while it is read: its rows by table, and what was refused."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.rows: list[tuple[Table, Sequence[Any]]] = []
        self.refused: Counter[str] = Counter()

    def keep(self, table: Table, row: Sequence[Any]) -> None:
        """Keep a row without its frame, which is added here."""
        self.rows.append((table, (*row, self.arrival.frame)))

    def refuse(self, reason: Reason) -> None:
        """Count a record that is not kept."""
        self.refused[reason] += 1


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as its rows keep it; `members` are its part of their residue."""

    attributes: AttributeList
    service_name: str
    schema_url: str
    members: list[str]
    reach: Reach


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope as its rows keep it; `loss` describes its attributes."""

    name: str
    version: str
    attributes: AttributeList
    dropped: int
    schema_url: str
    reach: Reach


class _FromResource(Protocol):
    """``ResourceSpans``, ``ResourceLogs`` or ``ResourceMetrics``."""

    @property
    def resource(self) -> resource_pb2.Resource: ...
    @property
    def schema_url(self) -> str: ...


class _FromScope(Protocol):
    """``ScopeSpans``, ``ScopeLogs`` or ``ScopeMetrics``."""

    @property
    def scope(self) -> common_pb2.InstrumentationScope: ...
    @property
    def schema_url(self) -> str: ...


def read_resource(message: _FromResource) -> Resource:
    """Read what all rows below a resource share."""
    reach = Reach()
    resource = message.resource
    attributes = read_attributes(resource.attributes, reach)
    members = loss_members(resource=attributes.loss)
    members += number_members(resource_dropped=resource.dropped_attributes_count)
    if resource.entity_refs:
        refs = (quote(base64_text(ref.SerializeToString())) for ref in resource.entity_refs)
        members.append(member("entity_refs", f"[{','.join(refs)}]"))
    return Resource(attributes, _service_name(attributes), message.schema_url, members, reach)


def _service_name(attributes: AttributeList) -> str:
    for key, text in zip(attributes.keys, attributes.texts, strict=True):
        if key == "service.name":
            return text or "unknown"
    return "unknown"


def read_scope(message: _FromScope) -> Scope:
    """Read what all rows of a scope share."""
    reach = Reach()
    scope = message.scope
    return Scope(
        scope.name,
        scope.version,
        read_attributes(scope.attributes, reach),
        scope.dropped_attributes_count,
        message.schema_url,
        reach,
    )


def over_limit(*reaches: Reach) -> Reason | None:
    """Return why a record is refused for the size of what it or its parents hold, if it is."""
    for reach in reaches:
        if reach.entries > ATTRIBUTES_MAX:
            return Reason.ATTRIBUTE_COUNT
    for reach in reaches:
        if reach.depth > VALUE_DEPTH_MAX:
            return Reason.ATTRIBUTE_DEPTH
    return None


def number_column(
    point: metrics_pb2.NumberDataPoint | metrics_pb2.Exemplar,
) -> tuple[float, str]:
    """Return the number of a point or exemplar as its column has it, and what that loses (JSON)."""
    match point.WhichOneof("value"):
        case "as_double":
            return point.as_double, ""
        case "as_int":
            exact = abs(point.as_int) <= INTEGER_EXACT_MAX
            return float(point.as_int), quote("i" if exact else str(point.as_int))
        case _:
            return 0.0, quote("u")
