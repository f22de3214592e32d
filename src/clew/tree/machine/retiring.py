"""Forgetting apps that ended long ago: the registry finds them, the machine says which may go.

Theory of operation. Which apps are old is a question to the registry. Whether anything still hangs
on one of them is known here alone: a socket on which it speaks, a window in which it may return, a
live app below it. So removing is an event among the others, kept in the round of its own: what the
machine holds and what is kept never differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.machine import changes
from clew.tree.machine.outcomes import Retired

if TYPE_CHECKING:
    from clew.tree.machine.events import Retire
    from clew.tree.machine.state import Draft, Tree


def retire(draft: Draft, event: Retire) -> None:
    """Forget those of these apps that nothing needs, and tell which they are."""
    tree = draft.tree
    app_ids = {app_id for app_id, _ in event.apps}
    # What came of an open command for each of its targets is told when it is over for all.
    targets = {
        app_id for order in tree.orders.open_orders() for app_id in app_ids & order.items.keys()
    }
    removed = []
    for app_id, version in event.apps:
        if app_id in targets or not _may_go(tree, app_id, version):
            continue
        tree.forest.forget(app_id)
        draft.keep(changes.AppRemoved(app_id=app_id, over=version))
        removed.append(app_id)
    draft.answer(event.ticket, Retired(app_ids=tuple(removed)))


def _may_go(tree: Tree, app_id: str, version: int) -> bool:
    """Whether an app may be forgotten; one that is not held is as the registry has it."""
    app = tree.forest.find(app_id)
    if app is not None and (app.version != version or not app.is_terminal or tree.is_needed(app)):
        return False
    return not tree.forest.child_count(app_id)
