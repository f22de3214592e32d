"""The strand of what objects were: blueprints, fingerprints, and state at any moment.

The names of the public interface come from here (`from clew.twin import Object, anchor`) and are
imported when they are first used. Light install, but for what the server needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.twin.context import TriLogLogger, anchor, anchored, tracked
    from clew.twin.dsl import (
        Boolean,
        Dict,
        Field,
        FieldError,
        Float,
        Integer,
        List,
        Object,
        PhaseError,
        Process,
        Reference,
        Registry,
        RegistryExporter,
        String,
        Timestamp,
        TriLogMeta,
        default_registry,
        invariant,
    )
    from clew.twin.engine import (
        AsyncReconstructor,
        ReconstructionResult,
        ReconstructionStrategy,
        Reconstructor,
        Timeline,
    )
    from clew.twin.validation.batch import BatchValidator
    from clew.twin.validation.validator import LogValidator

__all__ = [
    "AsyncReconstructor",
    "BatchValidator",
    "Boolean",
    "Dict",
    "Field",
    "FieldError",
    "Float",
    "Integer",
    "List",
    "LogValidator",
    "Object",
    "PhaseError",
    "Process",
    "ReconstructionResult",
    "ReconstructionStrategy",
    "Reconstructor",
    "Reference",
    "Registry",
    "RegistryExporter",
    "String",
    "Timeline",
    "Timestamp",
    "TriLogLogger",
    "TriLogMeta",
    "anchor",
    "anchored",
    "default_registry",
    "invariant",
    "tracked",
]

_ELSEWHERE: Final = {
    **dict.fromkeys(
        (
            "AsyncReconstructor",
            "ReconstructionResult",
            "ReconstructionStrategy",
            "Reconstructor",
            "Timeline",
        ),
        "clew.twin.engine",
    ),
    **dict.fromkeys(("TriLogLogger", "anchor", "anchored", "tracked"), "clew.twin.context"),
    "BatchValidator": "clew.twin.validation.batch",
    "LogValidator": "clew.twin.validation.validator",
}
"""Where a name comes from that is none of the blueprint's."""

_BLUEPRINT: Final = "clew.twin.dsl"


def __getattr__(name: str) -> object:
    """Return what is imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'clew.twin' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ELSEWHERE.get(name, _BLUEPRINT)), name)
