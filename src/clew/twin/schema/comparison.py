"""What differs between two versions of a registry, and which differences break something.

A difference breaks when events that were right under the old registry are wrong or lost under the
new one, or when those who still have the old one cannot understand events of the new. Whatever
only widens what is allowed, or says more, is compatible.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from clew.twin.schema.lookup import RegistryIndex
from clew.twin.schema.values import FieldSchema, FieldType, ProcessSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.schema.values import InvariantSchema, ObjectSchema, RegistrySchema

    TypeSchema = ObjectSchema | ProcessSchema


class Verdict(StrEnum):
    """Whether what is there goes on working."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"


class Change(StrEnum):
    """What happened to what stands at a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


class Difference(msgspec.Struct, frozen=True):
    """One difference: where (``ShoppingCart.items.item``), what, and whether it breaks."""

    path: str
    change: Change
    verdict: Verdict
    message: str

    @property
    def is_breaking(self) -> bool:
        """Whether it breaks something."""
        return self.verdict is Verdict.BREAKING


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two registries, and how much of it breaks something."""

    differences: list[Difference]
    count: int
    breaking: int
    compatible: int
    truncated: bool = False
    next: str | None = None


_LOWER_IS_WIDER: Final = ("min_value", "min_length", "min_items")
_HIGHER_IS_WIDER: Final = ("max_value", "max_length", "max_items", "precision")
_SAYS_MORE: Final = ("description", "indexed", "default", "auto_now", "auto_now_add")
"""Options that change neither what fits a field nor what it means."""


def compare(old: RegistrySchema, new: RegistrySchema) -> list[Difference]:
    """Return how a registry differs from an older one, those that break first, then by path.

    Equal registries, whatever their versions and times, have no differences.
    """
    before, after = RegistryIndex(old).types, RegistryIndex(new).types
    found = list(_between_types(before, after))
    return sorted(found, key=lambda each: (not each.is_breaking, each.path, each.message))


def find_contradictions(other: RegistrySchema, new: RegistrySchema) -> list[Difference]:
    """Return what breaks in the types that two registries of different names both describe."""
    before, after = RegistryIndex(other).types, RegistryIndex(new).types
    shared = {name: kind for name, kind in before.items() if name in after}
    found = _between_types(shared, {name: after[name] for name in shared})
    return sorted((each for each in found if each.is_breaking), key=lambda each: each.path)


def count_differences(differences: list[Difference]) -> Comparison:
    """Return differences as the document that shows them."""
    breaking = sum(each.is_breaking for each in differences)
    return Comparison(
        differences=differences,
        count=len(differences),
        breaking=breaking,
        compatible=len(differences) - breaking,
    )


def _breaks(path: str, change: Change, message: str) -> Difference:
    return Difference(path, change, Verdict.BREAKING, message)


def _fits(path: str, change: Change, message: str) -> Difference:
    return Difference(path, change, Verdict.COMPATIBLE, message)


def _between_types(
    before: Mapping[str, TypeSchema], after: Mapping[str, TypeSchema]
) -> Iterator[Difference]:
    for name in before.keys() - after.keys():
        yield _breaks(name, Change.REMOVED, f"the {before[name].type} is gone")
    for name in after.keys() - before.keys():
        yield _fits(name, Change.ADDED, f"a new {after[name].type}")
    for name in before.keys() & after.keys():
        yield from _between(before[name], after[name])


def _between(old: TypeSchema, new: TypeSchema) -> Iterator[Difference]:
    name = old.name
    if old.type != new.type:
        yield _breaks(name, Change.CHANGED, f"the {old.type} became a {new.type}")
        return
    if old.prefix != new.prefix:
        message = f"the prefix {old.prefix} became {new.prefix}"
        yield _breaks(f"{name}.prefix", Change.CHANGED, message)
    if old.description != new.description:
        yield _fits(name, Change.CHANGED, "the description changed")
    yield from _between_fields(old.fields, new.fields, name)
    yield from _between_invariants(old.invariants, new.invariants, name)
    if isinstance(old, ProcessSchema) and isinstance(new, ProcessSchema):
        yield from _between_phases(old, new)


