"""What was in the cart when the card was declined? Asked long after it happened."""

from __future__ import annotations

from clew.twin import Reconstructor
from examples.cart.blueprint import ShoppingCart


def main() -> None:
    """Show the cart then and now."""
    with Reconstructor() as twins:
        life = twins.timeline("cart_123", ShoppingCart)
        declined = [event for event in life if event.name == "card_declined"][-1]
        # A moment is a time, or the place of an event or a span in the course of events.
        then = twins.reconstruct("cart_123", f"event:{declined.event_id}", ShoppingCart)
        now = twins.reconstruct("cart_123", obj_type=ShoppingCart)
        print(f"then: {then.item_count} items worth ${then.total_value}, {then.status}")
        print(f"now:  {now.item_count} items worth ${now.total_value}, {now.status}")
        for change in life.filter(start=then.at).find_field_changes("total_value"):
            print(f"      total_value {change.old} -> {change.new}")


if __name__ == "__main__":
    main()
