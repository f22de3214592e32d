"""What one request learns where there are several servers: who is missing, and what got where.

Theory of operation. A query tier asks shards deep below the surface, in whatever module needs rows.
That a shard did not answer is no error there, but it is said in every answer, so it is noted in the
request's `Gathering`, which a context variable holds; whoever encodes the answer reads it. The
moment is the newest frame of each shard as the request found it; a cursor carries it, so that the
pages that follow are cut from what the first page was cut from.

A shard may be a group of servers of which none leads at the moment, and then one of its standbys
answers: that is noted too, and where it is known to lack something of what was asked for.

What is written to a group of servers is noted likewise: how many of them have it is said with the
answer, wherever that is encoded.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTIAL_HEADER: Final = "x-clew-partial"
"""Names, with commas between, the shards that an answer lacks."""


STANDBY_HEADER: Final = "x-clew-standby"
"""Names the shards that a standby answered for, since no server of theirs that leads did, or one
that has just begun to lead."""

ROLE_HEADER: Final = "x-clew-role"
"""What a server of a group says of itself with every answer: one of these roles."""

LEADER: Final = "leader"
BEGINNING: Final = "beginning"
"""It leads, and what it found undecided when it began is not acknowledged yet by as many others as
it takes: some of it may have been acknowledged by whoever led before, and is not shown yet."""

STANDBY: Final = "standby"
OPENING: Final = "opening"
"""Its doors are about to open. Of this one and a standby it is certain that what is written was not
done."""

LEADING: Final = frozenset({LEADER, BEGINNING})
UNSURE: Final = frozenset({STANDBY, BEGINNING})
"""Roles of servers that may not show yet what was acknowledged last."""

ACKS_HEADER: Final = "x-clew-acks"
"""How many servers have what was written, told with each success where there are several: over gRPC
as trailing metadata, over MCP in the `_meta` of a result."""


@dataclass(frozen=True, slots=True)
class Shard:
    """What holds a part of the data: a server, or a group of servers that have the same.

    `name` is what it is called, `url` where it is, and `others` where the others of its group are.
    """

    name: str
    url: str
    others: tuple[str, ...] = ()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where its servers are."""
        return (self.url, *self.others)

    @property
    def where(self) -> str:
        """Its addresses, to be read by a person."""
        return " or ".join(self.urls)


@dataclass(slots=True)
class Gathering:
    """One request, to a tier over shards; `shards` are their names, none if the server is no tier.

    `missing`: why each missing shard did not answer, by name. `standbys` are the shards that a
    server of an `UNSURE` role answered for, and `behind` says why of those that are known to lack a
    part of what was asked for. `key` is the API key of whoever asks: shards are shown it where the
    tier has none of its own.

    `frames` is the moment that answers are cut at, a frame for each shard in their order, 0 for one
    that is left out; None before the first reading, and on a server that is no tier. `is_pinned`:
    a cursor said so, and nothing found later counts.

    `copies` is how many servers of a group have what was written last; None where nothing was, or
    to a server alone.
    """

    shards: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    behind: dict[str, str] = field(default_factory=dict)
    standbys: set[str] = field(default_factory=set)
    key: str | None = field(default=None, repr=False)
    frames: tuple[int, ...] | None = None
    is_pinned: bool = False
    copies: int | None = None

    @property
    def missing_shards(self) -> list[str]:
        """The names of the shards of which something is missing, sorted."""
        return sorted(self.missing | self.behind)


GATHERING: Final[ContextVar[Gathering | None]] = ContextVar("clew.gathering", default=None)
"""That of the request which is being answered."""


@contextmanager
def gather(shards: Iterable[str] = (), key: str | None = None) -> Iterator[Gathering]:
    """Begin the gathering of one request over these shards; what the block does belongs to it."""
    begun = Gathering(tuple(shards), key=key)
    token = GATHERING.set(begun)
    try:
        yield begun
    finally:
        GATHERING.reset(token)


@contextmanager
def gather_apart() -> Iterator[Gathering]:
    """Begin a gathering for a part of a request that its answer does not show.

    Who is missing there is not noted in the answer; it is asked with the key of the same caller.
    """
    whole = GATHERING.get() or Gathering()
    with gather(whole.shards, whole.key) as begun:
        yield begun


def note_missing(name: str, why: str) -> None:
    """Take note that a shard did not answer; nothing where no request is being answered."""
    gathering = GATHERING.get()
    if gathering is not None:
        gathering.missing.setdefault(name, why)


def note_behind(name: str, why: str) -> None:
    """Take note that what a shard answered lacks something; nothing outside of a request."""
    gathering = GATHERING.get()
    if gathering is not None:
        gathering.behind.setdefault(name, why)


def note_standby(name: str) -> None:
    """Take note that a server of an `UNSURE` role answered; nothing outside of a request."""
    gathering = GATHERING.get()
    if gathering is not None:
        gathering.standbys.add(name)


def standby_shards() -> list[str]:
    """Return the names of the shards that standbys answered for, sorted."""
    gathering = GATHERING.get()
    return [] if gathering is None else sorted(gathering.standbys)


def missing_shards() -> list[str]:
    """Return the names of the shards that the answer under way lacks, sorted."""
    gathering = GATHERING.get()
    return [] if gathering is None else gathering.missing_shards


def count_copies() -> int | None:
    """Return how many servers have what the request wrote last, None where there is one."""
    gathering = GATHERING.get()
    return None if gathering is None else gathering.copies


def note_copies(copies: int) -> None:
    """Take note of how many servers have what was written; nothing outside of a request."""
    gathering = GATHERING.get()
    if gathering is not None:
        gathering.copies = copies