def _between_fields(
    old: Mapping[str, FieldSchema], new: Mapping[str, FieldSchema], path: str
) -> Iterator[Difference]:
    former = {each: field for field in new.values() for each in field.renamed_from or ()}
    renamed = {name for name in old.keys() - new.keys() if name in former}
    for name in old.keys() - new.keys():
        place = f"{path}.{name}"
        if name in renamed:
            now = former[name].name
            yield _fits(place, Change.RENAMED, f"it is called {now}, which reads the old name")
            yield from _between_field(old[name], former[name], f"{path}.{now}")
        else:
            message = "the field is gone; a new one may say renamed_from"
            yield _breaks(place, Change.REMOVED, message)
    taken = {former[name].name for name in renamed}
    for name in new.keys() - old.keys() - taken:
        place = f"{path}.{name}"
        if new[name].required:
            yield _breaks(place, Change.ADDED, "a new field that is required")
        else:
            yield _fits(place, Change.ADDED, "a new field")
    for name in old.keys() & new.keys():
        yield from _between_field(old[name], new[name], f"{path}.{name}")


def _between_field(old: FieldSchema, new: FieldSchema, path: str) -> Iterator[Difference]:
    if old.type != new.type:
        message = f"the {old.type} became a {new.type}"
        # Every integer is a float, and fits where it fitted; but not the other way round.
        is_wider = old.type is FieldType.INTEGER and new.type is FieldType.FLOAT
        yield (_fits if is_wider else _breaks)(path, Change.CHANGED, message)
        if not is_wider:
            return
    yield from _between_flags(old, new, path)
    yield from _between_bounds(old, new, path)
    yield from _between_words(old, new, path)
    if old.item != new.item:
        yield from _between_parts(old.item, new.item, f"{path}.item")
    if old.schema != new.schema:
        before = {} if old.schema is UNSET else old.schema
        after = {} if new.schema is UNSET else new.schema
        yield from _between_fields(before, after, path)


def _between_parts(
    old: FieldSchema | Any, new: FieldSchema | Any, path: str
) -> Iterator[Difference]:
    if old is UNSET:
        yield _breaks(path, Change.ADDED, f"entries were anything, and are now of type {new.type}")
    elif new is UNSET:
        yield _fits(path, Change.REMOVED, "entries may be anything")
    else:
        yield from _between_field(old, new, path)


def _between_flags(old: FieldSchema, new: FieldSchema, path: str) -> Iterator[Difference]:
    if new.required != old.required:
        message = "it became required" if new.required else "it is no longer required"
        yield (_breaks if new.required else _fits)(path, Change.CHANGED, message)
    if new.nullable != old.nullable:
        message = "it may be null" if new.nullable else "it may no longer be null"
        yield (_fits if new.nullable else _breaks)(path, Change.CHANGED, message)
    if bool(new.sensitive) != bool(old.sensitive):
        message = "it became sensitive" if new.sensitive else "it is no longer sensitive"
        yield _fits(path, Change.CHANGED, message)
    lost = sorted(set(old.renamed_from or ()) - set(new.renamed_from or ()))
    for name in lost:
        yield _breaks(path, Change.REMOVED, f"it no longer reads its former name {name}")
    for option in _SAYS_MORE:
        if getattr(old, option) != getattr(new, option):
            yield _fits(path, Change.CHANGED, f"{option} changed")


def _between_bounds(old: FieldSchema, new: FieldSchema, path: str) -> Iterator[Difference]:
    for option in (*_LOWER_IS_WIDER, *_HIGHER_IS_WIDER):
        before, after = getattr(old, option), getattr(new, option)
        if before == after:
            continue
        message = f"{option} was {_shown(before)} and is {_shown(after)}"
        is_narrower = after is not UNSET and (
            before is UNSET or (after > before if option in _LOWER_IS_WIDER else after < before)
        )
        yield (_breaks if is_narrower else _fits)(path, Change.CHANGED, message)


