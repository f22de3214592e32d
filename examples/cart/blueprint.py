"""The blueprint of a shop: which objects there are, and which process works on them."""

from __future__ import annotations

from clew.twin import (
    Float,
    Integer,
    List,
    Object,
    Process,
    Reference,
    Registry,
    String,
    invariant,
)

registry = Registry(name="shop", version="1.0.0")


@registry.register
class ShoppingCart(Object):
    """What a customer is about to buy."""

    item_count = Integer(default=0, min_value=0)
    total_value = Float(default=0.0, precision=2)
    items = List(String())
    status = String(default="active", choices=["active", "paid"])

    counts_its_items = invariant("item_count == len(items)")


@registry.register
class CheckoutFlow(Process):
    """Distributed workflow for purchasing."""

    phases = ["payment", "shipping"]
    transitions = {"payment": ["shipping"]}
    timeout_seconds = 900

    cart = Reference(ShoppingCart)
    card = String(sensitive=True)
    amount = Float(precision=2)
