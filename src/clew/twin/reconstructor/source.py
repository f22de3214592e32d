"""Where a reconstruction has its events from: the contract of every source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.twin import documents as doc
    from clew.twin.events import Event, Order
    from clew.twin.schema.values import ObjectSchema, ProcessSchema

EVENTS_MAX: Final = 1_000_000
"""Events of one object that are read into a process: about a gigabyte."""

SHOWN_CHARS: Final = 80
"""How much of a name an error repeats."""

Subject = tuple[str, str]
"""An object: its type and its id."""


class Source(ABC):
    """Events of objects. Safe to use from any thread.

    A source that only has events need say no more than `find_types` and `read_events`.
    """

    @abstractmethod
    def find_types(self, obj_id: str) -> list[str]:
        """Return the types that have an object of this id, in order; none when there is none."""

    @abstractmethod
    def read_events(
        self, subject: Subject, *, start: int | None, until: int | None, changes: bool
    ) -> list[Event]:
        """Return the events of one object that count, from a time to a time, both inclusive.

        They MAY come in any order and several times. With `changes` those that change nothing may
        be left out.
        Raises: ClewError NOT_FOUND for an object that no event of any time is known of, TOO_LARGE
            for more than `EVENTS_MAX`.
        """

    def read_recorded(
        self, subject: Subject, *, until: int | None, changes: bool, recorded_at: int
    ) -> list[Event]:
        """Return the events of one object that had come by a time, as `read_events` does.

        None of an object of which events came later alone.
        """
        raise refuse("what was known at a time")

    def find_state(
        self, subject: Subject, at: str | None, recorded_at: str | None = None
    ) -> doc.TwinState | None:
        """Return the state at a moment where the source folds by itself; None where it does not.

        `recorded_at` is by when what counts had come, as REST takes it; None is now.
        """
        return None

    def find_states(
        self, subjects: Sequence[Subject], at: str | None, recorded_at: str | None = None
    ) -> list[doc.TwinState]:
        """Return the states of several objects in their order, where the source folds itself."""
        raise refuse("several states at once")

    @property
    def folds(self) -> bool:
        """Whether the source folds by itself."""
        return False

    def find_schema(self, obj_type: str, checksum: str) -> ObjectSchema | ProcessSchema | None:
        """Return what describes a type, as far as the source knows registries."""
        return None

    def find_place(self, place: str) -> Order | None:
        """Return where ``event:ID``, ``span:ID`` or a bare id stands in the order of all events.

        That of a span is its last event. None where nothing stands there, or the source cannot
        tell: then the place is looked for among the events of the object that is asked for.
        """
        return None

    def read_trace(self, trace_id: str) -> list[Event]:
        """Return the events of one trace, of whichever objects, as `read_events` does."""
        raise refuse("objects of a trace")

    def get_graph(
        self, subject: Subject, at: str | None, depth: int, recorded_at: str | None = None
    ) -> doc.ObjectGraph:
        """Return all objects that references reach from one, where the source folds itself."""
        raise refuse("graphs of objects")

    def find_touched(self, trace_id: str, step: int | None) -> doc.TouchedObjects:
        """Return the objects that a trace touched, where the source folds itself."""
        raise refuse("objects of a trace")

    def find_processes(self, trace_id: str, at: str | None) -> doc.TraceProcesses:
        """Return the processes that ran under a trace, or the one of an id, as of a moment."""
        raise refuse("processes")

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of connections that are the source's own; repeatable."""


def refuse(what: str) -> ClewError:
    """Return the error for what only a server can answer."""
    return ClewError(
        ErrorCode.UNSUPPORTED,
        f"this source has events only, and cannot tell {what}",
        hint="give the reconstructor a clew server: Reconstructor('http://127.0.0.1:7701')",
    )


def refuse_unknown(obj_id: str, obj_type: str | None = None) -> ClewError:
    """Return the error for an object that nothing is known of."""
    of_type = f" of the type {obj_type[:SHOWN_CHARS]!r}" if obj_type else ""
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"nothing is known of an object {obj_id[:SHOWN_CHARS]!r}{of_type}",
        hint="`clew objects` lists those that sent events, `clew rejected` what does not count",
    )


def refuse_too_many(named: str) -> ClewError:
    """Return the error for an object or a trace with more events than are read into a process."""
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"more than {EVENTS_MAX} events of {named[:SHOWN_CHARS]!r}",
        hint="ask for a shorter time range, or leave the folding to a server",
    )


def find_type(source: Source, obj_id: str) -> str:
    """Return the type of the one object that has an id.

    Raises:
        ClewError: NOT_FOUND when none has it, CONFLICT when objects of several types do.
    """
    types = source.find_types(obj_id)
    if not types:
        raise refuse_unknown(obj_id)
    if len(types) > 1:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"objects of several types have the id {obj_id[:SHOWN_CHARS]!r}: {', '.join(types)}",
            hint=f"say which: obj_type={types[0]!r}",
        )
    return types[0]