def _between_words(old: FieldSchema, new: FieldSchema, path: str) -> Iterator[Difference]:
    if old.pattern != new.pattern:
        message = f"pattern was {_shown(old.pattern)} and is {_shown(new.pattern)}"
        yield (_fits if new.pattern is UNSET else _breaks)(path, Change.CHANGED, message)
    if old.ref_type != new.ref_type:
        message = f"ref_type was {_shown(old.ref_type)} and is {_shown(new.ref_type)}"
        yield (_fits if new.ref_type is UNSET else _breaks)(path, Change.CHANGED, message)
    if old.choices == new.choices:
        return
    if new.choices is UNSET:
        yield _fits(path, Change.CHANGED, "any choice is allowed")
        return
    gone = sorted(set(old.choices or ()) - set(new.choices))
    if old.choices is UNSET or gone:
        message = f"choices are gone: {', '.join(gone)}" if gone else "choices are limited"
        yield _breaks(path, Change.CHANGED, message)
    else:
        more = sorted(set(new.choices) - set(old.choices))
        message = f"more choices: {', '.join(more)}" if more else "choices stand otherwise"
        yield _fits(path, Change.CHANGED, message)


def _between_invariants(
    old: list[InvariantSchema], new: list[InvariantSchema], path: str
) -> Iterator[Difference]:
    before = {each.name: each for each in old}
    after = {each.name: each for each in new}
    for name in before.keys() - after.keys():
        yield _fits(f"{path}.{name}", Change.REMOVED, "the invariant is gone")
    for name in after.keys() - before.keys():
        yield _breaks(f"{path}.{name}", Change.ADDED, "a new invariant")
    for name in before.keys() & after.keys():
        was, now = before[name].expression, after[name].expression
        if was != now:
            message = f"the invariant was {_shown(was)} and is {_shown(now)}"
            yield _breaks(f"{path}.{name}", Change.CHANGED, message)
        elif before[name] != after[name]:
            yield _fits(f"{path}.{name}", Change.CHANGED, "the description changed")


def _between_phases(old: ProcessSchema, new: ProcessSchema) -> Iterator[Difference]:
    path = old.name
    for phase in sorted(set(old.phases) - set(new.phases)) if new.phases else ():
        yield _breaks(f"{path}.phases", Change.REMOVED, f"the phase {phase} is gone")
    if new.phases and not old.phases:
        yield _breaks(f"{path}.phases", Change.ADDED, "phases are limited")
    elif not new.phases and old.phases:
        yield _fits(f"{path}.phases", Change.REMOVED, "any phase is allowed")
    else:
        for phase in sorted(set(new.phases) - set(old.phases)):
            yield _fits(f"{path}.phases", Change.ADDED, f"a new phase {phase}")
        if set(old.phases) == set(new.phases) and old.phases != new.phases:
            yield _fits(f"{path}.phases", Change.CHANGED, "phases stand in another order")
    yield from _between_transitions(old, new)
    if old.timeout_seconds != new.timeout_seconds:
        message = f"timeout_seconds was {old.timeout_seconds:g} and is {new.timeout_seconds:g}"
        yield _fits(path, Change.CHANGED, message)


def _between_transitions(old: ProcessSchema, new: ProcessSchema) -> Iterator[Difference]:
    path = f"{old.name}.transitions"
    if old.transitions == new.transitions:
        return
    if not new.transitions:
        yield _fits(path, Change.REMOVED, "any phase may follow any")
        return
    if not old.transitions:
        yield _breaks(path, Change.ADDED, "not every phase may follow any longer")
        return
    before, after = _pairs(old), _pairs(new)
    for source, target in sorted(before - after):
        yield _breaks(path, Change.REMOVED, f"{target} may no longer follow {source}")
    for source, target in sorted(after - before):
        yield _fits(path, Change.ADDED, f"{target} may follow {source}")


def _pairs(process: ProcessSchema) -> set[tuple[str, str]]:
    return {
        (source, target) for source, targets in process.transitions.items() for target in targets
    }


def _shown(value: object) -> str:
    return "not given" if value is UNSET else str(value)
