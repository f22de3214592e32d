"""The whole course of one object in memory: any moment of it without a question to the engine.

Theory of operation. The changes stand in their order as rows of Arrow, a quarter of a kilobyte
each. Every so many of them the state is kept as it was, so a moment is found by bisection, and a
stretch of a few changes is decoded and folded by the definition. A course says what the events of
frames up to `top` came to, and goes on with later ones as long as they stand after its last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.twin.events import Order
from clew.twin.fold import Folded
from clew.twin.state.rows import read_changes
from clew.twin.state.start import Known, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from clew.twin.state.selection import Subject
    from clew.twin.state.start import Start

STRETCH: Final = 64
"""Changes between two states that are kept: half a millisecond to decode and fold."""

KEPT_FIELDS_MAX: Final = 500_000
"""Fields of all states that are kept of one object: 50 MB of references."""

PLACE: Final = ("at", "Seq", "EventId")

_CONTENT: Final = ("type", "patch", "phase", "status")


class Course:
    """The changes of one object, in order, each once. One thread at a time."""

    def __init__(
        self, subject: Subject, aliases: Mapping[str, str], baseline: Start | None
    ) -> None:
        """Begin at nothing, or at what stands for the events that are gone."""
        self.top = 0
        self._subject = subject
        self._aliases = aliases
        self._baseline = baseline
        self._numbers: dict[str, int] = {}
        self._times: list[int] = []
        self._rows: pa.Table | None = None
        folded, source = Folded(), None
        if baseline is not None:
            folded, source = baseline.begin(aliases), baseline.source
        # What the first `n * STRETCH` changes came to stands at `n`.
        self._kept = [Known(folded, source)]
        self._kept_fields = len(folded.state)

    def __len__(self) -> int:
        """Return how many changes it holds."""
        return len(self._times)

    def extend(self, rows: pa.Table, top: int) -> bool:
        """Go on with rows of `CHANGE_COLUMNS`, in order, of frames up to `top`.

        Returns false where they do not simply follow; the course is of no use any more then. An
        event that came twice is one; of two with one id that differ, whoever asks has to choose.
        """
        import pyarrow as pa

        first = len(self._times)
        fresh: list[int] = []
        places = _places_of(rows)
        for number, place in enumerate(places):
            if self._baseline is not None and self._baseline.covers(place):
                return False
            known = self._numbers.setdefault(place[2], first + len(fresh))
            if known == first + len(fresh):
                fresh.append(number)
            elif known >= first:
                # The one that stands first counts, and it stands before this one.
                if not _is_same(rows, fresh[known - first], number, places):
                    return False
            elif self._place_of(known) >= place:
                return False
        if fresh:
            if first and places[fresh[0]] <= self._place_of(first - 1):
                return False
            taken = rows if len(fresh) == rows.num_rows else rows.take(fresh)
            self._times.extend(places[number][0] for number in fresh)
            self._rows = taken if self._rows is None else pa.concat_tables([self._rows, taken])
        self.top = top
        return self._keep_states()

    def fold(self, until: Order | int | None) -> Known:
        """Return what the changes up to a moment came to. The values of its state are shared."""
        if self._baseline is not None and _stands_after(self._baseline.order, until):
            return Known(Folded(), None, expired=self._baseline.kept_from)
        return self._fold_first(self._count_until(until))

    def _count_until(self, until: Order | int | None) -> int:
        if until is None:
            return len(self._times)
        if isinstance(until, int):
            return bisect_right(self._times, until)
        count = bisect_left(self._times, until.at)
        while count < len(self._times) and self._place_of(count) <= until:
            count += 1
        return count

    def _fold_first(self, count: int) -> Known:
        """Return what the first `count` changes came to."""
        start = min(count // STRETCH, len(self._kept) - 1)
        kept = self._kept[start]
        folded = replace(
            kept.folded, state=dict(kept.folded.state), remarks=list(kept.folded.remarks)
        )
        source = kept.source
        if self._rows is not None:
            part = self._rows.slice(start * STRETCH, count - start * STRETCH)
            for event in read_changes(part, self._subject.type, self._subject.id, self._aliases):
                if folded.apply(event):
                    source = Source(
                        event.event_id, event.at, event.trace_id, event.span_id, event.checksum
                    )
        return Known(folded, source)

    def _keep_states(self) -> bool:
        """Keep the states that are due; return whether there is room for them."""
        while len(self._kept) * STRETCH <= len(self._times):
            known = self._fold_first(len(self._kept) * STRETCH)
            self._kept.append(known)
            self._kept_fields += len(known.folded.state) + len(known.folded.remarks)
            if self._kept_fields > KEPT_FIELDS_MAX:
                return False
        return True

    def _place_of(self, number: int) -> Order:
        assert self._rows is not None, "no change has a place where there are none"
        return Order(*(self._rows[name][number].as_py() for name in PLACE))


def _places_of(rows: pa.Table) -> list[Order]:
    return [Order(*each) for each in zip(*(rows[name].to_pylist() for name in PLACE), strict=True)]


def _is_same(rows: pa.Table, one: int, other: int, places: list[Order]) -> bool:
    """Whether of two rows of one id the first one counts, whichever is looked at."""
    if places[one] < places[other]:
        return True
    return all(rows[name][one] == rows[name][other] for name in _CONTENT)


def _stands_after(order: Order, until: Order | int | None) -> bool:
    if until is None:
        return False
    return order.at > until if isinstance(until, int) else order > until
