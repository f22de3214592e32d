"""Messages on their way: numbered when they are first sent, kept until they are acknowledged.

No socket and no clock. A result or an error is never given up here; a status is, when too much
waits: then the newest status takes the place of the one before it, and that is counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from clew.tree.frames.fields import MessageKind

# A status per second for a quarter of an hour without a server.
WAITING_MAX: Final = 1024

# What a watched process may lose in memory to a server that is away.
WAITING_BYTES_MAX: Final = 8 * 1024 * 1024

# Where the server says nothing (upstream's does not): what ours gives.
CREDIT: Final = 64


@dataclass(slots=True)
class Entry:
    """One message. `seq` is 0 until it is sent for the first time."""

    kind: MessageKind
    payload: bytes
    at_ms: int
    correlation_id: str | None = None
    seq: int = 0


class Outbox:
    """Messages in the order in which they were said. Used by one thread."""

    def __init__(self) -> None:
        self._sent: deque[Entry] = deque()
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        self._next_seq = 1
        self._credit = CREDIT
        self.acked_seq = 0
        """The highest number that the server acknowledged."""
        self.acked = 0
        self.coalesced = 0
        self.refused = 0

    def __len__(self) -> int:
        """Return how many messages are not acknowledged yet."""
        return len(self._sent) + len(self._waiting)

    @property
    def has_terminal(self) -> bool:
        """Whether a result or an error is not acknowledged yet."""
        return any(
            entry.kind is not MessageKind.STATUS
            for entries in (self._sent, self._waiting)
            for entry in entries
        )

    def put(self, entry: Entry) -> None:
        """Take a message; when too much waits, a status takes the place of the one before it."""
        is_full = len(self) >= WAITING_MAX or self._bytes + len(entry.payload) > WAITING_BYTES_MAX
        if is_full and entry.kind is MessageKind.STATUS and self._waiting:
            # Nothing is said after a result, so what waits last is a status.
            self.coalesced += 1
            self._bytes -= len(self._waiting.pop().payload)
        self._waiting.append(entry)
        self._bytes += len(entry.payload)

    def take(self) -> Entry | None:
        """Return the next message to send, numbered; None when none waits or credit is used up."""
        if not self._waiting or len(self._sent) >= self._credit:
            return None
        entry = self._waiting.popleft()
        if not entry.seq:
            entry.seq = self._next_seq
            self._next_seq += 1
        self._sent.append(entry)
        return entry

    def ack(self, seq: int) -> bool:
        """Forget what is durable: that number and all before it. Return whether an end was in it.

        An acknowledgement of what was never sent counts for what was.
        """
        return self._forget(self._sent, seq)

    def resume(self, durable_seq: int, credit: int | None) -> bool:
        """Begin on a new connection: what is not durable is to be sent again, under its number.

        Return whether an end was among what is durable.
        """
        self._credit = max(1, CREDIT if credit is None else credit)
        self.retry()
        is_end = self._forget(self._waiting, durable_seq)
        self.acked_seq = max(self.acked_seq, durable_seq)
        self._next_seq = max(self._next_seq, durable_seq + 1)
        return is_end

    def refuse(self, seq: int) -> Entry | None:
        """Forget a message that the server will never take; return it."""
        for entry in self._sent:
            if entry.seq == seq:
                self._sent.remove(entry)
                self._bytes -= len(entry.payload)
                self.refused += 1
                return entry
        return None

    def retry(self) -> None:
        """Send again what is not acknowledged, under its numbers."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()

    def _forget(self, entries: deque[Entry], seq: int) -> bool:
        """Forget the first of these, up to a number; what has none yet was never sent."""
        is_end = False
        while entries and 0 < entries[0].seq <= seq:
            entry = entries.popleft()
            self._bytes -= len(entry.payload)
            self.acked += 1
            self.acked_seq = max(self.acked_seq, entry.seq)
            is_end = is_end or entry.kind is not MessageKind.STATUS
        return is_end
