"""The tree as one object: events in, steps out. Its rules live in the modules beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.tree.machine import events
from clew.tree.machine.cancelling import cancel
from clew.tree.machine.consequences import settle
from clew.tree.machine.crashes import drop
from clew.tree.machine.deadlines import expire, restart
from clew.tree.machine.ends import leave, see_exit
from clew.tree.machine.issuing import acknowledge, forget, issue, wait
from clew.tree.machine.joining import attach, register, resume
from clew.tree.machine.knowledge import HELD, find_unknown
from clew.tree.machine.messages import receive
from clew.tree.machine.retiring import retire
from clew.tree.machine.scheduling import schedule, unschedule
from clew.tree.machine.state import Draft, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any

    from clew.access.authority import Grant
    from clew.tree.machine.app import App
    from clew.tree.machine.effects import Step
    from clew.tree.machine.events import Event
    from clew.tree.machine.options import TreeOptions
    from clew.tree.machine.record import CommandRecord

# Each rule takes the event of its own kind.
_RULES: Final[dict[type[Event], Callable[[Draft, Any], None]]] = {
    events.Schedule: schedule,
    events.Unschedule: unschedule,
    events.Command: issue,
    events.Cancel: cancel,
    events.Await: wait,
    events.Forget: forget,
    events.Acked: acknowledge,
    events.Register: register,
    events.Resume: resume,
    events.Attach: attach,
    events.Received: receive,
    events.Left: leave,
    events.Exited: see_exit,
    events.Dropped: drop,
    events.Started: restart,
    events.Retire: retire,
    events.Tick: expire,
}

_OF_COMMANDS: Final = (events.Command, events.Cancel, events.Await)
"""Events that name a command by its correlation id."""


class TreeMachine:
    """Everything that runs, and the rules by which it changes. Pure: time comes with each event.

    It holds every live app, the ended ones that something still hangs on, and as many of the
    others as `options.ENDED_MAX`; what else an event speaks of it must be shown first::

        while ids := machine.unknown(event):
            for app_id in ids: machine.learn(...) or machine.learn_absent(app_id)
        for correlation_id in machine.unknown_commands(event):
            machine.learn_command(correlation_id, records)
        step = machine.handle(event, now)
    """

    def __init__(
        self,
        options: TreeOptions,
        apps: Iterable[App] = (),
        commands: Iterable[CommandRecord] = (),
    ) -> None:
        """Start from what is kept: apps that are live or crashed lately, and open commands.

        `commands` are all targets of every correlation id of which one is not over, in the order
        in which they were issued.
        """
        self._tree = Tree(options)
        self._draft = Draft(self._tree)
        for app in apps:
            self.learn(app)
        for order in self._tree.orders.load(commands):
            self._tree.timers.put(order.deadline, order.correlation_id, is_order=True)

    def unknown(self, event: Event) -> tuple[str, ...]:
        """Return ids of apps that it must be shown before it can take the event.

        Ask again after they were shown: an app may lead to its ancestors.
        """
        return find_unknown(self._tree, event)

    def is_ready(self, event: Event) -> bool:
        """Whether it has been shown all that it must be before it can take the event."""
        if type(event) in HELD:
            return True
        return not (self.unknown(event) or self.unknown_commands(event))

    def learn(self, app: App) -> None:
        """Take an app from the registry that it did not know."""
        tree = self._tree
        tree.put(app)
        if app.seq:
            tree.floors[app.app_id, False] = app.seq
        if app.agent_seq:
            tree.floors[app.app_id, True] = app.agent_seq

    def learn_absent(self, app_id: str) -> None:
        """Take it that there is no such app."""
        self._tree.forest.learn_absent(app_id)

    def unknown_commands(self, event: Event) -> tuple[str, ...]:
        """Return correlation ids of commands that it must be shown before it can take the event."""
        if not isinstance(event, _OF_COMMANDS):
            return ()
        is_known = self._tree.orders.is_known(event.correlation_id)
        return () if is_known else (event.correlation_id,)

    def learn_command(self, correlation_id: str, records: Iterable[CommandRecord]) -> None:
        """Take a command from the registry, all its targets; none tell that there is no such."""
        self._tree.orders.load(records)
        if self._tree.orders.find(correlation_id) is None:
            self._tree.orders.learn_absent(correlation_id)

    def permit(
        self, grants: Iterable[Grant], role_refs: Mapping[str, Collection[Grant]] | None = None
    ) -> None:
        """Take all grants that are in force, in place of those before.

        `role_refs` are the grants of each ref by its name, whatever their `app_id` says: they hold
        for each app that lists the ref.
        """
        self._tree.permissions.replace(grants, role_refs or {})

    def find(self, app_id: str) -> App | None:
        """Return an app that it holds: live, or ended and still known."""
        return self._tree.forest.find(app_id)

    def next_deadline(self) -> int | None:
        """Return when a `Tick` must come at the latest, None while nothing waits for time."""
        due = (self._tree.timers.next(), self._tree.denials.next())
        return min((each for each in due if each is not None), default=None)

    def handle(self, event: Event, now: int) -> Step:
        """Take an event that happened at `now`; the effects are for after the changes are kept.

        Time does not go back: an earlier `now` than the last counts as the last.
        """
        tree = self._tree
        tree.now = now = max(now, tree.now)
        draft = self._draft
        draft.begin(now)
        _RULES[type(event)](draft, event)
        if draft.has_consequences:
            settle(draft)
        tree.timers.clear_top()
        return draft.step()
