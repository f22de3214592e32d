"""The routes of lineage: link sets in, and which inputs made which output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.lineage import documents as doc
from clew.lineage import parameters as ask
from clew.lineage.ingest.intake import HTTP, explain_refusal
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import media_type_of, read_body, read_document
from clew.surfaces.rest.route import BASE, Asked, OpenRoute, QueryRoute

if TYPE_CHECKING:
    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

LINKS_BYTES_MAX: Final = 4 << 20
"""Of one body: half a million edges as messages, which is what the store takes at once."""

OCTETS: Final = "application/octet-stream"


async def _take_links(desk: Desk, asked: Asked) -> Response:
    request = asked.request
    match media_type_of(request):
        case "application/octet-stream":
            with desk.links.count_malformed(HTTP):
                body = await read_body(request, LINKS_BYTES_MAX)
            taken = await desk.links.take_octets(body, HTTP)
        case "application/json":
            with desk.links.count_malformed(HTTP):
                links = await read_document(
                    request,
                    ask.NewLinks,
                    LINKS_BYTES_MAX,
                    what="link sets",
                    hint='send {"sets": [{"trace_id": "42", "parents": ["10", "20"]}]}',
                )
            taken = await desk.links.take_document(links, HTTP)
        case other:
            with desk.links.count_malformed(HTTP):
                raise ClewError(
                    ErrorCode.UNSUPPORTED,
                    f"content-type is {other or 'nothing'}",
                    hint=f"send application/json, or SBE messages as {OCTETS}",
                )
    if taken.rejected and not taken.accepted:
        raise explain_refusal(taken)
    document = doc.LinksTaken(
        accepted=taken.accepted,
        rejected=sum(taken.rejected.values()),
        reasons=dict(taken.rejected),
    )
    return answer_document(encode(document))


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/links",
        method="POST",
        summary="Tell which inputs outputs were made of: link sets, as JSON or as SBE messages",
        tag="lineage",
        body=ask.NewLinks,
        body_types=("application/json", OCTETS),
        documents=(doc.LinksTaken,),
        errors=(400, 413, 415, 429, 503),
        verb=Verb.INGEST,
        respond=_take_links,
    ),
    QueryRoute(
        path=f"{BASE}/lineage/path",
        summary="How one trace id of TraceLink leads to another",
        tag="lineage",
        parameters=ask.PathQuery,
        documents=(doc.LineagePath,),
        ask=lambda desk, asked: desk.lineages.find_path(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/lineage/items",
        summary="The items of a trace id, or the trace ids of an item in a stream",
        tag="lineage",
        parameters=ask.ItemQuery,
        documents=(doc.ItemList,),
        ask=lambda desk, asked: desk.lineages.find_items(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/lineage/{{trace_id}}",
        summary="What a trace id of TraceLink was made of, or what was made of it",
        tag="lineage",
        parameters=ask.LineageQuery,
        documents=(doc.Lineage,),
        ask=lambda desk, asked: desk.lineages.get_lineage(asked.path["trace_id"], asked.parameters),
    ),
)
