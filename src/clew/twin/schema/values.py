"""A registry as values: its objects, its processes, their fields."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec


class FieldType(StrEnum):
    """What a field holds."""

    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"
    BOOLEAN = "boolean"
    LIST = "list"
    DICT = "dict"
    TIMESTAMP = "timestamp"
    REFERENCE = "reference"


class FieldSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One field. What does not belong to its type is unset and not written.

    `default` is a JSON value. `item` is the schema of a list's entries, `schema` that of a
    dictionary's known keys; both nest to any depth that `clew.twin.schema.limits` allows.
    `renamed_from` are names under which older events carry the field.
    """

    name: str
    type: FieldType
    default: Any = None
    required: bool = False
    description: str = ""
    indexed: bool = False
    nullable: bool = True
    sensitive: bool | msgspec.UnsetType = msgspec.UNSET
    renamed_from: list[str] | msgspec.UnsetType = msgspec.UNSET
    min_value: float | int | msgspec.UnsetType = msgspec.UNSET
    max_value: float | int | msgspec.UnsetType = msgspec.UNSET
    precision: int | msgspec.UnsetType = msgspec.UNSET
    min_length: int | msgspec.UnsetType = msgspec.UNSET
    max_length: int | msgspec.UnsetType = msgspec.UNSET
    pattern: str | msgspec.UnsetType = msgspec.UNSET
    choices: list[str] | msgspec.UnsetType = msgspec.UNSET
    item: FieldSchema | msgspec.UnsetType = msgspec.UNSET
    min_items: int | msgspec.UnsetType = msgspec.UNSET
    max_items: int | msgspec.UnsetType = msgspec.UNSET
    schema: dict[str, FieldSchema] | msgspec.UnsetType = msgspec.UNSET
    auto_now: bool | msgspec.UnsetType = msgspec.UNSET
    auto_now_add: bool | msgspec.UnsetType = msgspec.UNSET
    ref_type: str | msgspec.UnsetType = msgspec.UNSET


class InvariantSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that an object keeps. `expression` is set where it is one that others can check.

    An invariant written in Python is known by its name alone: whoever has the class checks it.
    """

    name: str
    description: str = ""
    expression: str | msgspec.UnsetType = msgspec.UNSET


class ObjectSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A type of objects. `prefix` begins the names of its fields as attributes."""

    name: str
    prefix: str
    description: str = ""
    fields: dict[str, FieldSchema] = {}
    invariants: list[InvariantSchema] = []
    type: Literal["object"] = "object"


class ProcessSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A type of processes: phases in their usual order, and from which one may go to which.

    Without `transitions` any phase may follow any. `steps` is an older name of `phases`.
    """

    name: str
    prefix: str
    description: str = ""
    phases: list[str] = []
    transitions: dict[str, list[str]] = {}
    timeout_seconds: float = 3600
    fields: dict[str, FieldSchema] = {}
    invariants: list[InvariantSchema] = []
    type: Literal["process"] = "process"


class RegistrySchema(msgspec.Struct, frozen=True, kw_only=True):
    """All types of a system. `checksum` is that of `clew.twin.schema.checksum`."""

    name: str = "default"
    version: str = "1.0.0"
    created_at: str = ""
    checksum: str = ""
    objects: dict[str, ObjectSchema] = {}
    processes: dict[str, ProcessSchema] = {}
