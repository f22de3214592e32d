"""The service `warehouse`: packs what an order asks for, if it is there."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

import clew
from clew.twin import TriLogLogger, tracked
from clew.twin.context import AnchorMiddleware, get_current_obj_id
from examples.two_services.blueprint import Shipment, StockItem
from examples.two_services.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

logger = TriLogLogger(__name__)
tracer = trace.get_tracer(__name__)

shelf: Final = {
    "SKU-001": StockItem("SKU-001", on_hand=3),
    "SKU-002": StockItem("SKU-002", on_hand=1),
}


async def ship(request: Request) -> JSONResponse:
    """Pack what is asked for, all of it or nothing."""
    with tracer.start_as_current_span("pack shipment"):
        wanted = Counter((await request.json())["skus"])
        # The body does not say for which order. The baggage did: what is told here is told of it.
        missing = [sku for sku, count in wanted.items() if shelf[sku].on_hand < count]
        if missing:
            logger.event("out_of_stock", skus=missing)
            return JSONResponse({"missing": missing}, status_code=409)
        for sku, count in wanted.items():
            with tracked(shelf[sku]) as item:
                item.on_hand -= count
        order_id = get_current_obj_id()
        shipment = Shipment(f"parcel-{order_id}", order=order_id, items=list(wanted))
        logger.created(shipment)
        return JSONResponse({"shipment": shipment.id}, status_code=201)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Tell of the service as long as it runs; the last words leave before it ends."""
    run = clew.init("warehouse")
    for item in shelf.values():
        # A snapshot is all of an object, whatever was known of it before.
        logger.snapshot(item)
    yield
    run.shutdown()


app = Starlette(
    routes=[Route("/shipments", ship, methods=["POST"])],
    # Only our own services call here: their word is taken on which object a request is about.
    middleware=[Middleware(AnchorMiddleware, trust=["127.0.0.0/8", "::1"])],
    lifespan=lifespan,
)

if __name__ == "__main__":
    serve(app)
