"""What a question knows of a type: names that fields had before, and what their values are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.twin.documents import Remark
from clew.twin.schema.coercion import coerce
from clew.twin.schema.faults import REDACTED, FieldError
from clew.twin.schema.lookup import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.schema.values import ObjectSchema, ProcessSchema

BAD_VALUE: Final = "bad_value"


def former_names(kind: ObjectSchema | ProcessSchema | None) -> dict[str, str]:
    """Return what the fields of a type were called before, each with its present name."""
    if kind is None:
        return {}
    return {name: field.name for name, field in names_of(kind).items() if name != field.name}


def read_values(
    kind: ObjectSchema | ProcessSchema | None, state: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Remark]]:
    """Return values as their fields have them; one that does not fit stays as it came, and is told.

    Values of fields that nobody described stay as they came.
    """
    if kind is None:
        return dict(state), []
    values: dict[str, Any] = {}
    remarks: list[Remark] = []
    for name, value in state.items():
        field = kind.fields.get(name)
        values[name] = value
        if field is None or value is None or value == REDACTED:
            continue
        try:
            values[name] = coerce(field, value)
        except FieldError as error:
            remarks.append(Remark(code=BAD_VALUE, message=str(error), field=name))
    return values, remarks
