"""The blueprint that both services share: orders, what is in stock, shipments, and the workflow."""

from __future__ import annotations

from clew.twin import Integer, List, Object, Process, Reference, Registry, String, invariant

registry = Registry(name="fulfilment", version="1.0.0")


@registry.register
class Order(Object):
    """What a customer ordered. The service `orders` keeps it."""

    customer = String(required=True, sensitive=True)
    skus = List(String())
    status = String(default="placed", choices=["placed", "shipped", "refused"])


@registry.register
class StockItem(Object):
    """How much of something lies in the warehouse. The service `warehouse` keeps it."""

    on_hand = Integer(default=0)

    never_sold_twice = invariant("on_hand >= 0")


@registry.register
class Shipment(Object):
    """A parcel of the warehouse."""

    order = Reference(Order, required=True)
    items = List(Reference(StockItem))
    status = String(default="packed", choices=["packed", "gone"])


@registry.register
class Fulfilment(Process):
    """An order's way through both services, under one trace."""

    phases = ["received", "reserving", "shipping"]
    transitions = {"received": ["reserving"], "reserving": ["shipping"]}
    timeout_seconds = 60

    order = Reference(Order)
