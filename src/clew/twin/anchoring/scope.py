"""`anchor`: everything that is logged inside is about one object."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from clew.twin.anchoring.calls import wrap
from clew.twin.anchoring.context import CHAIN_MAX, AnchorContext, get_current_anchor
from clew.twin.blueprint.entity import Entity, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from clew.twin.anchoring.carrying import Entry

F = TypeVar("F", bound="Callable[..., Any]")

NOTHING: Final[Mapping[str, Any]] = {}


class anchor:  # noqa: N801 - a word of the language, as `property` is
    """Say which object the code inside is about.

        with anchor("cart_123", ShoppingCart) as here: …

        @anchor("nightly", Report)
        async def write(): …

    `obj_id` is an id, or an object of a blueprint. `obj_type` is a class or the name of one.
    `metadata` stands on every record from inside. Anchors nest: the inner one wins, and ends
    without a trace, whatever ended it. As a decorator it serves functions, coroutines, generators
    and asynchronous generators, and is open only while their own code runs. One anchor may be used
    again and again, and in several tasks at once.
    """

    __slots__ = ("_entity", "_metadata", "_obj_id", "_obj_type", "_open")

    def __init__(
        self, obj_id: object, obj_type: type[Any] | str | None = None, **metadata: Any
    ) -> None:
        """Make an anchor; it is opened by `with` or by a call.

        Raises:
            ValueError: there is no id.
        """
        if obj_id is None:
            raise ValueError("an anchor needs the id of an object, not None")
        whom = find_entity(obj_id)
        self._entity = whom
        self._obj_id = str(obj_id) if whom is None else whom.id
        self._obj_type = obj_type
        self._metadata: Mapping[str, Any] = metadata
        self._open: list[Entry] = []

    def __enter__(self) -> AnchorContext:
        from clew.twin.anchoring.carrying import enter

        opened = make_context(
            self._entity or self._obj_id, self._obj_type, self._metadata, get_current_anchor()
        )
        self._open.append(enter(opened))
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        from clew.twin.anchoring.carrying import leave

        # The newest that was opened in this very context: other tasks have theirs open, too. There
        # is none where a generator is thrown away by another task than ran it, whose context ends
        # by itself; which entry was its own is then known only where there is one.
        for entry in reversed(self._open):
            if leave(entry):
                self._open.remove(entry)
                return
        if len(self._open) == 1:
            self._open.clear()

    async def __aenter__(self) -> AnchorContext:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.__exit__(kind, value, traceback)

    def __call__(self, function: F) -> F:
        """Return a function that runs inside the anchor."""
        return wrap(function, lambda _arguments: self._again())

    def _again(self) -> Self:
        """Return another one for the same object: closing is quick where few are open."""
        return type(self)(self._entity or self._obj_id, self._obj_type, **self._metadata)


def find_entity(given: object) -> Entity | None:
    """Return the object of a blueprint that was given, by itself or as `tracked`; else None."""
    if isinstance(given, Entity):
        return given
    tracked = getattr(type(given), "tracked_entity", None)
    return None if tracked is None else find_entity(tracked(given))


def make_context(
    whom: Entity | str,
    obj_type: type[Any] | str | None = None,
    metadata: Mapping[str, Any] = NOTHING,
    parent: AnchorContext | None = None,
    *,
    created_at: datetime | None = None,
    is_remote: bool = False,
) -> AnchorContext:
    """Return the anchor of an object, or of an id, inside another one."""
    depth = 0 if parent is None else parent.depth + 1
    entity = whom if isinstance(whom, Entity) else None
    return AnchorContext(
        obj_id=whom.id if isinstance(whom, Entity) else whom,
        obj_type=type(entity) if obj_type is None and entity is not None else obj_type,
        created_at=created_at or utc_now(),
        parent=None if depth % CHAIN_MAX == 0 else parent,
        depth=depth,
        metadata=metadata,
        entity=entity,
        is_remote=is_remote,
    )


def anchored(
    parameter: str, obj_type: type[Any] | str | None = None, **metadata: Any
) -> Callable[[F], F]:
    """Anchor a function to the object that one of its parameters names or is.

    @anchored("cart_id", ShoppingCart)
    def check_out(cart_id: str) -> None: …

    Raises:
        ValueError: the function has no such parameter; on a call, the parameter is None.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        if parameter not in signature.parameters:
            name = getattr(function, "__qualname__", repr(function))
            raise ValueError(f"{name} has no parameter {parameter!r} to be anchored to")

        def open_for(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> anchor:
            bound = signature.bind(*arguments[0], **arguments[1])
            bound.apply_defaults()
            return anchor(bound.arguments[parameter], obj_type, **metadata)

        return wrap(function, open_for)

    return decorate
