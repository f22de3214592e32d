"""Which clew this is, and which of two is the older."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

UNKNOWN: Final = "unknown"

_VERSION = re.compile(
    r"([0-9]+(?:\.[0-9]+)*)(?:(a|b|rc)([0-9]+))?(?:\.post([0-9]+))?(?:\.dev([0-9]+))?(?:\+.*)?"
)
_FINAL: Final = "~"
"""Sorts after the letters of every preview."""


@cache
def own_version() -> str:
    """Return the version of this clew; "unknown" for a source tree that nobody installed."""
    # Most processes never ask, and the import takes some milliseconds.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("clew")
    except PackageNotFoundError:
        return UNKNOWN


def compare_versions(one: str, other: str) -> int | None:
    """Return -1, 0 or 1 as one version is older than, equal to or newer than the other.

    Versions are those of Python packages, in their normal form; what is built locally (``+…``)
    changes nothing. None when one of two different texts is no version.
    """
    if one == other:
        return 0
    first, second = _read(one), _read(other)
    if first is None or second is None:
        return None
    return (first > second) - (first < second)


def _read(text: str) -> tuple[tuple[int, ...], str, int, int, float] | None:
    """Return a version as something that sorts."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    numbers, preview, of_preview, post, development = match.groups()
    release = [int(number) for number in numbers.split(".")]
    while release and not release[-1]:
        release.pop()
    # A development version comes before what it becomes, and one of no preview before all of them.
    is_earliest = development is not None and preview is None and post is None
    return (
        tuple(release),
        "" if is_earliest else preview or _FINAL,
        int(of_preview or 0),
        -1 if post is None else int(post),
        float("inf") if development is None else int(development),
    )
