"""What version 1 of the editor said a node was: a title, and a place written as a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from clew.twin import Registry

FIRST: Final = Registry.load(Path(__file__).parent.with_name("first_version.json"))
"""The registry of version 1. Its events are still in the store, and stay as they were sent."""


def read_first_nodes(patch: dict[str, Any]) -> dict[str, Any]:
    """Return what version 1 set of a node as version 2 would set it.

    That the title is called label now needs no code: the field says so by `renamed_from`.
    """
    if "at" in patch:
        x, y = patch.pop("at").split(",")
        patch["position"] = {"x": float(x), "y": float(y)}
    return patch
