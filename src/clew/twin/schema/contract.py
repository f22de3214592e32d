"""What `contracts/registry.schema.json` says of the file of a registry, for other languages."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from clew.twin.schema import limits
from clew.twin.schema.codec import RegistryFile

_COMMAND: Final = "python -m clew.app.generate"


def encode_contract() -> bytes:
    """Return the JSON schema of a registry's file."""
    (root,), definitions = msgspec.json.schema_components(
        [RegistryFile], ref_template="#/$defs/{name}"
    )
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Written by {_COMMAND}. A file has at most {limits.REGISTRY_BYTES_MAX} bytes, "
        f"{limits.TYPES_MAX} types, {limits.FIELDS_MAX} fields of a type and "
        f"{limits.SCHEMA_DEPTH_MAX} levels of fields inside fields. A checksum is the beginning, "
        "16 hex digits, of the SHA-256 of {name, objects, processes, version} as JSON: names in "
        "order, no spaces, numbers that are whole without a fraction.",
        **root,
        "$defs": definitions,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
