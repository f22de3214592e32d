"""Documents of several servers: who leads a group and how far the others are, how shards are."""

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
    as is known here. `acked` is the newest acknowledged frame that is known of and here, `last` the
    newest that is written here; `behind` is how many frames of that leader are not yet here.
    `required_acks` is how many others must have what is acknowledged. `group` is the id of the
    group, null before its log is of one. `settled` is false of a leader that does not show yet what
    it found undecided when it began: a former leader may have acknowledged it. `others` are the
    addresses of the others, as this server was given them. Of a standby, `heard_seconds` is how
    long ago its leader was heard, null before it ever was. `lease` is where the lease is kept;
    `lease_holder` is the address of whoever holds it as far as is known here, for
    `lease_seconds_left` yet: 0 where it has ended. `lease_error` says why it could not be asked
    last. `detail` says what keeps this server from leading, where it was to; `warning` in what the
    settings of the servers differ that should be alike.
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
    last: int = 0
    behind: int | None = None
    required_acks: int = 0
    group: str | None = None
    settled: bool = True
    others: list[str] = []
    heard_seconds: float | None = None
    lease: str | None = None
    lease_holder: str | None = None
    lease_seconds_left: float | None = None
    lease_error: str | None = None
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


class ShardMember(msgspec.Struct, frozen=True, kw_only=True):
    """One of the servers of a shard that is a group, by what it says of itself.

    `leads` is true of the one that the shard's questions and writes go to as its leader; `role` is
    `leader`, `standby` or `alone`, null where it does not say. `newest_frame` is the newest that it
    shows, and `version` what it runs. `error` says why it did not answer.
    """

    url: str
    reachable: bool
    role: str | None = None
    leads: bool = False
    epoch: int | None = None
    newest_frame: int | None = None
    latency_ms: float | None = None
    error: str | None = None
    version: str | None = None


class ShardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of a query tier. `newest_frame` is the newest that it has acknowledged.

    Where it is a group, `members` are its servers, `leader` is the one that leads, null where none
    does, and `url` the one that is asked. `version` is what that one runs. `warning` says what is
    not well though it answers, and `advice` what to do. One that `refuses` is there and does not
    let the tier ask, so nothing is answered.
    """

    name: str
    url: str
    reachable: bool
    latency_ms: float | None
    newest_frame: int | None
    error: str | None
    leader: str | None = None
    warning: str | None = None
    members: list[ShardMember] = []
    version: str | None = None
    advice: str | None = None
    refuses: bool = False


class ShardList(msgspec.Struct, frozen=True, kw_only=True):
    """The shards of a query tier, by name."""

    shards: list[ShardStatus]
    count: int
    total: int
    truncated: bool
