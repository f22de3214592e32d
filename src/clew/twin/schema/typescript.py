"""A registry as types of TypeScript."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from clew.twin.schema.lookup import types_of
from clew.twin.schema.values import FieldSchema, FieldType, ProcessSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.schema.values import ObjectSchema, RegistrySchema

_PLAIN: Final[Mapping[FieldType, str]] = {
    FieldType.INTEGER: "number",
    FieldType.FLOAT: "number",
    FieldType.STRING: "string",
    FieldType.BOOLEAN: "boolean",
    FieldType.TIMESTAMP: "string",
    FieldType.REFERENCE: "string",
}

# Names that TypeScript keeps for itself; an interface cannot bear them.
_KEPT: Final = frozenset(
    {"any", "bigint", "boolean", "never", "null", "number", "object", "string", "symbol"}
    | {"undefined", "unknown", "void"}
)
_PROPERTY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_IDENTITY: Final = (
    ("__id__", "string"),
    ("__type__", ""),
    ("__version__", "number"),
    ("__created_at__", "string"),
    ("__updated_at__", "string"),
)


def to_typescript(registry: RegistrySchema) -> str:
    """Return a namespace with one interface for each type, in the order of the registry.

    Timestamps are RFC 3339 texts. A field is optional unless it is required, since a state holds
    what was told of an object.
    """
    lines = [
        f"// Types of the registry {_line(registry.name)} {_line(registry.version)}.",
        f"// Checksum {registry.checksum}.",
        "// Made by `clew registry export --format typescript`. Do not edit.",
        "",
        "export namespace TriLog {",
    ]
    for kind in types_of(registry):
        lines += [f"  {line}".rstrip() for line in _interface(kind)]
        lines.append("")
    lines += [
        f"  export type AnyObject = {_union(registry.objects)};",
        f"  export type AnyProcess = {_union(registry.processes)};",
        "}",
        "",
    ]
    return "\n".join(lines)


def _interface(kind: ObjectSchema | ProcessSchema) -> Iterator[str]:
    yield from _documentation(kind.description)
    yield f"export interface {_type_name(kind.name)} {{"
    for name, written in _IDENTITY:
        yield f"  {name}: {written or json.dumps(kind.name)};"
    if isinstance(kind, ProcessSchema):
        phases = " | ".join(json.dumps(phase) for phase in kind.phases) or "string"
        yield f'  __phase__: {phases} | "";' if kind.phases else "  __phase__: string;"
        yield '  __status__: "started" | "completed" | "failed";'
    for name, field in kind.fields.items():
        yield from (f"  {line}" for line in _documentation(field.description))
        yield f"  {_property(name)}{'' if field.required else '?'}: {_nullable(field)};"
    yield "}"


def _nullable(field: FieldSchema) -> str:
    written = _written(field)
    return f"{written} | null" if field.nullable and not field.required else written


def _written(field: FieldSchema) -> str:
    if field.type is FieldType.LIST:
        return "unknown[]" if field.item is UNSET else f"Array<{_nullable(field.item)}>"
    if field.type is FieldType.DICT:
        if field.schema is UNSET:
            return "Record<string, unknown>"
        known = " ".join(
            f"{_property(key)}{'' if each.required else '?'}: {_nullable(each)};"
            for key, each in field.schema.items()
        )
        return f"{{ {known} [key: string]: unknown }}"
    if field.choices is not UNSET:
        return " | ".join(json.dumps(choice) for choice in field.choices)
    return _PLAIN[field.type]


def _documentation(text: str) -> Iterator[str]:
    if not text:
        return
    lines = _comment(text).splitlines()
    if len(lines) == 1:
        yield f"/** {lines[0]} */"
        return
    yield "/**"
    yield from (f" * {line}".rstrip() for line in lines)
    yield " */"


def _comment(text: str) -> str:
    """Return a text that cannot end the comment that it stands in."""
    return text.replace("*/", "*\\/").replace("\r", "")


def _line(text: str) -> str:
    """Return a text that stays on its line."""
    return " ".join(text.split())


def _type_name(name: str) -> str:
    return f"{name}_" if name in _KEPT else name


def _property(name: str) -> str:
    return name if _PROPERTY.fullmatch(name) else json.dumps(name)


def _union(types: Mapping[str, object]) -> str:
    return " | ".join(_type_name(name) for name in types) or "never"
