"""The routes of answers that take more than one strand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.answers.documents import CorrelateReport
from clew.answers.parameters import CorrelateQuery
from clew.surfaces.rest.route import BASE, QueryRoute

if TYPE_CHECKING:
    from clew.surfaces.rest.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/correlate",
        summary="Everything that belongs to one trace: spans, logs, metrics, objects, links",
        tag="traces",
        parameters=CorrelateQuery,
        documents=(CorrelateReport,),
        errors=(400, 404, 429, 503, 504),
        ask=lambda desk, asked: desk.answers.correlate(asked.parameters),
    ),
)
