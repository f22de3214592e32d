"""A registry as a ConfigMap of Kubernetes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from clew.twin.schema.codec import encode_registry

if TYPE_CHECKING:
    from clew.twin.schema.values import RegistrySchema

NAME: Final = "trilog-registry"
NAMESPACE: Final = "trilog-system"
FILE: Final = "registry.json"

LABEL_CHARS_MAX: Final = 63
"""Of a label's value, by the rules of Kubernetes."""

_NOT_OF_LABELS = re.compile(r"[^A-Za-z0-9._-]+")


def to_configmap(registry: RegistrySchema) -> str:
    """Return the YAML of a ConfigMap that holds the file of a registry.

    Texts are quoted as JSON, which is YAML too, so that nothing in a name is read as YAML.
    """
    content = encode_registry(registry).decode()
    block = "".join(f"    {line}\n" for line in content.splitlines())
    return (
        "# Made by `clew registry export --format configmap`. Do not edit.\n"
        "apiVersion: v1\n"
        "kind: ConfigMap\n"
        "metadata:\n"
        f"  name: {NAME}\n"
        f"  namespace: {NAMESPACE}\n"
        "  labels:\n"
        f"    trilog.io/registry-name: {json.dumps(_label(registry.name))}\n"
        f"    trilog.io/registry-version: {json.dumps(_label(registry.version))}\n"
        "  annotations:\n"
        f"    trilog.io/checksum: {json.dumps(registry.checksum)}\n"
        f"    trilog.io/created-at: {json.dumps(registry.created_at)}\n"
        "data:\n"
        f"  {FILE}: |\n"
        f"{block}"
    )


def _label(text: str) -> str:
    """Return what a label may hold of a text: it begins and ends with a letter or digit."""
    return _NOT_OF_LABELS.sub("-", text)[:LABEL_CHARS_MAX].strip("._-")
