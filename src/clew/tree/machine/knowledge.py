"""Which apps the machine must have seen before it can take an event."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from clew.tree.frames.outbound import ISSUED_TARGETS_MAX
from clew.tree.machine import events

if TYPE_CHECKING:
    from clew.tree.machine.events import Event
    from clew.tree.machine.state import Tree


HELD: Final = frozenset({events.Received, events.Acked, events.Tick, events.Dropped})
"""Events that lead to nothing but what is held; nearly all are of these."""


def find_unknown(tree: Tree, event: Event) -> tuple[str, ...]:
    """Return the ids that an event leads to and that are neither held nor known to be nobody's."""
    if type(event) in HELD:
        return ()
    wanted: list[str] = []
    match event:
        case events.Register() | events.Schedule():
            wanted += (event.app_id, *_above(tree, event.app_id))
            if event.parent_id is not None:
                wanted += (event.parent_id, *_above(tree, event.parent_id))
        case events.Resume() | events.Attach():
            wanted += (event.app_id, *_above(tree, event.app_id))
        case events.Unschedule() | events.Command() | events.Cancel():
            wanted.append(event.app_id)
        case events.Await():
            order = tree.orders.find(event.correlation_id)
            if order is not None:
                # An answer shows no more of them, and so many are held at a time.
                wanted += (order.root_id, *islice(order.items, ISSUED_TARGETS_MAX))
        case _:
            pass
    return tuple(dict.fromkeys(each for each in wanted if not tree.forest.is_known(each)))


def _above(tree: Tree, app_id: str) -> tuple[str, ...]:
    """Return the ancestors of an app: one that has ended may stand below one that was cancelled."""
    app = tree.forest.find(app_id)
    return app.path[:-1] if app is not None else ()
