"""The questions that take more than one strand, as plain values."""

from __future__ import annotations

from typing import Final

import msgspec

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000
"""Items of each section: past this the lists themselves, with their pages, are the better door."""

MARGIN_DEFAULT: Final = "1m"
"""How far around a trace metrics are looked at: exporters send once a minute unless told otherwise,
and most traces are shorter than that."""


class CorrelateQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which trace, how many items of each section, and how far around it metrics count."""

    trace: str
    limit: int = LIMIT_DEFAULT
    margin: str = MARGIN_DEFAULT
