"""What the servers of a group promise, held against one another.

How many standbys must have a record is each server's own setting, and counts where it leads. So
with different ones a promise changes with the leader, and nobody would know before something is
lost. It is changed by restarting one server after the other, so a difference is told and nothing is
refused. Leader and standbys hear of each other's with what is shipped.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.store.replication.status import GroupStatus

logger = logging.getLogger(__name__)


class Promises:
    """What was heard of other servers, over all roles of this one. Safe from any thread."""

    def __init__(self, own: int) -> None:
        """`own` is how many standbys a record waits for where this server leads."""
        self._own = own
        self._heard: dict[str, int] = {}
        self._lock = threading.Lock()

    def hear(self, url: str, required: int) -> None:
        """Take note of what another server has a record wait for; say so where it is news."""
        with self._lock:
            before = self._heard.get(url, self._own)
            self._heard[url] = required
        if required == before:
            return
        if required != self._own:
            logger.warning("%s", describe_difference(self._own, [(url, required)]))
        else:
            logger.info("%s has the same --required-acks as this server now", url)


def find_difference(own: int, told: GroupStatus) -> str | None:
    """Return which other servers a record would wait for otherwise, None where none is known."""
    heard = [(each.url, each.required) for each in told.standbys]
    if told.role != "leader":
        heard = [(told.leader_url or told.leader or "the leader", told.leader_required)]
    differing = [(url, each) for url, each in heard if each is not None and each != own]
    return describe_difference(own, differing) if differing else None


def describe_difference(own: int, others: list[tuple[str, int]]) -> str:
    """Return what to say of servers whose setting is another than this one's."""
    told = ", ".join(f"{url} has --required-acks {required}" for url, required in others)
    return (
        f"{told} and this server {own}: how many have what is acknowledged depends on which of "
        "them leads; give all the same"
    )
