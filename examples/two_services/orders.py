"""The service `orders`: takes an order from anybody, and asks the warehouse for what is in it."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

import clew
from clew.twin import TriLogLogger, anchor, tracked
from clew.twin.context import AnchorMiddleware, async_anchor_hook
from examples.two_services.blueprint import Fulfilment, Order
from examples.two_services.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

logger = TriLogLogger(__name__)
tracer = trace.get_tracer(__name__)

# Every request of this client says which object, and which trace, the code is about.
warehouse = httpx.AsyncClient(
    base_url=os.environ.get("WAREHOUSE", "http://127.0.0.1:8002"),
    event_hooks={"request": [async_anchor_hook()]},
)


async def place(request: Request) -> JSONResponse:
    """Take an order, and answer when it is on its way or refused."""
    asked = await request.json()
    with tracer.start_as_current_span("place order") as span:
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        order = Order(asked["id"], customer=asked["customer"], skus=asked["skus"])
        with anchor(Fulfilment(trace_id, order=order)) as flow:
            logger.created(flow.entity)
            logger.phase_change("received")
            logger.created(order)
            logger.phase_change("reserving")
            is_shipped = await ship(order)
            if is_shipped:
                logger.phase_change("shipping")
                logger.completed()
            else:
                logger.failed("the warehouse has too little")
    return JSONResponse({"order": order.id, "status": order.status, "trace_id": trace_id})


async def ship(order: Order) -> bool:
    """Have the warehouse ship an order; return whether it can."""
    # The request leaves inside of the order's anchor, so that the warehouse knows the order by it.
    with tracked(order):
        answer = await warehouse.post("/shipments", json={"skus": order.skus})
        order.status = "shipped" if answer.is_success else "refused"
    return answer.is_success


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Tell of the service as long as it runs; the last words leave before it ends."""
    run = clew.init("orders")
    yield
    await warehouse.aclose()
    run.shutdown()


app = Starlette(
    routes=[Route("/orders", place, methods=["POST"])],
    # Anybody may call, so nobody's word is taken on which object a request is about.
    middleware=[Middleware(AnchorMiddleware, trust=False)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    serve(app)
