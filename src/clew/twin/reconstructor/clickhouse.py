"""Events straight from the table in ClickHouse, folded here.

For who has a client of the database and no clew server at hand. What a server took in and did not
flush yet is not in the table; the server itself shows it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.twin.events import CHANGES, Event, EventType, Order
from clew.twin.reconstructor.moments import EVENT, forms_of
from clew.twin.reconstructor.source import EVENTS_MAX, Source, refuse_too_many, refuse_unknown
from clew.twin.state.rows import AT, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.twin.reconstructor.source import Subject

_TABLE: Final = "trilog_events"
_COUNTED: Final = "Verdict != 'rejected'"
_ONE: Final = "ObjType = {obj_type:String} AND ObjId = {obj_id:String}"

_BOUNDS: Final = {
    "start": "Timestamp >=",
    "until": "Timestamp <=",
    "recorded_at": "Received <=",
}

_WHY_CHARS_MAX: Final = 200
"""Of the database's own words, which quote the whole question."""

_COLUMNS: Final = (
    "toString(ObjType) AS obj_type",
    "ObjId AS obj_id",
    AT,
    "Seq AS seq",
    "EventId AS event_id",
    "toString(EventType) AS type",
    "toString(EventName) AS name",
    as_object("Patch", "patch"),
    as_object("Data", "data"),
    "Body AS body",
    "TraceId AS trace_id",
    "SpanId AS span_id",
    "toString(ServiceName) AS service",
    "toString(Phase) AS phase",
    "toString(Status) AS status",
    "toString(RegistryChecksum) AS checksum",
)


class QueryResult(Protocol):
    """Rows as clickhouse-connect gives them."""

    @property
    def result_rows(self) -> Sequence[Sequence[Any]]:
        """The rows, each a sequence of values."""
        ...


class ClickHouseClient(Protocol):
    """What is asked of a client: that of clickhouse-connect has it."""

    def query(self, query: str, parameters: dict[str, Any]) -> QueryResult:
        """Return the rows of a query; parameters are bound by the server."""
        ...


class ClickHouseEvents(Source):
    """Reads `trilog_events` in the client's database. As safe from threads as the client is."""

    def __init__(self, client: ClickHouseClient) -> None:
        self._client = client

    def find_types(self, obj_id: str) -> list[str]:
        """Return the types that have an object of this id."""
        rows = self._ask(
            f"SELECT DISTINCT toString(ObjType) AS type FROM {_TABLE}"  # noqa: S608 - see below
            f" WHERE ObjId = {{obj_id:String}} AND {_COUNTED} ORDER BY type",
            {"obj_id": obj_id},
        )
        return [str(row[0]) for row in rows]

    def read_events(
        self, subject: Subject, *, start: int | None, until: int | None, changes: bool
    ) -> list[Event]:
        """Return the events of one object."""
        return self._read_one(subject, {"start": start, "until": until}, changes=changes)

    def read_recorded(
        self, subject: Subject, *, until: int | None, changes: bool, recorded_at: int
    ) -> list[Event]:
        """Return the events of one object that had come by a time."""
        times = {"until": until, "recorded_at": recorded_at}
        return self._read_one(subject, times, changes=changes)

    def _read_one(
        self, subject: Subject, times: Mapping[str, int | None], *, changes: bool
    ) -> list[Event]:
        conditions = [_ONE, _COUNTED]
        bound: dict[str, Any] = {"obj_type": subject[0], "obj_id": subject[1]}
        for name, at in times.items():
            if at is not None:
                conditions.append(f"{_BOUNDS[name]} fromUnixTimestamp64Nano({{{name}:Int64}})")
                bound[name] = at
        if changes:
            conditions.append("toString(EventType) IN {types:Array(String)}")
            bound["types"] = sorted(CHANGES)
        events = self._read(conditions, bound)
        if len(events) > EVENTS_MAX:
            raise refuse_too_many(subject[1])
        if not events and subject[0] not in self.find_types(subject[1]):
            raise refuse_unknown(subject[1], subject[0])
        return events

    def find_place(self, place: str) -> Order | None:
        """Return where an event or a span stands in the order of all events."""
        for form in forms_of(place):
            kind, _, value = form.partition(":")
            column = "EventId" if f"{kind}:" == EVENT else "SpanId"
            ((events, last),) = self._ask(
                "SELECT count(), max((toUnixTimestamp64Nano(Timestamp), Seq, EventId))"  # noqa: S608
                f" FROM {_TABLE} WHERE {column} = {{value:String}} AND {_COUNTED}",
                {"value": value},
            )
            if events and value:
                return Order(*last)
        return None

    def read_trace(self, trace_id: str) -> list[Event]:
        """Return the events of one trace."""
        events = self._read(["TraceId = {trace_id:String}", _COUNTED], {"trace_id": trace_id})
        if len(events) > EVENTS_MAX:
            raise refuse_too_many(trace_id)
        return events

    def _read(self, conditions: Sequence[str], bound: dict[str, Any]) -> list[Event]:
        # Values are bound; what is joined here is our own text.
        rows = self._ask(
            f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE}"  # noqa: S608
            f" WHERE {' AND '.join(conditions)} LIMIT {EVENTS_MAX + 1}",
            bound,
        )
        return [_read_row(row) for row in rows]

    def _ask(self, sql: str, bound: dict[str, Any]) -> Sequence[Sequence[Any]]:
        try:
            return self._client.query(sql, parameters=bound).result_rows
        except _failures() as error:
            why = str(error).partition("\n")[0][:_WHY_CHARS_MAX]
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"the database does not answer: {why}",
                hint=f"the client's database is the one that holds the table {_TABLE}",
            ) from error


def _failures() -> tuple[type[Exception], ...]:
    """Return what the client raises; who has a client has its module."""
    module = sys.modules.get("clickhouse_connect.driver.exceptions")
    return () if module is None else (module.ClickHouseError,)


def _read_row(row: Sequence[Any]) -> Event:
    obj_type, obj_id, at, seq, event_id, type_, name, patch, data, *words = row
    body, trace, span, service, phase, status, checksum = words
    return Event(
        at=at,
        seq=seq,
        event_id=event_id,
        type=EventType(type_),
        obj_type=obj_type,
        obj_id=obj_id,
        patch=msgspec.json.decode(patch),
        name=name,
        data=msgspec.json.decode(data),
        body=body,
        trace_id=trace,
        span_id=span,
        service=service,
        phase=phase,
        status=status,
        checksum=checksum,
    )
