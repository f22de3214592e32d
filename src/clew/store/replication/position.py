"""How far a log is, and up to where two logs are the same.

Theory of operation. The frames of an epoch are written by one server alone, in order, and every
other server takes them in that order. So two logs that both have frames of an epoch are the same up
to where that epoch ends in the shorter one, and everything before it is the same as well. After the
end of the newest epoch that they share they may differ. No frame is compared for this, only the
first numbers of epochs.

Two servers that do not reach one another may both take one epoch: each finds that nobody had it.
Neither has anything acknowledged under it, since whoever would acknowledge knows of one of them.
Their frames differ all the same, so an epoch counts as shared only where it begins with one number
in both logs: two servers that took it with the same log wrote nothing under it but that it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from clew.store.replication.standing import Starts

WITHOUT_END: Final = 2**64
"""Where the epoch of a leader that is still writing ends."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a log holds: frames up to `last`, those of each epoch from its start on.

    Before the first start lie frames of when the server was alone.
    """

    starts: Starts
    last: int

    def end_of(self, epoch: int) -> int | None:
        """Return the last number that an epoch may have here, None when it has none."""
        for at, (held, first) in enumerate(self.starts):
            if held == epoch:
                following = self.starts[at + 1][1] - 1 if at + 1 < len(self.starts) else self.last
                end = min(following, self.last)
                return end if end >= first else None
        return None

    def epoch_at(self, number: int) -> int | None:
        """Return the epoch of a frame, None when it is older than what is remembered."""
        found = None
        for epoch, first in self.starts:
            if first > number:
                break
            found = epoch
        return found


def find_common(ours: Position, theirs: Position) -> int | None:
    """Return the last number up to which two logs are the same.

    None when they share no epoch that has frames in both: they may differ from the beginning. Of
    ours without any frame it is 0: that is the beginning of every other.
    """
    if not ours.last:
        return 0
    for start in reversed(ours.starts):
        if start not in theirs.starts:
            continue
        here, there = ours.end_of(start[0]), theirs.end_of(start[0])
        if here is not None and there is not None:
            return min(here, there)
    return None


def encode_starts(starts: Starts) -> str:
    """Return epochs and their first numbers as a header carries them: ``3:1,4:77``."""
    return ",".join(f"{epoch}:{first}" for epoch, first in starts)


def parse_starts(text: str) -> Starts:
    """Return what `encode_starts` wrote.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")] if text else []
        starts = tuple((int(epoch), int(first)) for epoch, first in pairs)
    except ValueError:
        raise _no_starts(text) from None
    is_below = bool(starts) and (starts[0][0] < 0 or starts[0][1] < 1)
    if is_below or any(b[0] <= a[0] or b[1] <= a[1] for a, b in pairwise(starts)):
        raise _no_starts(text)
    return starts


def _no_starts(text: str) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"no list of epochs: {text[:100]!r}")
