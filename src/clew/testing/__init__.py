"""A test kit for those who build on clew.

The names for tests of objects come from here (`from clew.testing import assert_twin`) and work with
the light install; `clew.testing.server` is a real server, for which the server has to be installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.testing.assertions import assert_twin
    from clew.testing.recording import RecordedRun, fetch_run, record_run, replay

__all__ = ["RecordedRun", "assert_twin", "fetch_run", "record_run", "replay"]

_HOME: Final = {
    "assert_twin": "clew.testing.assertions",
    **dict.fromkeys(("RecordedRun", "fetch_run", "record_run", "replay"), "clew.testing.recording"),
}


def __getattr__(name: str) -> object:
    """Return what is imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'clew.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
