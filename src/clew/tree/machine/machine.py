"""The tree as one object: events in, steps out. Its rules live in the modules beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.tree.machine.effects import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from clew.access.authority import Grant
    from clew.tree.machine.app import App
    from clew.tree.machine.events import Event
    from clew.tree.machine.options import TreeOptions
    from clew.tree.machine.record import CommandRecord


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
        raise NotImplementedError

    def unknown(self, event: Event) -> tuple[str, ...]:
        """Return ids of apps that it must be shown before it can take the event.

        Ask again after they were shown: an app may lead to its ancestors.
        """
        raise NotImplementedError

    def learn(self, app: App) -> None:
        """Take an app from the registry that it did not know."""
        raise NotImplementedError

    def learn_absent(self, app_id: str) -> None:
        """Take it that there is no such app."""
        raise NotImplementedError

    def unknown_commands(self, event: Event) -> tuple[str, ...]:
        """Return correlation ids of commands that it must be shown before it can take the event."""
        raise NotImplementedError

    def learn_command(self, correlation_id: str, records: Iterable[CommandRecord]) -> None:
        """Take a command from the registry, all its targets; none tell that there is no such."""
        raise NotImplementedError

    def permit(
        self, grants: Iterable[Grant], role_refs: Mapping[str, Collection[Grant]] | None = None
    ) -> None:
        """Take all grants that are in force, in place of those before.

        `role_refs` are the grants of each ref by its name, whatever their `app_id` says: they hold
        for each app that lists the ref.
        """
        raise NotImplementedError

    def find(self, app_id: str) -> App | None:
        """Return an app that it holds: live, or ended and still known."""
        raise NotImplementedError

    def next_deadline(self) -> int | None:
        """Return when a `Tick` must come at the latest, None while nothing waits for time."""
        raise NotImplementedError

    def handle(self, event: Event, now: int) -> Step:
        """Take an event that happened at `now`; the effects are for after the changes are kept."""
        raise NotImplementedError
