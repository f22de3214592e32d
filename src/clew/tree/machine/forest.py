"""The apps that the machine holds, and how they hang together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from clew.tree.machine.options import ENDED_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.tree.machine.app import App


# More than one at a time, so that they get fewer again when what needed them is gone.
TRIES_MAX: Final = 4


class Forest:
    """Live apps, ended ones, and ids that are known to be nobody's.

    `children` of an app are those that are live, or have live ones below them: so every live app
    is found from each of its ancestors, held or not, and costs nothing once it has ended. The ended
    that nothing needs are kept, newest last, up to a limit; `is_needed` tells of others.
    """

    def __init__(self, is_needed: Callable[[App], bool], is_gone: Callable[[str], None]) -> None:
        """Ask `is_needed` before an ended app goes, and tell `is_gone` of it when it went."""
        self._is_needed = is_needed
        self._is_gone = is_gone
        self._apps: dict[str, App] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._absent: OrderedDict[str, None] = OrderedDict()

    @property
    def live_count(self) -> int:
        """How many apps are live."""
        return len(self._apps) - len(self._ended)

    def find(self, app_id: str) -> App | None:
        """Return an app that is held."""
        return self._apps.get(app_id)

    def is_known(self, app_id: str) -> bool:
        """Whether it is held, or known to be nobody's."""
        return app_id in self._apps or app_id in self._absent

    def child_ids(self, app_id: str) -> tuple[str, ...]:
        """Return the children that are live or lead to live ones, in the order in which they came.

        Others than live ones may be among them.
        """
        return tuple(self._children.get(app_id, ()))

    def child_count(self, app_id: str) -> int:
        """Return how many children that are."""
        return len(self._children.get(app_id, ()))

    def live(self) -> Iterator[App]:
        """Yield all live apps."""
        for app in self._apps.values():
            if not app.is_terminal:
                yield app

    def subtree(self, app: App, *, with_detached: bool = True) -> list[App]:
        """Return the app and all live ones below it, parents before children.

        Without those that are detached, unless they are wanted, and without what is below these.
        """
        found = [app]
        waiting = [app.app_id]
        for app_id in waiting:
            for child_id in self._children.get(app_id, ()):
                child = self._apps.get(child_id)
                if child is not None and not child.is_terminal:
                    if child.orphans.detached and not with_detached:
                        continue
                    found.append(child)
                if child_id in self._children:
                    waiting.append(child_id)
        return found

    def current_path(self, app: App) -> tuple[str, ...]:
        """Return the path of an app as it is now.

        What was kept of one that has ended may be older than an adoption above it.
        """
        if not app.is_terminal:
            return app.path
        for depth in range(len(app.path) - 2, -1, -1):
            above = self._apps.get(app.path[depth])
            if above is not None and not above.is_terminal:
                return (*above.path, *app.path[depth + 1 :])
        return app.path

    def learn_absent(self, app_id: str) -> None:
        """Take it that an id is nobody's."""
        self._absent[app_id] = None
        self._absent.move_to_end(app_id)
        if len(self._absent) > ENDED_MAX:
            self._absent.popitem(last=False)

    def put(self, app: App) -> None:
        """Hold an app as it stands now, in place of what was held of it."""
        app_id = app.app_id
        before = self._apps.get(app_id)
        self._apps[app_id] = app
        is_live = not app.is_terminal
        if is_live and before is not None and before.path == app.path and not before.is_terminal:
            # It hangs where it hung: most changes are of a number.
            return
        self._absent.pop(app_id, None)
        if before is not None and before.path != app.path:
            self._unhang(before)
        if not is_live:
            self._ended[app_id] = None
            self._ended.move_to_end(app_id)
            if app_id not in self._children:
                self._unhang(app)
            else:
                self._hang(app)
            self._let_go()
        else:
            self._ended.pop(app_id, None)
            self._hang(app)

    def forget(self, app_id: str) -> None:
        """Hold an ended app no more; nothing below it is held."""
        self._ended.pop(app_id, None)
        if self._apps.pop(app_id, None) is not None:
            self._is_gone(app_id)

    def _hang(self, app: App) -> None:
        """Hang it below its parent, and ancestors that are not live below theirs: they lead to it.

        By the path: an ancestor need not be held.
        """
        for parent_id, app_id in _edges(app):
            below = self._children.setdefault(parent_id, {})
            if app_id in below:
                return
            below[app_id] = None
            if self._is_live(parent_id):
                return

    def _unhang(self, app: App) -> None:
        """Take it from its parent, and ancestors that lead nowhere now from theirs."""
        for parent_id, app_id in _edges(app):
            below = self._children.get(parent_id)
            if below is None or app_id not in below:
                return
            del below[app_id]
            if below:
                return
            del self._children[parent_id]
            if self._is_live(parent_id):
                return

    def _is_live(self, app_id: str) -> bool:
        app = self._apps.get(app_id)
        return app is not None and not app.is_terminal

    def _let_go(self) -> None:
        """Let go of some of the oldest ended apps that nothing needs, while there are too many.

        Only a few at a time are looked at, and those that are needed go to the end of the queue.
        """
        for _ in range(min(TRIES_MAX, len(self._ended) - ENDED_MAX)):
            app_id = next(iter(self._ended))
            app = self._apps[app_id]
            if self._is_needed(app):
                self._ended.move_to_end(app_id)
            else:
                del self._ended[app_id]
                del self._apps[app_id]
                self._is_gone(app_id)


def _edges(app: App) -> Iterator[tuple[str, str]]:
    """Yield parent and child on the path of an app, from the app up."""
    path = app.path
    for depth in range(len(path) - 1, 0, -1):
        yield path[depth - 1], path[depth]
