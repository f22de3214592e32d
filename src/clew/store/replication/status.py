"""How a group of servers is, as one of them sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandbyStatus:
    """One of the other servers, as its leader sees it.

    `acked` is the newest frame that it has synced; it is `frames_behind` and `bytes_behind` what is
    written here, at most. `state` is one of `PeerState`; `error` says what is wrong at present.
    `required` is how many standbys a record would wait for if it led, None where it does not say.
    """

    url: str
    node_id: str | None
    state: str
    acked: int
    frames_behind: int
    bytes_behind: int
    error: str | None
    required: int | None = None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group at one moment.

    `role` is leader or standby. `acked` is the newest acknowledged frame, `last` the newest that is
    written here. `required` standbys must have a frame before it is acknowledged. `need` says why
    this server needs a snapshot, if it does. Of a standby, `leader_acked` and `leader_last` are
    what its leader last said, `heard_s` seconds ago, and `leader_required` how many standbys that
    one has a record wait for. `is_settled` is false of a leader that does not show yet what it
    found undecided when it began.
    """

    role: str
    node_id: str
    epoch: int
    leader: str | None
    leader_url: str | None
    required: int
    acked: int
    last: int
    is_fenced: bool = False
    standbys: tuple[StandbyStatus, ...] = ()
    leader_acked: int | None = None
    leader_last: int | None = None
    leader_required: int | None = None
    need: str | None = None
    heard_s: float | None = None
    is_settled: bool = True
