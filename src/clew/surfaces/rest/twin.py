"""The routes of the twin: what objects were, and the registries that describe them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from clew.access.caller import Verb
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_body
from clew.surfaces.rest.routes import BASE, Asked, OpenRoute, QueryRoute
from clew.twin import documents as doc
from clew.twin import parameters as ask
from clew.twin.schema.codec import RegistryFile
from clew.twin.schema.limits import REGISTRY_BYTES_MAX

if TYPE_CHECKING:
    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.routes import Route

CREATED: Final = 201

_READ_ERRORS: Final = (400, 404, 429, 503, 504)


async def _put_registry(desk: Desk, asked: Asked) -> Response:
    text = await read_body(asked.request, REGISTRY_BYTES_MAX)
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
        path=f"{BASE}/objects/{{type}}/{{id}}",
        summary="What an object was at a moment: a time, or the place of an event or a span",
        tag="twin",
        parameters=ask.StateQuery,
        documents=(doc.TwinState,),
        errors=_READ_ERRORS,
        ask=lambda desk, asked: desk.twins.get_state(
            asked.path["type"], asked.path["id"], asked.parameters
        ),
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
        body=RegistryFile,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.RegistryStored,),
        errors=(400, 413, 415, 429, 503),
        verb=Verb.INGEST,
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
