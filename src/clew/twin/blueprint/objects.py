"""`Object`: what a class of things looks like, as a class."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clew.twin.blueprint.entity import Entity, describe_class, fields_of
from clew.twin.schema.values import ObjectSchema

if TYPE_CHECKING:
    from clew.twin.schema.values import ProcessSchema


class Object(Entity):
    """A type of things that have an id and fields. Subclass it and name the fields.

    `obj_id` is a random UUID when it is not given. Equality and hash are those of type and id.
    """

    _is_open = True

    def __init__(self, obj_id: str | None = None, **values: Any) -> None:
        """Make an object.

        Raises:
            FieldError: a value does not fit its field, or a required one is missing.
            TypeError: a name is no field's, or the id is no text.
        """
        if obj_id is not None and not isinstance(obj_id, str):
            raise TypeError(f"an id is a text, not {obj_id!r}")
        super().__init__(_new_id() if obj_id is None else obj_id, values)

    @classmethod
    def _make_schema(cls, prefix: str) -> ObjectSchema | ProcessSchema:
        return ObjectSchema(
            name=cls.__name__,
            prefix=prefix,
            description=describe_class(cls),
            fields=fields_of(cls),
            invariants=[each.schema for each in cls._invariants.values()],
        )


def _new_id() -> str:
    return str(UUID(int=secrets.randbits(128), version=4))
