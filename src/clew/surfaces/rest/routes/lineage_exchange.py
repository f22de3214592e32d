"""The routes that speak of lineage as others do: OpenLineage's events in, W3C PROV out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from clew.access.caller import Verb
from clew.lineage.exchange.openlineage import (
    EventsTaken,
    RunEvent,
    decode_events,
    translate_events,
)
from clew.lineage.exchange.prov import ProvDocument, to_prov
from clew.lineage.ingest.intake import HTTP, explain_refusal
from clew.lineage.parameters import LineageQuery
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_json
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute

if TYPE_CHECKING:
    from starlette.responses import Response

    from clew.lineage.exchange.openlineage import Translation
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

EVENTS_BYTES_MAX: Final = 4 << 20
"""Of one body, as for link sets: an event with all its facets has some ten kilobytes."""


async def _take_events(desk: Desk, asked: Asked) -> Response:
    with desk.links.count_malformed(HTTP):
        body = await read_json(asked.request, EVENTS_BYTES_MAX)
        # As much as is allowed takes a tenth of a second, for which the loop must not stand still.
        said = await asyncio.to_thread(_translate, body)
    taken = await desk.links.take_document(said.links, HTTP, said.datasets)
    if taken.rejected and not taken.accepted:
        raise explain_refusal(taken)
    document = EventsTaken(
        accepted=taken.accepted,
        rejected=sum(taken.rejected.values()),
        reasons=dict(taken.rejected),
        passed_over=said.passed_over,
        datasets=list(said.datasets),
    )
    return answer_document(encode(document))


def _translate(body: bytes) -> Translation:
    return translate_events(decode_events(body))


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/lineage/openlineage",
        method="POST",
        summary="Tell which inputs outputs were made of: an OpenLineage event, or an array of them",
        tag="lineage",
        file=RunEvent,
        body_types=("application/json",),
        documents=(EventsTaken,),
        errors=(400, 413, 415, 429, 503),
        verb=Verb.INGEST,
        respond=_take_events,
    ),
    QueryRoute(
        path=f"{BASE}/lineage/{{trace_id}}/prov",
        summary="What a trace id was made of, or what was made of it, as W3C PROV-JSON",
        tag="lineage",
        parameters=LineageQuery,
        documents=(ProvDocument,),
        ask=lambda desk, asked: to_prov(
            desk.lineages.get_lineage(asked.path["trace_id"], asked.parameters)
        ),
    ),
)
