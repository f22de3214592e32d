"""clew: see, know, trace, act on and share what a tree of running things does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.beginning import say_how_to_begin
from clew.sdk import Run, init, shutdown

if TYPE_CHECKING:
    from clew.tree.client.aio import AsyncTrailsClient
    from clew.tree.client.client import TrailsClient
    from clew.tree.frames.info import TrailsConfig

__all__ = ["AsyncTrailsClient", "Run", "TrailsClient", "TrailsConfig", "init", "shutdown"]

_LATER = {
    "AsyncTrailsClient": "clew.tree.client.aio",
    "TrailsClient": "clew.tree.client.client",
    "TrailsConfig": "clew.tree.frames.info",
}
"""What brings more than the standard library with it is imported when somebody names it."""


say_how_to_begin(init)


def __getattr__(name: str) -> object:
    """Return what is imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in _LATER:
        raise AttributeError(f"module 'clew' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
