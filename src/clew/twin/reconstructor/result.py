"""What a reconstruction gives: the object as it was, and all that is known of how it came to be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_time
from clew.twin.blueprint.entity import CREATED_KEY, ID_KEY, UPDATED_KEY, VERSION_KEY, schema_of
from clew.twin.blueprint.fields import VALUES, copy_json
from clew.twin.blueprint.processes import PHASE_KEY, STARTED, STATUS_KEY, Process
from clew.twin.documents import Remark
from clew.twin.fold import fold, hash_state
from clew.twin.reconstructor.conditions import find_broken
from clew.twin.reconstructor.moments import to_datetime
from clew.twin.reconstructor.replay import shorten_remarks
from clew.twin.schema.faults import REDACTED
from clew.twin.state.kinds import BAD_VALUE, read_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from clew.twin.blueprint.entity import Entity
    from clew.twin.documents import EventPlace, TwinState
    from clew.twin.events import Event
    from clew.twin.reconstructor.blueprints import Blueprint


class ReconstructionStrategy(StrEnum):
    """Who folds: the server where it can, this process over every event, or nobody once more.

    ``CACHED`` gives what this reconstructor found before for the same moment, whatever came late
    since; `clear_cache` forgets it.
    """

    SNAPSHOT_DELTA = "snapshot_delta"
    FULL_REPLAY = "full_replay"
    CACHED = "cached"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionMetadata:
    """How a state was found. `events_replayed` counts those that this process folded.

    `snapshot_used` is None where a server folded, which does not say.
    """

    obj_id: str
    obj_type: str
    target_time: datetime
    strategy: ReconstructionStrategy
    events_replayed: int
    snapshot_used: bool | None
    snapshot_time: datetime | None
    reconstruction_time_ms: float
    state_hash: str
    registry_checksum: str | None


class SchemalessTwin:
    """An object of a type that nobody described: its fields are what was said of it."""

    def __init__(self, document: TwinState) -> None:
        self.id = document.id
        self.type = document.type
        self.version = document.version
        self.__dict__[VALUES] = copy_json(document.state)
        self._words = {"phase": document.phase, "status": document.status}

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get(VALUES, {})
        if name in values:
            return values[name]
        # Of a process; a field of that name is the object's own.
        word = self.__dict__.get("_words", {}).get(name)
        if isinstance(word, str):
            return word
        raise AttributeError(_no_field(self.__dict__.get("type", ""), name, values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SchemalessTwin):
            return NotImplemented
        return (self.type, self.id) == (other.type, other.id)

    def __hash__(self) -> int:
        return hash((self.type, self.id))

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in self.to_dict().items())
        return f"{self.type}({self.id!r}{fields})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        fields: dict[str, Any] = copy_json(self.__dict__[VALUES])
        return fields


class ReconstructionResult:
    """An object as it was at a moment. Fields are attributes of it, as they are of `twin`.

    `twin` is an instance of the object's class, and None where the object was not there yet; then
    every field reads None. After a deletion it is the last one there was, and `exists` is false. A
    field that nobody set reads as its default; `state` holds what was set, and nothing else.
    A field whose name is taken here (`state`, `events`, …) is one of `twin`, and `result[name]`.
    """

    def __init__(
        self,
        document: TwinState,
        blueprint: Blueprint,
        events: list[Event],
        describe: Callable[[Mapping[str, Any]], ReconstructionMetadata],
        *,
        has_events: bool,
    ) -> None:
        schema = blueprint.schema
        self.state, bad = read_values(schema, document.state)
        self.metadata = describe(self.state)
        self.events = events
        self.exists = document.exists
        self.version = document.version
        self.last_event: EventPlace | None = document.last_event
        self.twin: Any = make_twin(document, blueprint.kind, self.state, bad)
        broken = find_broken(document, blueprint, self.state, self.twin)
        self.warnings = _join(document.warnings, bad, broken, blueprint.remarks)
        self._document = document
        self._schema = schema
        self._has_events = has_events

    @property
    def at(self) -> datetime:
        """The moment, in UTC."""
        return self.metadata.target_time

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "twin" not in self.__dict__:
            raise AttributeError(name)
        if self.twin is not None:
            if self._has_left_over(name):
                return self.state[name]
            return getattr(self.twin, name)
        if self._schema is None or name in self._schema.fields:
            return None
        raise AttributeError(_no_field(self._schema.name, name, self._schema.fields))

    def __getitem__(self, name: str) -> Any:
        """Return a field, also one whose name is taken here.

        Raises:
            KeyError: there is no such field.
        """
        if self._schema is not None and name in self._schema.fields:
            return None if self.twin is None else getattr(self.twin, name)
        return self.state[name]

    def get(self, name: str) -> Any:
        """Return a field; None for one that was not set of an object that nobody described.

        Raises:
            ClewError: INVALID_ARGUMENT when the object's type has no such field.
        """
        try:
            return self[name]
        except KeyError as error:
            if self._schema is None:
                return None
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, _no_field(self._schema.name, name, self._schema.fields)
            ) from error

    def _has_left_over(self, name: str) -> bool:
        """Whether events set a field that the class does not have."""
        return self._schema is not None and name in self.state and name not in self._schema.fields

    def __repr__(self) -> str:
        said = "" if self.exists else ", exists=False"
        shown = self.twin if self.twin is not None else f"{self._document.type} {self._document.id}"
        return f"<{shown} at {self._document.at}{said}>"

    def to_dict(self) -> dict[str, Any]:
        """Return who, when and the state, as JSON values.

        `recorded_at` is there where it was asked for.
        """
        recorded_at = self._document.recorded_at
        known = {"recorded_at": recorded_at} if isinstance(recorded_at, str) else {}
        return {
            "type": self._document.type,
            "id": self._document.id,
            "at": self._document.at,
            **known,
            "exists": self.exists,
            "version": self.version,
            "state": copy_json(self.state),
            "state_hash": self.metadata.state_hash,
        }

    def state_at_event(self, index: int) -> dict[str, Any]:
        """Return the state just after one of `events`, counted from 0; negative from the end.

        Raises:
            ClewError: INVALID_ARGUMENT where the events were not asked for.
            IndexError: there are not so many.
        """
        if not self._has_events:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "the result has no events",
                hint="ask with include_events=True",
            )
        last = self.events[index]
        place = self.events.index(last)
        state, _ = read_values(self._schema, fold(self.events[: place + 1]).state)
        return state


def make_twin(
    document: TwinState,
    kind: type[Entity] | None,
    state: Mapping[str, Any],
    bad: Iterable[Remark] = (),
) -> Any:
    """Return a state as an object: of its class, schemaless without one, None before the first.

    Values that do not fit their fields stand there as they came; `bad` names them.
    """
    if not document.version:
        return None
    if kind is None:
        return SchemalessTwin(document)
    unfit = {each.field for each in bad}
    raw = {
        name for name, value in state.items() if value is None or value == REDACTED or name in unfit
    }
    twin = kind.from_dict(
        {
            **{name: value for name, value in state.items() if name not in raw},
            ID_KEY: document.id,
            VERSION_KEY: document.version,
            CREATED_KEY: document.created_at,
            UPDATED_KEY: document.updated_at,
            **_words_of_process(document, kind),
        }
    )
    # What history holds is shown as it is, also what could not be assigned today.
    fields = schema_of(kind).fields
    twin.__dict__[VALUES].update({name: state[name] for name in raw if name in fields})
    return twin


def _words_of_process(document: TwinState, kind: type[Entity]) -> dict[str, Any]:
    if not issubclass(kind, Process):
        return {}
    return {PHASE_KEY: document.phase or "", STATUS_KEY: document.status or STARTED}


def make_metadata(
    document: TwinState,
    state: Mapping[str, Any],
    strategy: ReconstructionStrategy,
    *,
    replayed: list[Event] | None,
    elapsed_ns: int,
) -> ReconstructionMetadata:
    """Return how a state was found; `replayed` are the events folded here, None where none were."""
    snapshots = [each.at for each in replayed or () if each.type == "snapshot"]
    return ReconstructionMetadata(
        obj_id=document.id,
        obj_type=document.type,
        target_time=to_datetime(parse_time(document.at, now=0)),
        strategy=strategy,
        events_replayed=len(replayed or ()),
        snapshot_used=None if replayed is None else bool(snapshots),
        snapshot_time=to_datetime(snapshots[-1]) if snapshots else None,
        reconstruction_time_ms=elapsed_ns / 1_000_000,
        state_hash=hash_state(dict(state)),
        registry_checksum=document.registry_checksum,
    )


def _join(*parts: Iterable[Remark]) -> list[Remark]:
    """Return remarks, those of one bad value once: the server tells of it, and so do we."""
    found: dict[object, Remark] = {}
    for part in parts:
        for each in part:
            is_bad = each.code == BAD_VALUE and each.field is not None
            found.setdefault((each.code, each.field) if is_bad else id(each), each)
    return shorten_remarks(list(found.values()))


def _no_field(obj_type: str, name: str, known: Iterable[str]) -> str:
    listed = ", ".join(sorted(known)) or "none"
    return f"{obj_type or 'the object'} has no field {name!r}; it has {listed}"
