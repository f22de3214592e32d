"""Every class of a blueprint that this process has defined.

Nothing is refused when a class is defined: two modules may well have a `User` each. Who asks for a
name that is not one class hears of it, and so does who registers both.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.twin.blueprint.entity import Entity

_LOCK: Final = threading.Lock()
_DEFINED: Final[dict[tuple[str, str], weakref.ref[type[Entity]]]] = {}
"""By name and module, the newest: a module that is loaded anew replaces what it had defined."""

_newest = 0


def remember(defined: type[Entity]) -> None:
    """Keep a class for as long as somebody else does."""
    global _newest  # noqa: PLW0603 - it is the catalog's own, under its lock
    with _LOCK:
        _DEFINED[defined.__name__, defined.__module__] = weakref.ref(defined)
        _newest += 1


def defined_classes() -> Iterator[type[Entity]]:
    """Yield the classes that are there, in the order in which their names came."""
    with _LOCK:
        found = [reference() for reference in _DEFINED.values()]
    yield from (each for each in found if each is not None)


def count_defined() -> int:
    """Return a number that changes when a class is defined."""
    return _newest
