"""The way from every door for link sets to the store, and what is counted on it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_time
from clew.lineage.ingest.decoder import TIME, read_message
from clew.lineage.ingest.record import Message, Named, encode_record
from clew.lineage.numbers import U32_MAX, parse_id, parse_number
from clew.lineage.sbe.cutting import cut_messages
from clew.lineage.sbe.descriptor import DESCRIPTOR_BYTES, FrameDescriptor, encode_descriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import PARENTS_MAX, TraceLinkSet, encode_link_set, size_of
from clew.store.decoder import Decoded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from clew.lineage.exchange.openlineage import NamedDataset
    from clew.lineage.parameters import NewItem, NewLinks, NewLinkSet
    from clew.lineage.sbe.header import Octets

REPLAYED: Final = "replayed"
"""Dropped: the same bytes were kept a while ago."""

HTTP: Final = "http"
"""The name of the REST door, as rows and counters have it."""


@dataclass(slots=True)
class DoorCounters:
    """What became of the messages of one door since the start: the three add up to all.

    `refused` are in disorder or none of ours, by reason; sending them again is useless. `dropped`
    are those that nothing was wrong with, by the reason for which they are not kept. `malformed`
    are bodies in which no messages can be told apart, of which nothing is kept; no messages.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    malformed: int = 0


class LinkIntake:
    """Takes messages from the doors. Belongs to one event loop.

    `accept` makes a record of the log durable: it returns once it would survive a crash.
    """

    def __init__(
        self, accept: Callable[[bytes], Awaitable[Decoded]], now: Callable[[], int]
    ) -> None:
        self._accept = accept
        self._now = now
        self._doors: dict[str, DoorCounters] = {}
        self._watched: list[tuple[str, Callable[[], Mapping[str, int]]]] = []
        self._others: dict[str, Callable[[], DoorCounters]] = {}

    def counters(self) -> dict[str, DoorCounters]:
        """Return what was counted, by door: copies, with what `watch_drops` reads."""
        counted = {
            source: replace(door, refused=door.refused.copy(), dropped=door.dropped.copy())
            for source, door in self._doors.items()
        }
        for source, read in self._watched:
            counted[source].dropped.update(read())
        return counted | {source: read() for source, read in self._others.items()}

    def count_drops(self) -> dict[str, int]:
        """Return how many messages are not kept though nothing was wrong with them, by reason.

        Those that came twice are kept once, so they are not lost, and not among these.
        """
        lost: Counter[str] = Counter()
        for door in self.counters().values():
            lost.update(door.dropped)
        del lost[REPLAYED]
        return {reason: count for reason, count in sorted(lost.items()) if count}

    def watch_drops(self, source: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Count what a door drops without us, as `read` tells it."""
        self.count(source)
        self._watched.append((source, read))

    def watch_door(self, source: str, read: Callable[[], DoorCounters]) -> None:
        """Count a door that takes messages without us, as `read` tells it."""
        self._others[source] = read

    def count(self, source: str) -> DoorCounters:
        """Return the counters of a door."""
        return self._doors.setdefault(source, DoorCounters())

    @contextmanager
    def count_malformed(self, source: str) -> Iterator[None]:
        """Count a body as malformed where reading it raises, whatever is wrong with it."""
        try:
            yield
        except ClewError:
            self.count(source).malformed += 1
            raise

    async def take(
        self, messages: Sequence[Message], source: str, names: Sequence[Named] = ()
    ) -> Decoded:
        """Keep durably what is in order among messages; say how many are kept and how many not.

        `names` of ids in them are kept with them.

        Raises:
            ClewError: OVERLOADED or UNAVAILABLE when they are to be sent again later, TOO_LARGE.
                None is kept then.
        """
        counters = self.count(source)
        sound = []
        refused: Counter[str] = Counter()
        for message in messages:
            said = read_message(message.octets)
            if isinstance(said, str):
                refused[said] += 1
            else:
                sound.append(message)
        accepted = 0
        if sound:
            try:
                decoded = await self._accept(encode_record(sound, source, names))
            except ClewError as error:
                counters.refused.update(refused)
                counters.dropped[error.code.value] += len(sound)
                raise
            accepted = decoded.accepted
            refused.update(decoded.rejected)
        counters.accepted += accepted
        counters.refused.update(refused)
        return Decoded(accepted, refused)

    async def take_octets(self, body: Octets, source: str) -> Decoded:
        """Keep messages that stand one behind the other.

        Raises:
            ClewError: INVALID_ARGUMENT where they cannot be told apart; and as `take`.
        """
        with self.count_malformed(source):
            messages = [Message(octets) for octets in cut_messages(body)]
        return await self.take(messages, source)

    async def take_document(
        self, links: NewLinks, source: str, datasets: Iterable[NamedDataset] = ()
    ) -> Decoded:
        """Keep what a document says, and which datasets it says it of.

        Raises:
            ClewError: INVALID_ARGUMENT for what is no number, or no time; and as `take`.
        """
        messages: list[Message] = []
        refused: Counter[str] = Counter()
        now = self._now()
        with self.count_malformed(source):
            encoded = [
                *(_encode_set(given, now) for given in links.sets),
                *(_encode_item(given, now) for given in links.items),
            ]
        for each in encoded:
            if isinstance(each, Fault):
                refused[each.value] += 1
            else:
                messages.append(each)
        self.count(source).refused.update(refused)
        names = [
            Named(int(each.trace_id), each.namespace, each.name, each.version) for each in datasets
        ]
        decoded = await self.take(messages, source, names)
        refused.update(decoded.rejected)
        return Decoded(decoded.accepted, refused)


def explain_refusal(refused: Decoded) -> ClewError:
    """Return the error of a request of which nothing was kept."""
    reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(refused.rejected.items()))
    hint = (
        "give times within what is kept, --retention-links, and not in the future"
        if set(refused.rejected) == {TIME}
        else "docs/guide/provenance.md says what a set may hold"
    )
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"no message was kept: {reasons}", hint=hint)


def _encode_set(given: NewLinkSet, now: int) -> Message | Fault:
    parents = _read_ids(given.parents)
    value = TraceLinkSet(*_read_item(given), parse_number(given.trace_id, "a trace id"), parents)
    buffer = bytearray(size_of(len(parents)))
    encoded = encode_link_set(value, buffer, max_parents=PARENTS_MAX)
    if isinstance(encoded, Fault):
        return encoded
    return Message(buffer, _read_time(given.at, now))


def _encode_item(given: NewItem, now: int) -> Message | Fault:
    value = FrameDescriptor(*_read_item(given), trace_id=parse_id(given.trace_id))
    buffer = bytearray(DESCRIPTOR_BYTES)
    encoded = encode_descriptor(value, buffer)
    if isinstance(encoded, Fault):
        return encoded
    return Message(buffer, _read_time(given.at, now))


def _read_ids(given: Iterable[str | int]) -> tuple[int, ...]:
    # Zeros are let through: that a set names one is a fault like others, and counted as such.
    return tuple(parse_number(each, "a trace id") for each in given)


def _read_item(given: NewLinkSet | NewItem) -> tuple[int, int, int]:
    return (
        parse_number(given.stream_id, "a stream", U32_MAX),
        parse_number(given.epoch, "an epoch"),
        parse_number(given.seq, "a number in a stream"),
    )


def _read_time(given: str | None, now: int) -> int:
    return 0 if given is None else parse_time(given, now=now)
