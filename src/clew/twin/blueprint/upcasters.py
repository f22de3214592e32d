"""Functions that turn what older versions of a program wrote into what today's would have written.

They are Python, so they stay in the program: a reconstruction applies them in its own process. What
is only called otherwise needs none: `renamed_from` of a field is known to every reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Upcaster: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""From the fields that an old event sets, by their bare names, to those that it sets today."""

Upcasters: TypeAlias = Mapping[tuple[str, str], Upcaster]
"""By the checksum of the registry that wrote the event, and the name of the type."""
