"""What a strand declares to have its records taken in, and what the registry promises the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clew.store.log.frame import RECORD_KIND_MAX, RECORD_KIND_MIN, WITHOUT_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.store.decoder import Decoder
    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table

NS_PER_S = 1_000_000_000

OLDEST_MIN_NS = 946_684_800 * NS_PER_S
"""2000-01-01T00:00:00Z. A record that says it is older has a clock that was never set."""


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of record that a strand writes.

    `code` stands in the log for ever (16..255). Kinds may share tables. Rows older than
    `retention_seconds` are refused; None refuses none but the absurd (`OLDEST_MIN_NS`).
    `prepare` is called with records before they are decoded, in a thread where it may ask the
    engine; it is also given how to take a snapshot, which holds every record that was acknowledged
    before. It MUST NOT raise. While a log is read back it is called with stretches of records, and
    the snapshot is that of before the first of all.
    """

    code: int
    name: str
    tables: tuple[Table, ...]
    open_decoder: Callable[[], Decoder]
    retention_seconds: int | None = None
    prepare: Callable[[Sequence[bytes], Callable[[], Snapshot]], None] | None = None


class Changes(Protocol):
    """Where the commits of the registry go that the log brings: the registry."""

    def apply(self, number: int, payload: bytes) -> object:
        """Take in a commit, in the order of the log; what is there already is passed over."""
        ...

    def applied(self) -> int:
        """Return up to which number all commits are there to stay."""
        ...


def check_kinds(kinds: Sequence[RecordKind]) -> None:
    """Raise ValueError unless kinds can be told apart in the log."""
    codes = [kind.code for kind in kinds]
    names = [kind.name for kind in kinds]
    for what in (codes, names):
        if len(set(what)) < len(what):
            raise ValueError(f"kinds of record share something: {what}")
    if not WITHOUT_ROWS.isdisjoint(codes):
        raise ValueError(f"codes {sorted(WITHOUT_ROWS)} are the store's own")
    if not all(RECORD_KIND_MIN <= code <= RECORD_KIND_MAX for code in codes):
        raise ValueError(f"codes must be {RECORD_KIND_MIN} to {RECORD_KIND_MAX}: {codes}")
