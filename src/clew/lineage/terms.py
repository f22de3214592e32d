"""What is said of node ids on lease, between a process and the server. Light install."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from clew.base.times import NS_PER_S, TIME_NS_MAX

NODE_MIN: Final = 1
"""0 is legal where it is given by hand, and never on lease: elsewhere it means none."""

NODE_MAX: Final = 1023
"""Of the ten bits that ids have for it."""

LEASE_SECONDS: Final = 30
"""How long a lease lasts that is not renewed. A process renews thrice in that time, so that two
answers may get lost."""

RENEW_SECONDS: Final = 10

COOLDOWN_SECONDS: Final = 600
"""How long nobody gets a node id whose lease ended. A process that begins with it must not give out
ids of before: its clock may be behind that of the one before it by so much, which no machine is
that asks for the time at all."""

LEASE_NS: Final = LEASE_SECONDS * NS_PER_S
COOLDOWN_NS: Final = COOLDOWN_SECONDS * NS_PER_S

NAME_CHARS_MAX: Final = 253
"""Of a process and a host: as long as a host's name may be."""

LEASES_SHOWN_MAX: Final = NODE_MAX

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^[^\x00]*$")]


class NewLease(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who asks for a node id. The same process gets the same id, however often it asks.

    `node_id` is wished: it is that one or none.
    """

    process: _Name
    """What tells processes of a host apart, such as the process id."""

    host: _Name
    started_at: Annotated[int, msgspec.Meta(ge=0, le=TIME_NS_MAX)]
    """When the process began, in Unix nanoseconds: process ids come again."""

    node_id: Annotated[int, msgspec.Meta(ge=NODE_MIN, le=NODE_MAX)] | None = None


class Lease(msgspec.Struct, kw_only=True, frozen=True):
    """A node id, and who has it. Times are the server's."""

    id: str
    node_id: int
    process: str
    host: str
    started_at: str
    leased_at: str
    leased_by: str
    expires_at: str
    released_at: str | None = None
    renew_seconds: int = RENEW_SECONDS
    lease_seconds: int = LEASE_SECONDS
    free_since: str | None = None
    """When the lease before this one ended: no id of the node is younger."""


class LeaseList(msgspec.Struct, kw_only=True, frozen=True):
    """Leases, those that began last first."""

    leases: list[Lease]
    count: int
    total: int
    truncated: bool = False
    next: str | None = None


class LeaseQuery(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The last lease of every node id; or all of one id, those that ended long ago aside."""

    node_id: Annotated[int, msgspec.Meta(ge=NODE_MIN, le=NODE_MAX)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LEASES_SHOWN_MAX)] = LEASES_SHOWN_MAX
