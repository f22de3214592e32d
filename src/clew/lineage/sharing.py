"""One sequence of ids for each node of a process, whoever asks; and none that a fork copied."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.clock import AnchoredClock
from clew.lineage.native import NativeSequence, native_module
from clew.lineage.sequence import NoId, Sequence

if TYPE_CHECKING:
    from clew.lineage.layout import IdLayout
    from clew.lineage.sequence import IdSequence

_SHARED: Final[dict[tuple[int, IdLayout], IdSequence]] = {}
"""Kept for good: one that began anew within a millisecond would give its ids out twice."""

_SHARED_LOCK = threading.Lock()

_INHERITED: Final[set[int]] = set()
"""Node ids of the processes that forked us off, and each other."""


def find_sequence(node_id: int, layout: IdLayout) -> IdSequence:
    """Return this process's one sequence of a node, by the machine's clock.

    Raises:
        ClewError: INVALID_ARGUMENT where the node id does not fit the layout, or the layout has no
            ids for this time; CONFLICT for a node id that the process had when it was forked off.
    """
    if node_id in _INHERITED:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"node id {node_id} is that of the process that forked this one",
            hint="give each process a node id of its own",
        )
    with _SHARED_LOCK:
        found = _SHARED.get((node_id, layout))
        if found is None:
            found = _SHARED[node_id, layout] = _open(node_id, layout)
        found.go_on()
        return found


def end_node(node_id: int) -> None:
    """Give out no more ids of a node: its lease ended. A call under way may still get one."""
    for sequence in _sequences_of(node_id):
        sequence.end(NoId.REVOKED)


def resume_node(node_id: int) -> None:
    """Give out ids of a node again, none of them twice: its lease goes on."""
    for sequence in _sequences_of(node_id):
        sequence.go_on()


def _sequences_of(node_id: int) -> list[IdSequence]:
    with _SHARED_LOCK:
        return [each for (node, _), each in _SHARED.items() if node == node_id]


def _open(node_id: int, layout: IdLayout) -> IdSequence:
    module = native_module()
    if module is not None:
        return NativeSequence(module, node_id, layout)
    return Sequence(node_id, layout, AnchoredClock())


def _begin_in_child() -> None:
    global _SHARED_LOCK  # noqa: PLW0603 - the one we had may be held by a thread that is not here
    _SHARED_LOCK = threading.Lock()
    _INHERITED.update(node_id for node_id, _ in _SHARED)
    _SHARED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
