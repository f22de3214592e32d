"""From which phase of a process one may go to which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.twin.schema.values import ProcessSchema


def may_follow(process: ProcessSchema, before: str, after: str) -> bool:
    """Whether a phase may follow another; `before` is empty at the beginning.

    Any phase may be the first, and one that is told again is no transition. Without transitions
    any may follow any, and without phases there is nothing to say.
    """
    if process.phases and after not in process.phases:
        return False
    if not process.transitions or not before or before == after:
        return True
    return after in process.transitions.get(before, [])
