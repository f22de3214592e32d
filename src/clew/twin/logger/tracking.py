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
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from clew.base.times import format_time
from clew.twin.anchoring.context import get_current_anchor
from clew.twin.anchoring.scope import anchor, find_entity, make_context
from clew.twin.blueprint.entity import Entity, observe
from clew.twin.blueprint.processes import COMPLETED, FAILED, Process
from clew.twin.events import EventType
from clew.twin.logger.checks import EventError
from clew.twin.logger.logger import TriLogLogger, read_state
from clew.twin.logger.record import NOTHING, Saying, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    Observer = Callable[[Entity, str, Any, Any], None]

E = TypeVar("E", bound=Entity)

LOGGER_NAME: Final = "clew.twin.tracked"

_CATEGORY: Final = EventType.STATE_CHANGE.value


class _Block(NamedTuple):
    """A block that is open: its anchor, the state at its beginning, who heard of changes before."""

    anchor: anchor
    state: dict[str, Any]
    heard_before: Observer | None


class Tracked(Generic[E]):
    """An object that is tracked. It stands for the object: its fields and methods are there."""

    __slots__ = ("_blocks", "_entity", "_heard_before", "_logger")

    _entity: E
    _blocks: list[_Block]

    def __init__(self, entity: E, logger: TriLogLogger) -> None:
        put = super().__setattr__
        put("_entity", entity)
        put("_logger", logger)
        put("_blocks", [])
        put("_heard_before", observe(entity, self._hear))

    @staticmethod
    def tracked_entity(tracked: Tracked[E]) -> E:
        """Return the object that is tracked."""
        return tracked._entity

    def __enter__(self) -> E:
        opened = anchor(self._entity)
        opened.__enter__()
        state = read_state(self._entity)
        self._blocks.append(_Block(opened, state, observe(self._entity, self._hear)))
        return self._entity

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        block = self._blocks.pop()
        if self._blocks:
            observe(self._entity, block.heard_before)
        else:
            self.stop_tracking()
        after = read_state(self._entity)
        changes = {name: each for name, each in after.items() if block.state.get(name) != each}
        try:
            if changes:
                self._logger.state_change(changes)
        except EventError:
            # What ends the block is the program's own; it must not be hidden by what we say of it.
            if value is None:
                raise
        finally:
            block.anchor.__exit__(kind, value, traceback)

    def stop_tracking(self) -> None:
        """Let the object's changes be its own again. The end of a block does it, too."""
        observe(self._entity, self._heard_before)

    def _hear(self, entity: Entity, name: str, before: Any, after: Any) -> None:
        """Tell of an assignment, or of a step of a process, whose name is empty."""
        if not name:
            if isinstance(entity, Process):
                self._tell(_read_step(entity), NOTHING)
        elif not self._blocks and before != after:
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

    def __eq__(self, other: object) -> bool:
        return bool(self._entity == find_entity(other))

    def __hash__(self) -> int:
        return hash(self._entity)

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
