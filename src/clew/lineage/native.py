"""Ids and link sets by the native extension, where it is installed: the same, and sooner.

Nobody has to have it, and nothing is said where it is missing: what stands in for it makes the same
ids and the same bytes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from clew.lineage.clock import AnchoredClock
from clew.lineage.sequence import NoId, check_clock, end_in_child, tell_of_none

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from clew.lineage.layout import IdLayout


class EncodeLinkSet(Protocol):
    """Writes a set that is in order into a buffer.

    Returns the bytes that it takes; 0 or less where that was not done, for whatever reason. It MAY
    raise for what are no numbers.
    """

    def __call__(  # noqa: D102 - what it does stands above; a call has one order
        self,
        buffer: memoryview,
        stream_id: int,
        epoch: int,
        seq: int,
        trace_id: int,
        parents: Sequence[int],
        max_parents: int,
        /,
    ) -> int: ...


@cache
def native_module() -> ModuleType | None:
    """Return the extension, or None where it is missing or knows nothing of lineage yet."""
    try:
        import clew_native
    except ImportError:
        return None
    module: ModuleType = clew_native
    return module if hasattr(module, "TraceIdSequence") else None


def native_encoder() -> EncodeLinkSet | None:
    """Return what writes link sets natively."""
    module = native_module()
    if module is None:
        return None
    encode: EncodeLinkSet = module.encode_link_set
    return encode


class NativeSequence:
    """As `clew.lineage.sequence.Sequence`, by the machine's clock.

    Raises:
        ClewError: INVALID_ARGUMENT as that does.
    """

    __slots__ = ("__weakref__", "_clock", "_native", "layout", "next", "node_id")

    next: Callable[[], int]

    def __init__(self, module: ModuleType, node_id: int, layout: IdLayout) -> None:
        layout.check_node_id(node_id)
        # The extension reads the same two clocks; this one tells how far apart they came since.
        self._clock: Final = AnchoredClock()
        check_clock(layout, self._clock)
        self.layout: Final = layout
        self.node_id: Final = node_id

        def tell(reason: str) -> None:
            tell_of_none(node_id, NoId(reason))

        self._native: Any = module.TraceIdSequence(
            node_id, layout.node_bits, layout.sequence_bits, layout.epoch_offset_ms, tell
        )
        self.next = self._native.next
        end_in_child(self)

    def missed(self) -> dict[NoId, int]:
        """Return how many calls were answered by 0, by reason."""
        return {NoId(reason): count for reason, count in self._native.missed()}

    def behind_ms(self) -> int:
        """Return how far the wall clock was set back, as long as ids are ahead of it; else 0."""
        return self._clock.behind_ms(0)

    def end(self, reason: NoId) -> None:
        """Give out no more ids. A call that is under way may still get one."""
        self._native.end(str(reason))

    def go_on(self) -> None:
        """Give out ids again: the node id is ours once more."""
        self._native.go_on()

    def begin_in_child(self) -> None:
        """Make a copy that a fork brought along give out nothing."""
        self.end(NoId.FORKED)
