"""Which node a generator is: what it is given counts, then what the server leased, else nothing.

Two producers with one node id make the same ids, and nobody sees it. So there is no default.
"""

from __future__ import annotations

from typing import Protocol

from clew.base.errors import ClewError, ErrorCode


class NodeLease(Protocol):
    """A node id that is this process's alone for as long as it is kept alive.

    The id MUST stay the same while the process lives, and MUST NOT be 0: servers lease 1 to 1023.
    """

    @property
    def node_id(self) -> int:
        """The node id."""
        ...


def resolve_node_id(explicit: int | None, lease: NodeLease | None) -> int:
    """Return the node id to use.

    Raises:
        ClewError: INVALID_ARGUMENT when there is neither.
    """
    if explicit is not None:
        return explicit
    if lease is not None:
        return lease.node_id
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "a generator of trace ids needs a node id",
        hint="give node_id=, one of its own to each producer of the deployment, or lease= one of"
        " a server: clew.lineage.ServerLease()",
    )
