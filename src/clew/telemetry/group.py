"""Documents of a group of servers: who leads, how far the others are, what a promotion came to."""

from __future__ import annotations

import msgspec


class PeerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Another server of the group, as the one that was asked knows it.

    `acked` is the newest frame that it has on disk, `behind` how many it lacks; both are null
    where nothing was heard from it. `detail` says why, where something is not well. `required_acks`
    is how many others must have what is acknowledged where it leads; null where it does not say.
    """

    url: str
    ok: bool
    acked: int | None = None
    behind: int | None = None
    detail: str | None = None
    required_acks: int | None = None


class GroupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server stands in its group.

    `enabled` is false for a server that runs alone, which leads nobody and follows nobody. `role`
    is `leader`, `standby` or `alone`. `leader` and `leader_url` are who leads under `epoch`, as far
    as is known here. `behind` is how many frames of that leader are known of and not yet here.
    `required_acks` is how many others must have what is acknowledged. `detail` says what keeps this
    server from leading, where it was to; `warning` in what the settings of the servers differ that
    should be alike.
    """

    enabled: bool
    role: str
    is_leader: bool
    node_id: str | None = None
    url: str | None = None
    epoch: int = 0
    leader: str | None = None
    leader_url: str | None = None
    acked: int = 0
    behind: int | None = None
    required_acks: int = 0
    lease: str | None = None
    peers: list[PeerStatus] = []
    detail: str | None = None
    warning: str | None = None


class PromotionAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to promote: `force` where it cannot be known that nothing acknowledged is missing."""

    force: bool = False


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion that is under way.

    The server's doors close and open again; whether it leads then is in `GroupStatus`. `heard` is
    how many servers of the group answered, itself among them, of the `needed`. `epoch` is what it
    will lead under at least.
    """

    epoch: int
    heard: int
    needed: int
    forced: bool
