"""How a type's name becomes the prefix of its fields as attributes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Before a capital that begins a word: after a small letter or digit, or before a small letter at
# the end of a run of capitals, so that an acronym stays one word (``NOGEntity``: ``nog_entity``).
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_NAMES_CACHED: Final = 1024
"""Types of a system: each event asks for its own."""


@lru_cache(maxsize=_NAMES_CACHED)
def otel_prefix(type_name: str) -> str:
    """Return the prefix of a type's fields: ``ShoppingCart`` gives ``shopping_cart``."""
    return _WORD_START.sub("_", type_name).lower()
