"""Every route of the REST door: one table, from which the router and OpenAPI are both made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.rest.routes import (
    access,
    analytics,
    comments,
    correlate,
    genai,
    grants,
    group,
    lineage,
    lineage_exchange,
    lineage_nodes,
    sessions,
    shards,
    teams,
    telemetry,
    tree,
    twin,
    twin_export,
    watch,
)

if TYPE_CHECKING:
    from clew.surfaces.rest.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *telemetry.ROUTES,
    *analytics.ROUTES,
    *comments.ROUTES,
    *teams.ROUTES,
    *sessions.ROUTES,
    *correlate.ROUTES,
    *genai.ROUTES,
    *access.ROUTES,
    *grants.ROUTES,
    *tree.ROUTES,
    *twin.ROUTES,
    *twin_export.ROUTES,
    *lineage_nodes.ROUTES,
    *lineage_exchange.ROUTES,
    *lineage.ROUTES,
    *watch.ROUTES,
    *group.ROUTES,
    *shards.ROUTES,
)
"""In the order in which they are tried: what is fixed stands before what is a parameter."""
