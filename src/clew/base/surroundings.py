"""What is true of everything that is said here: the seam between those who know it and who emit.

A strand that emits may not import the one that knows what is being made here. So whoever knows
says here how to ask, and whoever emits asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_describers: list[Callable[[], Mapping[str, str]]] = []


def say_how_to_describe(describe: Callable[[], Mapping[str, str]]) -> None:
    """Name what gives attributes for all that this thread or task says at the moment of the call.

    It MUST NOT block nor raise, and is called with every record. Naming it again does nothing.
    """
    if describe not in _describers:
        _describers.append(describe)


def describe_surroundings() -> dict[str, str]:
    """Return the attributes of whatever is said here; nothing where nobody knows any."""
    found: dict[str, str] = {}
    for describe in _describers:
        found.update(describe())
    return found
