"""The routes of a group of servers: who leads, and having another one lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.group import ALONE
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import Asked, OpenRoute
from clew.telemetry.group import GroupStatus, Promotion, PromotionAsked

if TYPE_CHECKING:
    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

BODY_BYTES_MAX: Final = 1 << 10
"""A promotion is one word."""

ACCEPTED: Final = 202


def describe_group(desk: Desk) -> GroupStatus:
    """Return where this server stands among its group."""
    return ALONE if desk.group is None else desk.group.status()


async def _get_group(desk: Desk, _asked: Asked) -> Response:
    return answer_document(encode(describe_group(desk)))


async def _promote(desk: Desk, asked: Asked) -> Response:
    wanted = await read_document(
        asked.request,
        PromotionAsked,
        BODY_BYTES_MAX,
        what="a promotion",
        hint='send {} or {"force": true}',
    )
    if desk.shards is not None:
        raise ClewError(
            ErrorCode.CONFLICT,
            "this server is a query tier: it keeps nothing, so it cannot lead",
            hint="promote a server of the shard; clew servers names whom",
        )
    if desk.group is None:
        raise ClewError(
            ErrorCode.CONFLICT,
            "this server has no group: it leads nobody and follows nobody",
            hint="name the others with --standby; docs/guide/high-availability.md",
        )
    begun = await desk.group.promote(force=wanted.force)
    return answer_document(encode(begun), ACCEPTED)


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path="/internal/cluster",
        summary="Who leads the group of servers, and how far the others are",
        tag="server",
        documents=(GroupStatus,),
        errors=(503,),
        respond=_get_group,
    ),
    OpenRoute(
        path="/internal/promote",
        method="POST",
        summary="Have this standby lead, under a new epoch",
        tag="server",
        body=PromotionAsked,
        body_types=("application/json",),
        success=ACCEPTED,
        documents=(Promotion,),
        errors=(400, 403, 409, 413, 415, 503),
        verb=Verb.ADMIN,
        # It is what a standby is there for.
        on_standby=True,
        respond=_promote,
    ),
)
