"""clew: see, know, trace, act on and share what a tree of running things does."""

from __future__ import annotations

from clew.sdk import Run, init, shutdown

__all__ = ["Run", "init", "shutdown"]
