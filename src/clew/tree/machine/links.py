"""Which socket speaks for which app."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from clew.tree.machine.options import MASS_DROP_LINKS, MASS_DROP_WITHIN

NO_CAPABILITIES: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Link:
    """A socket: the apps that speak on it, and those for which an agent speaks on it."""

    apps: dict[str, None] = field(default_factory=dict)
    agents: dict[str, None] = field(default_factory=dict)


class Links:
    """All open sockets that speak for an app.

    A socket that the server has told to close speaks for nobody from then on, whatever still
    comes from it before it is gone.
    """

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._closed: set[int] = set()
        self._app_link: dict[str, int] = {}
        self._agent_link: dict[str, int] = {}
        self._capabilities: dict[str, frozenset[str]] = {}
        self._drops: deque[int] = deque(maxlen=MASS_DROP_LINKS)
        self._is_mass = False

    def of_app(self, app_id: str) -> int | None:
        """Return the socket on which an app speaks for itself."""
        return self._app_link.get(app_id)

    def of_agent(self, app_id: str) -> int | None:
        """Return the socket of the agent that watches an app's process."""
        return self._agent_link.get(app_id)

    def is_reached(self, app_id: str) -> bool:
        """Whether anybody speaks for the app."""
        return app_id in self._app_link or app_id in self._agent_link

    def can(self, app_id: str, capability: str) -> bool:
        """Whether the app said on its socket that it understands something."""
        return capability in self._capabilities.get(app_id, NO_CAPABILITIES)

    def is_closed(self, link: int) -> bool:
        """Whether the socket was told to close."""
        return link in self._closed

    def is_empty(self, link: int) -> bool:
        """Whether nobody speaks on the socket."""
        bound = self._links.get(link)
        return bound is None or not (bound.apps or bound.agents)

    def bind(self, link: int, app_id: str, capabilities: frozenset[str]) -> int | None:
        """Let an app speak on a socket; return the other socket on which it spoke before."""
        before = self._app_link.get(app_id)
        if before is not None and before != link:
            self.unbind(app_id)
        self._links.setdefault(link, Link()).apps[app_id] = None
        self._app_link[app_id] = link
        if capabilities:
            self._capabilities[app_id] = capabilities
        else:
            self._capabilities.pop(app_id, None)
        return before if before != link else None

    def unbind(self, app_id: str) -> None:
        """Let an app speak nowhere."""
        link = self._app_link.pop(app_id, None)
        self._capabilities.pop(app_id, None)
        if link is not None:
            self._links[link].apps.pop(app_id, None)
            self._clear(link)

    def attach(self, link: int, app_id: str) -> None:
        """Let an agent speak for an app's process, in place of one before it."""
        before = self._agent_link.pop(app_id, None)
        if before is not None:
            self._links[before].agents.pop(app_id, None)
            if before != link:
                self._clear(before)
        self._links.setdefault(link, Link()).agents[app_id] = None
        self._agent_link[app_id] = link

    def detach(self, app_id: str) -> None:
        """Let no agent speak for an app."""
        link = self._agent_link.pop(app_id, None)
        if link is not None:
            self._links[link].agents.pop(app_id, None)
            self._clear(link)

    def close(self, link: int) -> None:
        """Take note that the socket was told to close."""
        self.drop(link)
        self._closed.add(link)

    def drop(self, link: int) -> Link:
        """Forget a socket; return who spoke on it."""
        self._closed.discard(link)
        bound = self._links.pop(link, None)
        if bound is None:
            return Link()
        for app_id in bound.apps:
            del self._app_link[app_id]
            self._capabilities.pop(app_id, None)
        for app_id in bound.agents:
            del self._agent_link[app_id]
        return bound

    def note_drop(self, now: int) -> tuple[bool, bool]:
        """Take note of a drop at `now`; tell whether it is of very many, and the first found so."""
        was_mass = self._is_mass
        self._drops.append(now)
        is_full = len(self._drops) == MASS_DROP_LINKS
        self._is_mass = is_full and now - self._drops[0] <= MASS_DROP_WITHIN
        return self._is_mass, self._is_mass and not was_mass

    def _clear(self, link: int) -> None:
        if self.is_empty(link):
            del self._links[link]
