"""The names that a blueprint is written with: ``from clew.twin.dsl import Object, Integer``."""

from __future__ import annotations

from clew.twin.blueprint.entity import TriLogMeta
from clew.twin.blueprint.exporter import RegistryExporter
from clew.twin.blueprint.fields import (
    Boolean,
    Dict,
    Field,
    Float,
    Integer,
    List,
    Reference,
    String,
    Timestamp,
)
from clew.twin.blueprint.invariants import invariant
from clew.twin.blueprint.objects import Object
from clew.twin.blueprint.processes import PhaseError, Process
from clew.twin.blueprint.registry import Registry, default_registry
from clew.twin.schema.faults import FieldError

__all__ = [
    "Boolean",
    "Dict",
    "Field",
    "FieldError",
    "Float",
    "Integer",
    "List",
    "Object",
    "PhaseError",
    "Process",
    "Reference",
    "Registry",
    "RegistryExporter",
    "String",
    "Timestamp",
    "TriLogMeta",
    "default_registry",
    "invariant",
]
