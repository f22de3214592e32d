"""What the objects of the demo are. Their names are of the demo alone.

A server may know a `ShoppingCart` of its user's, which the demo must neither describe nor change.
"""

from __future__ import annotations

import json

from clew.base.errors import ClewError, ErrorCode
from clew.twin.dsl import Float, Object, Process, Reference, Registry, String
from clew.twin.remote import TwinClient

registry = Registry(name="clew-demo", version="1.0.0")


@registry.register
class DemoOrder(Object):
    """What somebody has ordered."""

    product = String()
    amount = Float(precision=2)
    status = String(choices=["placed", "paid", "refused", "failed", "shipped"])


@registry.register
class DemoCheckout(Process):
    """From an order to a parcel; its id is the trace of the request."""

    phases = ("payment", "shipping")
    order = Reference(DemoOrder)


def tell_server(client: TwinClient) -> None:
    """Give the server the registry; a key that may not give any leaves the objects undescribed.

    Raises:
        ClewError: what the server says otherwise.
    """
    try:
        client.put_registry(json.dumps(registry.to_dict()).encode())
    except ClewError as error:
        if error.code is not ErrorCode.FORBIDDEN:
            raise
