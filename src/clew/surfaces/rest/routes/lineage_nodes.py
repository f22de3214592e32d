"""The routes of node ids on lease: what makes the trace ids of a deployment unique."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from clew.access.caller import Verb
from clew.lineage.terms import Lease, LeaseList, LeaseQuery, NewLease
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute

if TYPE_CHECKING:
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

CREATED: Final = 201

WISH_BYTES_MAX: Final = 16 * 1024
"""Two names of 253 characters, each escaped, and two numbers."""


async def _lease(desk: Desk, asked: Asked) -> Response:
    wish = await read_document(
        asked.request,
        NewLease,
        WISH_BYTES_MAX,
        what="a wish for a node id",
        hint='send {"process": "4711", "host": "gpu-3", "started_at": 1700000000000000000}',
    )
    leased = await asyncio.wrap_future(desk.nodes.lease(wish, asked.caller.name))
    return answer_document(encode(leased), CREATED)


async def _renew(desk: Desk, asked: Asked) -> Response:
    renewed = await asyncio.wrap_future(desk.nodes.renew(asked.path["lease_id"]))
    return answer_document(encode(renewed))


async def _release(desk: Desk, asked: Asked) -> Response:
    released = await asyncio.wrap_future(desk.nodes.release(asked.path["lease_id"]))
    return answer_document(encode(released))


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/lineage/nodes",
        method="POST",
        summary="Lease a node id: what a process makes trace ids with that nobody else makes",
        tag="lineage",
        body=NewLease,
        body_types=("application/json",),
        success=CREATED,
        documents=(Lease,),
        errors=(400, 409, 413, 415, 429, 503),
        verb=Verb.INGEST,
        respond=_lease,
    ),
    QueryRoute(
        path=f"{BASE}/lineage/nodes",
        summary="Who has which node id, and who had it",
        tag="lineage",
        parameters=LeaseQuery,
        documents=(LeaseList,),
        errors=(400, 429, 503),
        ask=lambda desk, asked: desk.nodes.find(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/lineage/nodes/{{lease_id}}",
        method="PUT",
        summary="Renew the lease of a node id",
        tag="lineage",
        documents=(Lease,),
        errors=(400, 404, 409, 429, 503),
        verb=Verb.INGEST,
        respond=_renew,
    ),
    OpenRoute(
        path=f"{BASE}/lineage/nodes/{{lease_id}}",
        method="DELETE",
        summary="Release a node id; nobody gets it before it has cooled down",
        tag="lineage",
        documents=(Lease,),
        errors=(400, 404, 429, 503),
        verb=Verb.INGEST,
        respond=_release,
    ),
)
