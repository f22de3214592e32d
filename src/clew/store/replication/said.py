"""What a leader and a standby say to one another besides frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.store.replication import wire
from clew.store.replication.position import encode_starts, parse_starts
from clew.store.replication.standing import EPOCH_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.replication.standing import Led, Starts

NUMBER_MAX: Final = 2**63 - 1
"""No frame has a larger number."""


Extent = tuple[int, int]
"""How much of the log a server has: the epoch of its newest frame, and that frame's number. Of two
logs the larger one has all that was acknowledged."""


class Need(StrEnum):
    """Why a standby needs a snapshot."""

    BEHIND = "it is further behind than the leader's log reaches back"
    DIVERGED = "its engine has frames that the leader does not have"
    FOREIGN = "its data is not of this group"
    REGISTRY = "its registry is not the leader's"


TWIN_HINT: Final = (
    "name each of the other servers once with --standby; a standby begins with an empty --data-dir "
    "and copies what there is by itself"
)
"""What to do where one id is told by two servers."""


class GapError(ClewError):
    """Frames before those that were sent are missing; `expected` is the first of them."""

    def __init__(self, expected: int) -> None:
        super().__init__(
            ErrorCode.NOT_FOUND,
            f"frames from {expected} on are missing here",
            hint="send those first",
        )
        self.expected = expected


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a server of the group answers a leader.

    `acked` is the newest frame that it has synced, `last` the newest that it wrote, of epoch
    `last_epoch`; `snapshot` says why it needs one. `required` is how many standbys each record
    would wait for if it led; None where it does not say.
    """

    acked: int
    epoch: int
    node_id: str | None = None
    last: int = 0
    last_epoch: int | None = None
    snapshot: str | None = None
    required: int | None = None

    @property
    def extent(self) -> Extent:
        """How much of the log it has."""
        return (self.last_epoch or 0, self.last)


@dataclass(frozen=True, slots=True)
class Shipment:
    """What the headers of a leader's request say.

    Without `starts` it is a claim: from now on the sender leads, and wants to know how far this
    server is. Its `extent` is how much of the log it has; who has more says so, and goes on as
    before. Else its frames follow on number `after`, those up to `acked` are acknowledged, and
    its log has every frame after `oldest` up to `last`. A record is acknowledged once `required`
    standbys have it; a claim says so too, since what its sender acknowledges may be missing here.
    """

    epoch: int
    node: str
    url: str | None
    group: str | None = None
    after: int = 0
    acked: int = 0
    oldest: int = 0
    last: int = 0
    starts: Starts | None = None
    origin: str = ""
    required: int | None = None
    extent: Extent | None = None

    @property
    def led(self) -> Led:
        """The leadership that came to be, as this shows: none where it is a claim."""
        return (0, None) if self.starts is None else (self.epoch, self.node)

    def headers(self) -> dict[str, str]:
        """Return the headers."""
        headers = {
            wire.EPOCH_HEADER: str(self.epoch),
            wire.NODE_HEADER: self.node,
            wire.LEADER_HEADER: self.url or "",
        }
        if self.required is not None:
            headers[wire.REQUIRED_HEADER] = str(self.required)
        if self.starts is None:
            if self.extent is not None:
                headers[wire.EXTENT_HEADER] = "{}:{}".format(*self.extent)
            return headers
        return {
            **headers,
            wire.GROUP_HEADER: self.group or "",
            wire.AFTER_HEADER: str(self.after),
            wire.ACKED_HEADER: str(self.acked),
            wire.OLDEST_HEADER: str(self.oldest),
            wire.LAST_HEADER: str(self.last),
            wire.STARTS_HEADER: encode_starts(self.starts),
            wire.ORIGIN_HEADER: self.origin,
        }

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Shipment:
        """Return what headers say, names in lower case.

        Raises:
            ClewError: INVALID_ARGUMENT.
        """
        starts = headers.get(wire.STARTS_HEADER)
        required = headers.get(wire.REQUIRED_HEADER)

        def number(name: str) -> int:
            return _parse_number(headers.get(name, "0"), NUMBER_MAX)

        try:
            return cls(
                # One that no frame has room for would be on disk for ever: nobody could lead after.
                epoch=_parse_number(headers[wire.EPOCH_HEADER], EPOCH_MAX),
                node=headers[wire.NODE_HEADER],
                url=headers.get(wire.LEADER_HEADER) or None,
                group=headers.get(wire.GROUP_HEADER) or None,
                after=number(wire.AFTER_HEADER),
                acked=number(wire.ACKED_HEADER),
                oldest=number(wire.OLDEST_HEADER),
                last=number(wire.LAST_HEADER),
                starts=None if starts is None else parse_starts(starts),
                origin=headers.get(wire.ORIGIN_HEADER, ""),
                required=None if required is None else _parse_number(required, NUMBER_MAX),
                extent=_parse_extent(headers.get(wire.EXTENT_HEADER)),
            )
        except (KeyError, ValueError) as error:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"the request does not say who leads: {error}",
                hint=f"it needs {wire.EPOCH_HEADER} and {wire.NODE_HEADER}",
            ) from error


def _parse_number(text: str, largest: int) -> int:
    """Return a whole number as a header carries it.

    Raises:
        ValueError: it is none, or not between 0 and `largest`.
    """
    value = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= value <= largest:
        raise ValueError(f"{text[:40]!r} is no number from 0 to {largest}")
    return value


def _parse_extent(text: str | None) -> Extent | None:
    """Return what a claim says of its sender's log.

    Raises:
        ValueError: it says something else.
    """
    if text is None:
        return None
    epoch, _, last = text.partition(":")
    return (_parse_number(epoch, EPOCH_MAX), _parse_number(last, NUMBER_MAX))


def check_not_own(shipment: Shipment, node_id: str) -> None:
    """Raise unless a request is of another server than the one that it reached.

    Raises:
        ClewError: CONFLICT. Two servers with one id would take one another for the same leader.
    """
    if shipment.node == node_id:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"the server that sent this has the id of the one that it reached, {node_id}",
            hint=TWIN_HINT,
        )
