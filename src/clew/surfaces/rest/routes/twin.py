"""The routes of the twin: what objects were, and the registries that describe them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from clew.access.caller import Verb
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_document, read_json
from clew.surfaces.rest.route import BASE, GONE, Asked, OpenRoute, QueryRoute, run_unless_gone
from clew.twin import documents as doc
from clew.twin import parameters as ask
from clew.twin.schema.codec import RegistryFile
from clew.twin.schema.limits import REGISTRY_BYTES_MAX

if TYPE_CHECKING:
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

CREATED: Final = 201

STATES_BYTES_MAX: Final = 1 << 20
"""A thousand objects by types and ids of half a kilobyte each."""

_READ_ERRORS: Final = (400, 404, 429, 503, 504)
_LIST_ERRORS: Final = (400, 429, 503, 504)


async def _get_states(desk: Desk, asked: Asked) -> Response:
    query = await read_document(
        asked.request,
        ask.StatesQuery,
        STATES_BYTES_MAX,
        what="a question",
        hint='send {"objects": [["ShoppingCart", "cart_123"]], "at": "15m"}',
    )
    asking = desk.threads.run(lambda: encode(desk.twins.get_states(query)))
    body = await run_unless_gone(asked.request, asking)
    return Response(status_code=GONE) if body is None else answer_document(body)


async def _put_registry(desk: Desk, asked: Asked) -> Response:
    text = await read_json(asked.request, REGISTRY_BYTES_MAX)
    # A large registry takes milliseconds to check, in which others are to be answered.
    storing = await asyncio.to_thread(desk.registries.put, text, asked.caller.name)
    stored = await asyncio.wrap_future(storing)
    return answer_document(encode(stored), CREATED if stored.created else 200)


class RegistryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which registry: the one given last, or the one given last of a name."""

    name: str | None = None


async def _get_registry(desk: Desk, asked: Asked) -> Response:
    return answer_document(desk.registries.find_current(asked.parameters.name))


async def _get_version(desk: Desk, asked: Asked) -> Response:
    return answer_document(desk.registries.get(asked.path["checksum"]))


ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/objects",
        summary="Objects, those that changed last first, as they are now",
        tag="twin",
        parameters=ask.ObjectQuery,
        documents=(doc.ObjectList,),
        errors=_LIST_ERRORS,
        ask=lambda desk, asked: desk.twins.find_objects(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/objects/states",
        method="POST",
        on_standby=True,
        summary="What several objects were at one moment",
        tag="twin",
        body=ask.StatesQuery,
        body_types=("application/json",),
        documents=(doc.TwinStates,),
        errors=(400, 404, 413, 415, 429, 503, 504),
        respond=_get_states,
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}/states",
        summary="What an object was at several moments",
        tag="twin",
        parameters=ask.InstantsQuery,
        documents=(doc.TwinStates,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.get_instants(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}/timeline",
        summary="The events of an object, and how many there were in each stretch",
        tag="twin",
        parameters=ask.TimelineQuery,
        documents=(doc.Timeline,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.find_events(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}/history/{{field}}",
        summary="The values of a field, each with the event and the span that set it",
        tag="twin",
        parameters=ask.HistoryQuery,
        documents=(doc.FieldHistory,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.find_values(
            asked.path["type"], asked.path["id"], asked.path["field"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}/diff",
        summary="What differs between two moments of an object",
        tag="twin",
        parameters=ask.DifferenceQuery,
        documents=(doc.Difference,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.compare(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}/graph",
        summary="All objects that references reach from one, at one instant",
        tag="twin",
        parameters=ask.GraphQuery,
        documents=(doc.ObjectGraph,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.get_graph(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/objects/{{type}}/{{id:path}}",
        summary="What an object was at a moment: a time, or the place of an event or a span",
        tag="twin",
        parameters=ask.StateQuery,
        documents=(doc.TwinState,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.get_state(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/traces/{{trace_id}}/objects",
        summary="The objects that a trace touched, as they were at one of its steps",
        tag="twin",
        parameters=ask.TouchedQuery,
        documents=(doc.TouchedObjects,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.find_touched(asked.path["trace_id"], asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/processes",
        summary="Processes, those that started last first: where each stands, and what is stuck",
        tag="twin",
        parameters=ask.ProcessQuery,
        documents=(doc.ProcessList,),
        errors=_LIST_ERRORS,
        ask=lambda desk, asked: desk.twins.find_processes(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/processes/{{trace_id:path}}",
        summary="The processes of a trace: their phases, who took part, what may come next",
        tag="twin",
        parameters=ask.TraceProcessQuery,
        documents=(doc.TraceProcesses,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.get_processes(asked.path["trace_id"], asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/rejected",
        summary="Events that do not count, and why",
        tag="twin",
        parameters=ask.RejectedQuery,
        documents=(doc.RejectedList,),
        errors=_LIST_ERRORS,
        ask=lambda desk, asked: desk.twins.find_rejected(asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/registry",
        summary="The file of the registry that was given last, or last of a name",
        tag="twin",
        parameters=RegistryQuery,
        documents=(RegistryFile,),
        errors=(400, 404),
        respond=_get_registry,
    ),
    OpenRoute(
        path=f"{BASE}/registry",
        method="PUT",
        summary="Give the server a registry: events are held to it from now on",
        tag="twin",
        file=RegistryFile,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.RegistryStored,),
        errors=(400, 413, 415, 429, 503),
        verb=Verb.MESSAGE,
        respond=_put_registry,
    ),
    QueryRoute(
        path=f"{BASE}/registry/versions",
        summary="Every registry that the server was given, the newest first",
        tag="twin",
        documents=(doc.RegistryList,),
        errors=(400, 429, 503),
        ask=lambda desk, _asked: desk.registries.list(),
    ),
    OpenRoute(
        path=f"{BASE}/registry/{{checksum}}",
        summary="The file of one version of a registry",
        tag="twin",
        documents=(RegistryFile,),
        errors=(400, 404),
        respond=_get_version,
    ),
)
