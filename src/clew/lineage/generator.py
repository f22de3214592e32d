"""Trace ids for a stage: new ones, those that it takes over, those of what it joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.lineage.clock import EpochClock
from clew.lineage.layout import DEFAULT_LAYOUT, NULL_TRACE_ID, IdLayout
from clew.lineage.nodes import resolve_node_id
from clew.lineage.sequence import NoId, Sequence
from clew.lineage.sharing import find_sequence
from clew.lineage.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Sequence as Items

    from clew.lineage.nodes import NodeLease
    from clew.lineage.sequence import IdSequence

__all__ = ["GeneratorStatistics", "NoId", "TraceIdGenerator"]


@dataclass(frozen=True, slots=True)
class GeneratorStatistics:
    """What did not go as wished, since the process began."""

    no_id: Mapping[NoId, int]
    """Calls that were answered by 0, by reason; of all generators of the node."""

    untraced_inputs: int
    """Inputs of `from_parents` that had no trace id, and calls that it could make nothing of."""

    clock_behind_ms: int
    """How far the clock was set back, as long as ids are ahead of it: they go on, and tell a time
    that much later than it is."""


class TraceIdGenerator:
    """Gives out trace ids: 64 bits, unique in a deployment, ascending for each thread.

    One per node id: two generators of one node in a process share what they give out. From any
    thread, without a lock. Nothing here raises or waits longer than two milliseconds but the
    constructor and `renew`; where there is no id to give, the answer is 0, and `statistics` says
    why.

    After a fork the child's generator gives out nothing until `renew` gives it another node id.

    Args:
        node_id: 0 to 1023, or as many as the layout has.
        lease: who lent a node id, where none is given.
        node_bits: of the node id, 10 unless the whole deployment has another split.
        sequence_bits: of the place in a millisecond, 12.
        epoch_offset_ms: Unix milliseconds that ids count from, the same in the whole deployment.
        clock: Unix milliseconds, where not the machine's clock counts. A generator with a clock of
            its own shares with none.

    Raises:
        ClewError: INVALID_ARGUMENT where there is no node id, or it does not fit its bits, or bits
            and epoch do not go together; CONFLICT for the node id of the process that forked us.
    """

    __slots__ = ("_clock", "_layout", "_sequence", "_untraced", "next")

    next: Callable[[], int]
    """Return a new id: what the first item of a lineage gets."""

    def __init__(
        self,
        node_id: int | None = None,
        *,
        lease: NodeLease | None = None,
        node_bits: int = DEFAULT_LAYOUT.node_bits,
        sequence_bits: int = DEFAULT_LAYOUT.sequence_bits,
        epoch_offset_ms: int = DEFAULT_LAYOUT.epoch_offset_ms,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._layout = IdLayout(node_bits, sequence_bits, epoch_offset_ms)
        self._clock = clock
        self._untraced = Tally()
        self.renew(node_id, lease=lease)

    @property
    def node_id(self) -> int:
        """The node that ids are of."""
        return self._sequence.node_id

    @property
    def layout(self) -> IdLayout:
        """How the ids are made up."""
        return self._layout

    def reuse(self, trace_id: int) -> int:
        """Return the id of an output that was made of one input: the input's own."""
        return trace_id

    def from_parents(self, parents: Items[int], *, reuse_single: bool = False) -> int:
        """Return the id of an output by those of its inputs.

        One input: its id. Several: a new id, whose link set the publisher sends. No input that was
        traced: a new id, as the output is where the lineage begins.

        Args:
            parents: the inputs' ids; 0 for what was not traced, which is counted.
            reuse_single: where all of several inputs have one id, go on with that.
        """
        try:
            if len(parents) > 1 and not reuse_single and NULL_TRACE_ID not in parents:
                return self.next()
            return self._from_few(parents, reuse_single=reuse_single)
        except Exception:  # noqa: BLE001 - what is traced must not break; `parents` may be anything
            self._untraced.add()
            return self.next()

    def renew(self, node_id: int | None = None, *, lease: NodeLease | None = None) -> None:
        """Go on with another node id: after a fork, or as another lease begins.

        Raises:
            ClewError: as the constructor does.
        """
        resolved = resolve_node_id(node_id, lease)
        if self._clock is None:
            self._sequence: IdSequence = find_sequence(resolved, self._layout)
        else:
            self._sequence = Sequence(resolved, self._layout, EpochClock(self._clock))
        self.next = self._sequence.next

    def revoke(self) -> None:
        """Give out no more ids: the lease of the node id ended."""
        self._sequence.end(NoId.REVOKED)

    def statistics(self) -> GeneratorStatistics:
        """Return what was counted."""
        return GeneratorStatistics(
            self._sequence.missed(), self._untraced.read(), self._sequence.behind_ms()
        )

    def _from_few(self, parents: Items[int], *, reuse_single: bool) -> int:
        """Return the id of an output of one input, or of several that may come down to one."""
        distinct = {int(parent) for parent in parents}
        if NULL_TRACE_ID in distinct:
            distinct.remove(NULL_TRACE_ID)
            for _ in range(sum(parent == NULL_TRACE_ID for parent in parents)):
                self._untraced.add()
        if len(distinct) == 1 and (reuse_single or len(parents) == 1):
            return distinct.pop()
        return self.next()
