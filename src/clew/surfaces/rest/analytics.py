"""The routes of analytics: summary and topology, and what is compared with a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.surfaces.rest.routes import Route

ROUTES: Final[tuple[Route, ...]] = ()
