"""Export of the twin: objects as they were and events, as JSON lines or as Parquet, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.surfaces.rest.route import BASE, Asked, OpenRoute
from clew.surfaces.rest.streams import ExportStream
from clew.twin.exports import EventExport, ObjectExport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

_ERRORS: Final = (400, 404, 429, 503, 504)


async def _export_objects(desk: Desk, asked: Asked) -> Response:
    return _stream(desk, asked, "objects", await _open(desk, desk.twins.export_objects, asked))


async def _export_events(desk: Desk, asked: Asked) -> Response:
    return _stream(desk, asked, "events", await _open(desk, desk.twins.export_events, asked))


async def _open(desk: Desk, export: Any, asked: Asked) -> Iterator[bytes]:
    """Begin an export where it may wait for the engine."""
    pieces: Iterator[bytes] = await desk.threads.run(lambda: export(asked.parameters))
    return pieces


def _stream(desk: Desk, asked: Asked, what: str, pieces: Iterator[bytes]) -> Response:
    form = asked.parameters.format
    return ExportStream(
        *(desk, asked, what, pieces),
        media_type=MEDIA_TYPES[form],
        filename=f"{what}.{form}",
    )


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/export/objects",
        summary="Objects as they were at one moment, as JSON lines or Parquet",
        tag="export",
        parameters=ObjectExport,
        media_types=tuple(MEDIA_TYPES.values()),
        errors=_ERRORS,
        respond=_export_objects,
    ),
    OpenRoute(
        path=f"{BASE}/export/events",
        summary="Events of objects, each object's in their order, as JSON lines or Parquet",
        tag="export",
        parameters=EventExport,
        media_types=tuple(MEDIA_TYPES.values()),
        errors=_ERRORS,
        respond=_export_events,
    ),
)
