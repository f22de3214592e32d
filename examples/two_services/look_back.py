"""What did the trace of an order touch, step by step, in both services?"""

from __future__ import annotations

import sys

from clew.twin import Reconstructor
from examples.two_services.blueprint import Order


def main(order_id: str = "order-1") -> None:
    """Show the steps of an order's trace, and what its objects were after the last."""
    with Reconstructor() as twins:
        order = twins.reconstruct(order_id, obj_type=Order)
        trace_id = order.last_event.trace_id if order.last_event else None
        if trace_id is None:
            sys.exit(f"{order_id} has no trace")
        end = twins.objects_in_trace(trace_id)
        for step in range(1, end.steps + 1):
            event = twins.objects_in_trace(trace_id, step).event
            if event is not None:
                print(f"{step:2}. {event.service:<9} {event.obj_type} {event.name or event.body}")
        for each in end.objects:
            phase = f" is at {each.twin.phase}" if each.twin.phase else ""
            print(f"{each.twin.type}{phase} {each.twin.state}")


if __name__ == "__main__":
    main(*sys.argv[1:])
