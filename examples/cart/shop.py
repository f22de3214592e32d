"""A shop: somebody fills a cart, pays with a card that is declined, and then with another."""

from __future__ import annotations

from typing import Final

from opentelemetry import trace

import clew
from clew.twin import TriLogLogger, anchor, tracked
from examples.cart.blueprint import CheckoutFlow, ShoppingCart

PRICES: Final = {"SKU-001": 19.99, "SKU-002": 5.50, "SKU-003": 74.00}
CREDIT: Final = {"4000-0000": 50.00, "5100-0000": 500.00}

logger = TriLogLogger(__name__)
tracer = trace.get_tracer(__name__)


class DeclinedError(Exception):
    """A card does not cover an amount."""


def put(cart: ShoppingCart, sku: str) -> None:
    """Put something into a cart."""
    # What is told inside is told of this cart; at the end `tracked` tells what differs.
    with tracked(cart):
        cart.items.append(sku)
        cart.item_count += 1
        cart.total_value += PRICES[sku]
        logger.event("item_added", sku=sku)


def take_out(cart: ShoppingCart, sku: str) -> None:
    """Take something out of a cart."""
    with tracked(cart):
        cart.items.remove(sku)
        cart.item_count -= 1
        cart.total_value -= PRICES[sku]
        logger.event("item_removed", sku=sku)


def check_out(cart: ShoppingCart, card: str) -> None:
    """Pay for a cart and ship it.

    Raises:
        DeclinedError: the card does not cover it.
    """
    with tracer.start_as_current_span("checkout") as span:
        # A process is known by the trace that it runs under.
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        flow = CheckoutFlow(trace_id, cart=cart, card=card, amount=cart.total_value)
        with anchor(flow):
            logger.created(flow)
            try:
                logger.phase_change("payment")
                pay(cart, card)
            except DeclinedError as error:
                logger.failed(error)
                raise
            logger.phase_change("shipping")
            logger.completed()


@tracer.start_as_current_span("pay")
def pay(cart: ShoppingCart, card: str) -> None:
    """Take the money for a cart from a card.

    Raises:
        DeclinedError: the card does not cover it.
    """
    # The inner one wins: what is told here is told of the cart, and not of the checkout.
    with tracked(cart):
        if CREDIT[card] < cart.total_value:
            logger.event("card_declined", amount=cart.total_value)
            raise DeclinedError(f"the card does not cover {cart.total_value:.2f}")
        cart.status = "paid"


def main() -> None:
    """Let one customer shop."""
    run = clew.init("shop")
    cart = ShoppingCart("cart_123")
    for sku in ("SKU-001", "SKU-002", "SKU-003"):
        put(cart, sku)
    try:
        check_out(cart, "4000-0000")
    except DeclinedError as error:
        print(f"{error}; SKU-003 goes back")
        take_out(cart, "SKU-003")
        check_out(cart, "5100-0000")
    print(f"paid {cart.total_value:.2f}")
    run.shutdown()


if __name__ == "__main__":
    main()
