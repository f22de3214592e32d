"""The invariants of a state that was reconstructed: those that its source cannot know as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.twin.blueprint.entity import Entity, invariants_of
from clew.twin.documents import Remark
from clew.twin.reconstructor.replay import FAULTS
from clew.twin.schema.invariants import INVARIANT, describe_broken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.blueprint.invariants import Invariant, Violation
    from clew.twin.documents import TwinState
    from clew.twin.reconstructor.blueprints import Blueprint


def find_broken(
    document: TwinState, blueprint: Blueprint, state: Mapping[str, Any], twin: object
) -> list[Remark]:
    """Return the invariants that an object breaks, but for those that its source told of.

    Expressions are held against what was set, methods against the object, defaults included.
    Nothing is asked of an object that was not there.
    """
    if not document.exists or blueprint.schema is None:
        return []
    broken = describe_broken(blueprint.schema, state)
    if isinstance(twin, Entity):
        checks = [each for each in invariants_of(type(twin)) if not each.schema.expression]
        found = [_check(each, twin) for each in checks]
        broken += [f"{each.invariant} does not hold: {each.message}" for each in found if each]
    told = {each.message for each in document.warnings if each.code == INVARIANT}
    return [Remark(code=INVARIANT, message=each) for each in broken if each not in told]


def _check(invariant: Invariant, twin: Entity) -> Violation | None:
    try:
        return invariant.check(twin)
    except FAULTS:
        # For want of a value, or at one that history has and the method does not expect: unknown,
        # and what is unknown is not broken.
        return None
