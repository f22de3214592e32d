"""`Process`: a workflow that runs under one trace id, through phases."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar, Final

from clew.base.ids import TRACE_ID_CHARS
from clew.twin import attributes
from clew.twin.blueprint.entity import Entity, describe_class, fields_of, utc_now
from clew.twin.blueprint.fields import OBSERVER
from clew.twin.schema.moments import read_moment
from clew.twin.schema.transitions import may_follow
from clew.twin.schema.values import ProcessSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from clew.twin.schema.values import ObjectSchema

STARTED: Final = "started"
COMPLETED: Final = "completed"
FAILED: Final = "failed"

PHASE_KEY: Final = "__phase__"
STATUS_KEY: Final = "__status__"


class PhaseError(ValueError):
    """A phase that a process does not have, or may not go to from where it is."""


class Process(Entity):
    """A type of workflows. `phases` are its phases in their usual order (`steps` means the same).

    `transitions` says from which phase one may go to which; without it any may follow any.
    `timeout_seconds` is how long one may take before it counts as stuck. A process is known by the
    trace id that its events carry; it is random when it is not given.
    """

    _is_open = True
    phases: ClassVar[Sequence[str]] = ()
    steps: ClassVar[Sequence[str]] = ()
    transitions: ClassVar[Mapping[str, Sequence[str]]] = {}
    timeout_seconds: ClassVar[float] = 3600

    def __init__(self, trace_id: str | None = None, **values: Any) -> None:
        """Start a process.

        Raises:
            FieldError: a value does not fit its field, or a required one is missing.
            TypeError: a name is no field's, or the trace id is no text.
        """
        if trace_id is not None and not isinstance(trace_id, str):
            raise TypeError(f"a trace id is a text, not {trace_id!r}")
        super().__init__(trace_id or secrets.token_hex(TRACE_ID_CHARS // 2), values)

    def _begin(self, entity_id: str) -> None:
        super()._begin(entity_id)
        self._phase = ""
        self._status = STARTED
        self._result: Any = None
        self._error = ""
        self._recorded: list[dict[str, Any]] = []

    @property
    def trace_id(self) -> str:
        """The trace that it runs under; its id."""
        return self._id

    @property
    def phase(self) -> str:
        """Where it is; empty before the first."""
        return self._phase

    @property
    def status(self) -> str:
        """``started``, ``completed`` or ``failed``."""
        return self._status

    @property
    def started_at(self) -> datetime:
        """When it was started, UTC."""
        return self._created_at

    @property
    def recorded_steps(self) -> list[dict[str, Any]]:
        """What was recorded, in order: ``{name, at, data}``."""
        return [dict(each) for each in self._recorded]

    @property
    def result(self) -> Any:
        """What it was completed with."""
        return self._result

    @property
    def error(self) -> str:
        """What it failed with; empty when it did not."""
        return self._error

    def record_step(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Go to a phase, or record a step where the type names no phases.

        Raises:
            PhaseError: there is no such phase, it may not follow, or the process has ended.
        """
        if self._status != STARTED:
            raise PhaseError(f"{self._schema.name} has {self._status}; it takes no step {name!r}")
        schema = self._process_schema()
        if schema.phases and name not in schema.phases:
            raise PhaseError(f"{schema.name} has no phase {name!r}: {', '.join(schema.phases)}")
        if not may_follow(schema, self._phase, name):
            allowed = ", ".join(schema.transitions.get(self._phase, [])) or "nothing"
            raise PhaseError(f"{name!r} may not follow {self._phase!r}: {allowed} may")
        self._phase = name
        self._advance()
        at = read_moment(self._updated_at)
        self._recorded.append({"name": name, "at": at, "data": dict(data or {})})
        self._tell_observer()

    def complete(self, result: Any = None) -> None:
        """End it well.

        Raises:
            PhaseError: it has ended already.
        """
        self._end(COMPLETED)
        self._result = result
        self._tell_observer()

    def fail(self, error: BaseException | str) -> None:
        """End it badly.

        Raises:
            PhaseError: it has ended already.
        """
        self._end(FAILED)
        self._error = str(error) or type(error).__name__
        self._tell_observer()

    def _end(self, status: str) -> None:
        if self._status != STARTED:
            raise PhaseError(f"{self._schema.name} has {self._status} already")
        self._status = status
        self._advance()

    def _tell_observer(self) -> None:
        observer = self.__dict__.get(OBSERVER)
        if observer is not None:
            observer(self, "", None, None)

    def _advance(self) -> None:
        self._version += 1
        self._updated_at = utc_now()

    @property
    def duration_seconds(self) -> float:
        """How long it ran, or has been running."""
        end = utc_now() if self._status == STARTED else self._updated_at
        return (end - self._created_at).total_seconds()

    @property
    def is_timed_out(self) -> bool:
        """Whether it is running for longer than its type allows."""
        limit = self._process_schema().timeout_seconds
        return self._status == STARTED and self.duration_seconds > limit

    def _process_schema(self) -> ProcessSchema:
        if not isinstance(self._schema, ProcessSchema):
            raise AssertionError("a process has the schema of a process")  # noqa: TRY004
        return self._schema

    def _identity(self) -> dict[str, Any]:
        return {**super()._identity(), PHASE_KEY: self._phase, STATUS_KEY: self._status}

    def _restore(self, document: Mapping[str, Any]) -> None:
        super()._restore(document)
        self._phase = str(document.get(PHASE_KEY, ""))
        self._status = str(document.get(STATUS_KEY, STARTED))

    def to_otel_attributes(self) -> dict[str, str | bool | int | float | list[str]]:
        """Return who it is, where it is and its fields as attributes, sensitive ones redacted."""
        said = super().to_otel_attributes()
        said[attributes.PROCESS_TYPE] = self._schema.name
        said[attributes.PROCESS_STATUS] = self._status
        said[attributes.PROCESS_STARTED_AT] = read_moment(self._created_at) or ""
        said[attributes.PROCESS_TRACE_ID] = self._id
        if self._phase:
            said[attributes.PROCESS_PHASE] = self._phase
        return said

    @classmethod
    def _make_schema(cls, prefix: str) -> ObjectSchema | ProcessSchema:
        if cls.phases and cls.steps and list(cls.phases) != list(cls.steps):
            raise ValueError(f"{cls.__name__}: steps is another name of phases; give one of them")
        return ProcessSchema(
            name=cls.__name__,
            prefix=prefix,
            description=describe_class(cls),
            phases=list(cls.phases or cls.steps),
            transitions={key: list(value) for key, value in cls.transitions.items()},
            timeout_seconds=float(cls.timeout_seconds),
            fields=fields_of(cls),
            invariants=[each.schema for each in cls._invariants.values()],
        )
