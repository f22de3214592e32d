"""`tracked`: an object that tells of its changes itself.

    with tracked(cart):
        cart.item_count += 1          # one event at the end of the block, with all that differs
        cart.items.append("SKU-1")

    cart = tracked(ShoppingCart("cart_1"))
    cart.item_count = 5               # one event for each assignment, at once

A block is one change: whoever asks for a moment in between gets the state before it. What differs
at its end is told, also what was done inside a list or dictionary, and also when an exception ends
it, for the object has changed. Outside of a block there is no end to wait for, so that every
assignment is told, and only assignments are. Steps of a process are told at once in either case.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from clew.base.times import format_time
from clew.twin.anchoring.context import get_current_anchor
from clew.twin.anchoring.scope import anchor, make_context
from clew.twin.blueprint.entity import Entity, observe
from clew.twin.blueprint.processes import COMPLETED, FAILED, Process
from clew.twin.events import EventType
from clew.twin.logger.logger import TriLogLogger, read_state
from clew.twin.logger.record import NOTHING, Saying, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

E = TypeVar("E", bound=Entity)

LOGGER_NAME: Final = "clew.twin.tracked"

_CATEGORY: Final = EventType.STATE_CHANGE.value


class Tracked(Generic[E]):
    """An object that is tracked. It stands for the object: its fields and methods are there."""

    __slots__ = ("_anchor", "_before", "_entity", "_heard_before", "_logger", "_state")

    _entity: E

    def __init__(self, entity: E, logger: TriLogLogger) -> None:
        put = super().__setattr__
        put("_entity", entity)
        put("_logger", logger)
        put("_anchor", None)
        put("_state", None)
        put("_heard_before", observe(entity, self._hear))

    def __enter__(self) -> E:
        put = super().__setattr__
        opened = anchor(self._entity)
        opened.__enter__()
        put("_anchor", opened)
        put("_state", read_state(self._entity))
        observe(self._entity, self._hear)
        return self._entity

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        before, opened = self._state, self._anchor
        self.stop_tracking()
        put = super().__setattr__
        put("_state", None)
        put("_anchor", None)
        after = read_state(self._entity)
        changes = {name: each for name, each in after.items() if before.get(name) != each}
        try:
            if changes:
                self._logger.state_change(changes)
        finally:
            opened.__exit__(kind, value, traceback)

    def stop_tracking(self) -> None:
        """Let the object's changes be its own again."""
        observe(self._entity, self._heard_before)

    def _hear(self, entity: Entity, name: str, before: Any, after: Any) -> None:
        """Tell of an assignment, or of a step of a process, whose name is empty."""
        if not name:
            if isinstance(entity, Process):
                self._tell(_read_step(entity), NOTHING)
        elif self._state is None and before != after:
            changes = {name: after, **_moments_of_now(entity, name)}
            body = f"State change: {', '.join(changes)}"
            self._tell(Saying(type=EventType.STATE_CHANGE, body=body), changes)

    def _tell(self, saying: Saying, fields: Mapping[str, Any]) -> None:
        here = get_current_anchor()
        if here is None or here.entity is not self._entity:
            here = make_context(self._entity, parent=here)
        self._logger.emit(saying.with_fields(fields, _CATEGORY), here)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entity, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._entity, name, value)

    def __repr__(self) -> str:
        return f"tracked({self._entity!r})"


def tracked(entity: E, logger: TriLogLogger | None = None) -> Tracked[E]:
    """Tell of every change of an object: of a block as one, else of each assignment at once.

    In a block the code is anchored to the object. `logger` says how events are validated.

    Raises:
        TypeError: it is no object of a blueprint.
    """
    if not isinstance(entity, Entity):
        raise TypeError(f"not an object of a blueprint: {type(entity).__name__}")
    return Tracked(entity, logger or TriLogLogger(LOGGER_NAME))


def _moments_of_now(entity: Entity, changed: str) -> dict[str, str]:
    """Return the moments that follow every change: the object sets them when it was told of it."""
    now = format_time(time.time_ns())
    fields = entity.get_fields()
    return {name: now for name, each in fields.items() if each.schema.auto_now and name != changed}


def _read_step(process: Process) -> Saying:
    """Return where a process has got to."""
    data: dict[str, Any] = {}
    severity = Severity.INFO
    if process.status == COMPLETED:
        body = "Completed"
        if process.result is not None:
            data["result"] = process.result
    elif process.status == FAILED:
        body, severity = f"Failed: {process.error}", Severity.ERROR
        data["error"] = process.error
    else:
        body = f"Phase change: {process.phase}"
        data = process.recorded_steps[-1]["data"]
    return Saying(
        type=EventType.PHASE_CHANGE,
        body=body,
        severity=severity,
        phase=process.phase,
        status=process.status,
        data=data,
    )
