"""Objects as people name them: by a type and an id; what was meant where there is no such one."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.cli.completion import complete_fields, complete_objects, complete_types
from clew.twin.parameters import ObjectQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.twin.remote import TwinClient

NAMES_MAX: Final = 1000
"""Objects looked at for what a misspelt name may mean: those that changed last."""

FIRST_EVENT: Final = (
    "send a first event: with anchor('cart_123', ShoppingCart): "
    "TriLogLogger('shop').state_change(item_count=5)"
)

ObjType = Annotated[
    str,
    Parameter(name="TYPE", help="The type of the object, as `clew objects` shows it."),
    Parameter(completer=complete_types),
]
ObjId = Annotated[
    str, Parameter(name="ID", help="The object's id."), Parameter(completer=complete_objects)
]
FieldName = Annotated[
    str, Parameter(name="FIELD", help="The field's name."), Parameter(completer=complete_fields)
]


@contextmanager
def suggesting(client: TwinClient, obj_type: str, obj_id: str) -> Iterator[None]:
    """Say which object may have been meant where there is none of this type and id.

    Raises:
        ClewError: NOT_FOUND with a better hint; whatever else is raised inside stays as it is.
    """
    try:
        yield
    except ClewError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        hint = _guess(client, obj_type, obj_id)
        if hint is None:
            raise
        said = f"there is no {shorten(obj_type, 80)} {shorten(obj_id, 80)!r}"
        raise ClewError(ErrorCode.NOT_FOUND, said, hint=hint) from error


def explain_no_object(client: TwinClient, obj_type: str | None, *, is_narrow: bool) -> ClewError:
    """Return the error for an empty list of objects, with the likeliest reason as its hint."""
    known = _types(client)
    if obj_type is not None and obj_type not in known and known:
        near = difflib.get_close_matches(obj_type, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:10])}"
        said = f"no object matched: there is no type {shorten(obj_type, 80)!r}"
        return ClewError(ErrorCode.NOT_FOUND, said, hint=hint)
    if known:
        hint = "those that are gone: --deleted"
        if is_narrow:
            hint = f"widen the filters; {hint}"
        return ClewError(ErrorCode.NOT_FOUND, "no object matched", hint=hint)
    return ClewError(ErrorCode.NOT_FOUND, "no object is known yet", hint=FIRST_EVENT)


def _guess(client: TwinClient, obj_type: str, obj_id: str) -> str | None:
    """Return what may have been meant, None where the object itself is known."""
    of_id = client.find_objects(ObjectQuery(id=obj_id, deleted=True)).document().objects
    if any(each.type == obj_type for each in of_id):
        return None
    if of_id:
        names = " or ".join(f"{each.type} {each.id}" for each in of_id[:3])
        return f"did you mean {names}?"
    found = client.find_objects(ObjectQuery(type=obj_type, deleted=True, limit=NAMES_MAX))
    ids = [each.id for each in found.document().objects]
    if ids:
        near = difflib.get_close_matches(obj_id, ids, n=3)
        if near:
            return f"did you mean {' or '.join(near)}?"
        return f"see what there is: clew objects {obj_type}"
    error = explain_no_object(client, obj_type, is_narrow=True)
    return error.hint


def _types(client: TwinClient) -> list[str]:
    found = client.find_objects(ObjectQuery(deleted=True, limit=NAMES_MAX)).document().objects
    return sorted({each.type for each in found})
