"""`shop`: shows products, takes orders, charges them at `payments`, ships them in batches."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Link, SpanKind, format_trace_id

from clew import lineage
from clew.demo.blueprint import DemoCheckout, DemoOrder
from clew.demo.chance import Chance
from clew.demo.service import Answer, Refusal, Service, call, describe_traced, work
from clew.twin.context import TriLogLogger, anchor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import SpanContext

    from clew.demo.service import Call

# Orders that travel together.
BATCH_ORDERS: Final = 8

# A page of products is read in one query, except where somebody wrote a loop.
LOOP_QUERIES: Final = 12

PRODUCTS: Final = ("kettle", "lamp", "teapot", "chair", "clock", "blanket")

logger = logging.getLogger(__name__)
twins = TriLogLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """An order, the checkout that it came by, and the span that took it."""

    order_id: str
    checkout_id: str
    span: SpanContext


@dataclass(frozen=True, slots=True)
class Shipment:
    """An order that waits for its parcel, and the receipt that goes with it."""

    order: Order
    receipt: lineage.Traced[dict[str, Any]]


class Warehouse:
    """Stock, and the orders that wait to be shipped. Threads of all requests share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Shipment] = []
        self._stock = dict.fromkeys(PRODUCTS, 500)
        self._shipped = 0

    def take(self, product: str) -> None:
        """Take one item."""
        with self._lock:
            self._stock[product] = max(0, self._stock[product] - 1)

    def add(self, order: Shipment) -> list[Shipment]:
        """Put an order to those that wait; return a batch once there is one."""
        with self._lock:
            self._waiting.append(order)
            if len(self._waiting) < BATCH_ORDERS:
                return []
            batch, self._waiting = self._waiting, []
            self._shipped += len(batch)
            return batch

    def observe_stock(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Yield the stock by product."""
        with self._lock:
            return [Observation(n, {"product": name}) for name, n in self._stock.items()]

    def observe_shipped(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Yield how many orders were shipped."""
        with self._lock:
            return [Observation(self._shipped)]

    def observe_waiting(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Yield how many orders wait."""
        with self._lock:
            return [Observation(len(self._waiting))]


def make_shop(seed: int, *, payments_port: int) -> Service:
    """Return the service."""
    warehouse = Warehouse()
    meter = metrics.get_meter("clew.demo.shop")
    orders = meter.create_counter("shop.orders", "{order}", "Orders by outcome")
    values = meter.create_histogram("shop.order.value", "EUR", "Value of orders")
    meter.create_observable_gauge(
        "shop.stock", [warehouse.observe_stock], "{item}", "Items in stock"
    )
    meter.create_observable_counter(
        "shop.orders.shipped", [warehouse.observe_shipped], "{order}", "Orders shipped"
    )
    meter.create_observable_up_down_counter(
        "shop.orders.waiting", [warehouse.observe_waiting], "{order}", "Orders not yet shipped"
    )

    def show_products(call_: Call) -> Answer:
        return Answer(200, describe_traced(list_products(Chance(seed, call_.path))))

    def take_order(call_: Call) -> Answer:
        order_id = str(call_.body["order_id"])
        chance = Chance(seed, order_id)
        product = chance.pick("product", PRODUCTS)
        amount = round(chance.between("amount", 5.0, 240.0), 2)
        context = call_.span.get_span_context()
        call_.span.set_attributes({"order.id": order_id, "order.amount": amount})
        # A snapshot is all of it: an order of the last run that had this id is forgotten.
        with anchor(order_id, DemoOrder):
            quote = price_order(load_cart(order_id, product, chance), amount, chance)
        order = Order(order_id, format_trace_id(context.trace_id), context)
        receipt = write_receipt(quote, _pay(payments_port, order, quote, orders))
        warehouse.take(product)
        orders.add(1, {"outcome": "paid"})
        values.record(amount, {"product": product})
        logger.info("order %s paid", order_id, extra={"order.id": order_id, "amount": amount})
        _ship(warehouse.add(Shipment(order, receipt)))
        return Answer(200, describe_traced(receipt))

    return Service("shop", {("GET", "/products"): show_products, ("POST", "/checkout"): take_order})


@lineage.stage("list products")
def list_products(chance: Chance) -> dict[str, Any]:
    """Return all products, as they are in the database."""
    in_a_loop = chance.happens("loop", 0.1)
    if in_a_loop:
        logger.warning("reading products one by one")
    for _ in range(LOOP_QUERIES if in_a_loop else 1):
        tracer = trace.get_tracer("clew.demo.shop")
        with tracer.start_as_current_span(
            "SELECT products",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "sqlite",
                "db.operation.name": "SELECT",
                "db.collection.name": "products",
                "db.query.text": "SELECT * FROM products WHERE id = ?",
            },
        ):
            work(chance.between("query", 0.002, 0.006))
    return {"products": list(PRODUCTS)}


@lineage.stage("load cart")
def load_cart(order_id: str, product: str, chance: Chance) -> dict[str, Any]:
    """Return what somebody wants to have."""
    trace.get_current_span().set_attribute("product", product)
    work(chance.between("cart", 0.001, 0.005))
    twins.snapshot(product=product, status="placed")
    return {"order_id": order_id, "product": product}


@lineage.stage("price order")
def price_order(cart: dict[str, Any], amount: float, chance: Chance) -> dict[str, Any]:
    """Return the cart with its price."""
    work(chance.between("price", 0.001, 0.003))
    twins.state_change(amount=amount)
    return cart | {"amount": amount}


@lineage.stage("write receipt")
def write_receipt(quote: dict[str, Any], charge: dict[str, Any]) -> dict[str, Any]:
    """Return what a person has for their money."""
    return {"order_id": quote["order_id"], "charge_id": charge["charge_id"]}


def _pay(
    port: int, order: Order, quote: lineage.Traced[dict[str, Any]], orders: metrics.Counter
) -> dict[str, Any]:
    """Charge an order, tell of its checkout, and return the charge.

    Raises:
        Refusal: 402 when the card is declined, 502 when payments fails.
    """
    with anchor(order.checkout_id, DemoCheckout):
        twins.phase_change("payment", order=order.order_id)
        try:
            charge = call(port, "POST", "/charge", describe_traced(quote)).body
        except Refusal as refusal:
            is_declined = refusal.status == 402
            orders.add(1, {"outcome": "declined" if is_declined else "failed"})
            with anchor(order.order_id, DemoOrder):
                twins.state_change(status="refused" if is_declined else "failed")
            twins.failed(refusal)
            status = 402 if is_declined else 502
            raise Refusal(status, f"order {order.order_id}: {refusal}") from refusal
        with anchor(order.order_id, DemoOrder):
            twins.state_change(status="paid")
        twins.phase_change("shipping")
    return charge


def _ship(batch: list[Shipment]) -> None:
    """Ship a batch in a trace of its own, which points at the orders that it carries."""
    if not batch:
        return
    tracer = trace.get_tracer("clew.demo.shop")
    with tracer.start_as_current_span(
        "ship orders",
        context=trace.set_span_in_context(trace.INVALID_SPAN),
        kind=SpanKind.CONSUMER,
        links=[Link(each.order.span, {"messaging.operation.type": "process"}) for each in batch],
        attributes={"messaging.batch.message_count": len(batch)},
    ):
        with lineage.join([each.receipt for each in batch], stage="pack parcel") as out:
            work(0.008)
            # Nothing else goes in: its id is settled, and what is said of the orders carries it.
            trace.get_current_span().add_event(
                "parcel.sealed",
                {"parcel.orders": len(batch), "parcel.trace_id": str(out.trace_id)},
            )
            for each in batch:
                with anchor(each.order.order_id, DemoOrder):
                    twins.state_change(status="shipped")
        for each in batch:
            with anchor(each.order.checkout_id, DemoCheckout):
                twins.completed()
