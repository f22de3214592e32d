"""A registry as a file of JSON, and the checksum that tells one from another.

The file is ``{"registry": {name, version, created_at, checksum}, "objects": {…}, "processes": {…},
"expected_keys": […]}``. `contracts/registry.schema.json` is its schema. Names that are not ours are
passed over, and older spellings are understood: `steps` for `phases`, `item_type` for the type of a
list's entries, a process without a prefix.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.twin.schema.checks import require_sound
from clew.twin.schema.limits import REGISTRY_BYTES_MAX
from clew.twin.schema.lookup import RegistryIndex
from clew.twin.schema.names import otel_prefix
from clew.twin.schema.values import ObjectSchema, ProcessSchema, RegistrySchema

CHECKSUM_CHARS: Final = 16
"""Hex digits: 64 bits tell the registries of one system apart."""

_HINT: Final = "a registry is what `clew registry export` writes"


class RegistryHead(msgspec.Struct, frozen=True):
    """What the file says of the registry itself."""

    name: str = "default"
    version: str = "1.0.0"
    created_at: str = ""
    checksum: str = ""


class RegistryFile(msgspec.Struct, frozen=True):
    """The file of a registry."""

    registry: RegistryHead = RegistryHead()
    objects: dict[str, ObjectSchema] = {}
    processes: dict[str, ProcessSchema] = {}
    expected_keys: list[str] = []


def checksum(registry: RegistrySchema) -> str:
    """Return 16 hex digits that stand for everything a registry says.

    It is the beginning of the SHA-256 of the registry as JSON, names in order, without
    `created_at` and `checksum`; the order of types and fields does not matter, nor whether a whole
    number is written 0 or 0.0, since programs of other languages do not tell them apart.
    """
    said = {
        "name": registry.name,
        "version": registry.version,
        "objects": registry.objects,
        "processes": registry.processes,
    }
    text = msgspec.json.encode(_canonical(msgspec.to_builtins(said)), order="deterministic")
    return hashlib.sha256(text).hexdigest()[:CHECKSUM_CHARS]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def encode_registry(registry: RegistrySchema) -> bytes:
    """Return the file of a registry, with its checksum as it is now."""
    head = RegistryHead(registry.name, registry.version, registry.created_at, checksum(registry))
    keys = RegistryIndex(registry).expected_keys()
    document = RegistryFile(head, registry.objects, registry.processes, keys)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def parse_registry(text: bytes) -> RegistrySchema:
    """Return the registry of a file, its checksum computed anew.

    Raises:
        ClewError: TOO_LARGE; INVALID_ARGUMENT when it is no registry, or contradicts itself.
    """
    if len(text) > REGISTRY_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"a registry of {len(text)} bytes; at most {REGISTRY_BYTES_MAX} are read",
            hint="split it into registries of several systems",
        )
    try:
        document = msgspec.json.decode(text)
        file = msgspec.convert(_modernise(document), RegistryFile)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"not a registry: {_lowered(error)}", hint=_HINT
        ) from error
    head = file.registry
    registry = RegistrySchema(
        name=head.name,
        version=head.version,
        created_at=head.created_at,
        objects=file.objects,
        processes=file.processes,
    )
    require_sound(registry)
    return with_checksum(registry)


def with_checksum(registry: RegistrySchema) -> RegistrySchema:
    """Return a registry that bears the checksum of what it says."""
    return msgspec.structs.replace(registry, checksum=checksum(registry))


def _modernise(document: Any) -> Any:
    """Return a document in today's spelling; what has no shape of a registry stays as it is."""
    if not isinstance(document, dict):
        return document
    if "registry" not in document and not {"objects", "processes"} & document.keys():
        raise msgspec.ValidationError("it names neither objects nor processes")
    return {
        **document,
        **{
            section: {name: _modern_type(name, kind) for name, kind in document[section].items()}
            for section in ("objects", "processes")
            if isinstance(document.get(section), dict)
        },
    }


def _modern_type(name: str, kind: Any) -> Any:
    if not isinstance(kind, dict):
        return kind
    modern = {"name": name, "prefix": otel_prefix(name), **kind}
    if "steps" in kind and not kind.get("phases"):
        modern["phases"] = kind["steps"]
    if isinstance(kind.get("fields"), dict):
        modern["fields"] = {key: _modern_field(key, each) for key, each in kind["fields"].items()}
    return modern


def _modern_field(name: str, field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    modern = {"name": name, **{key: each for key, each in field.items() if each is not None}}
    item_type = modern.pop("item_type", None)
    if isinstance(item_type, str) and "item" not in modern:
        modern["item"] = {"name": "item_type", "type": item_type}
    elif isinstance(item_type, dict) and "item" not in modern:
        modern["item"] = {"name": "item_type", **item_type}
    return modern


def _lowered(error: BaseException) -> str:
    text = str(error)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
