"""Who calls a door: found once for each request, by every HTTP door and by the gRPC server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.access.caller import LOCAL, Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE_KEY: Final = "clew.caller"
"""Where the caller of a request stands in its ASGI scope."""


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who sent a request, as the door that let it in found out."""
    caller: Caller = scope.get(SCOPE_KEY, LOCAL)
    return caller
