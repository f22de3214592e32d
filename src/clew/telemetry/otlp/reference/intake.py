"""What the readers of the three signals share: where rows go, and what stands above a record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clew.telemetry.otlp.limits import (
    ATTRIBUTES_MAX,
    ENTRY_WEIGHT,
    FUTURE_NS_MAX,
    INTEGER_EXACT_MAX,
    ITEM_WEIGHT,
    ROW_WEIGHT,
    TIME_NS_MAX,
    VALUE_DEPTH_MAX,
    Reason,
    too_heavy_error,
)
from clew.telemetry.otlp.messages import serialize_known
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
    """The outcome of one request while it is read: its rows by table, and what was refused.

    Rows are weighed before they are read, all of a scope at once: what they repeat is the same for
    all of them. Each method that weighs raises ClewError (TOO_LARGE) when it becomes too much.
    """

    def __init__(self, arrival: Arrival, weight_max: int) -> None:
        self.arrival = arrival
        self.weight = 0
        self.rows: list[tuple[Table, Sequence[Any]]] = []
        self.refused: Counter[str] = Counter()
        self._weight_max = weight_max

    def weigh_scope(self, repeated: int) -> None:
        """Weigh a scope itself; `repeated` is how many bytes each of its rows repeats."""
        self._weigh(repeated)

    def weigh_rows(self, count: int, repeated: int) -> None:
        """Weigh rows, the ones that will be refused included."""
        self._weigh(count * (ROW_WEIGHT + repeated))

    def weigh_items(self, count: int) -> None:
        """Weigh the events, links or exemplars of a record."""
        self._weigh(count * ITEM_WEIGHT)

    def _weigh(self, weight: int) -> None:
        self.weight += weight
        if self.weight > self._weight_max:
            raise too_heavy_error(self._weight_max)

    def keep(self, table: Table, row: Sequence[Any]) -> None:
        """Keep a row without its frame, which is added here."""
        self.rows.append((table, (*row, self.arrival.frame)))

    def refuse(self, reason: Reason) -> None:
        """Count a record that is not kept."""
        self.refused[reason] += 1


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as its rows keep it; `members` are its part of their residue.

    `size` is how many bytes each row repeats of it, the residue apart.
    """

    attributes: AttributeList
    service_name: str
    schema_url: str
    members: list[str]
    reach: Reach
    size: int


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope as its rows keep it; `size` is how many bytes each row repeats of it."""

    name: str
    version: str
    attributes: AttributeList
    dropped: int
    schema_url: str
    reach: Reach
    size: int


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
        refs = (quote(base64_text(serialize_known(ref))) for ref in resource.entity_refs)
        members.append(member("entity_refs", f"[{','.join(refs)}]"))
    size = _attributes_size(attributes) + utf8_size(message.schema_url)
    return Resource(attributes, _service_name(attributes), message.schema_url, members, reach, size)


def _service_name(attributes: AttributeList) -> str:
    for key, text in zip(attributes.keys, attributes.texts, strict=True):
        if key == "service.name":
            return text or "unknown"
    return "unknown"


def read_scope(message: _FromScope) -> Scope:
    """Read what all rows of a scope share."""
    reach = Reach()
    scope = message.scope
    attributes = read_attributes(scope.attributes, reach)
    size = _attributes_size(attributes) + utf8_size(scope.name, scope.version, message.schema_url)
    return Scope(
        scope.name,
        scope.version,
        attributes,
        scope.dropped_attributes_count,
        message.schema_url,
        reach,
        size,
    )


def utf8_size(*texts: str) -> int:
    """Return how many bytes texts take."""
    return sum(len(text.encode()) for text in texts)


def _attributes_size(attributes: AttributeList) -> int:
    return utf8_size(*attributes.texts) + ENTRY_WEIGHT * len(attributes.texts)


def repeated_size(resource: Resource, scope: Scope, members: Sequence[str]) -> int:
    """Return how many bytes each row of a scope repeats; `members` are those of its residue.

    Rows that are refused with their resource or scope repeat nothing.
    """
    if over_limit(resource.reach, scope.reach):
        return 0
    return resource.size + scope.size + utf8_size(",".join(members))


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
