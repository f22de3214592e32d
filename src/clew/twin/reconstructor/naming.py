"""What a program names in a question: objects, types, traces; checked before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_trace_id
from clew.twin.blueprint.entity import Entity, schema_of
from clew.twin.blueprint.registry import Registry
from clew.twin.parameters import DEPTH_MAX
from clew.twin.reconstructor.result import ReconstructionStrategy

if TYPE_CHECKING:
    from clew.twin.reconstructor.source import Subject

NAME_CHARS_MAX: Final = 2048
"""Of an id or the name of a type: what an address of a server holds, each character escaped."""


def check_name(what: str, value: object) -> str:
    """Return a text that may be the id of an object or the name of a type.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no text, empty, very long, or no UTF-8.
    """
    if not isinstance(value, str):
        raise _refuse(f"{what} is a text, not a {type(value).__name__}")
    if not 0 < len(value) <= NAME_CHARS_MAX:
        raise _refuse(f"{what} has 1 to {NAME_CHARS_MAX} characters, not {len(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _refuse(f"{what} is no text that UTF-8 can write: {value[:80]!r}") from error
    return value


def read_kind(kind: object) -> tuple[str, type[Entity] | None]:
    """Return the name of a type that is given by its name or its class, and the class.

    Raises:
        ClewError: INVALID_ARGUMENT for what is neither.
    """
    if isinstance(kind, type) and issubclass(kind, Entity):
        try:
            return schema_of(kind).name, kind
        except TypeError as error:
            raise _refuse(str(error)) from error
    if isinstance(kind, type):
        raise _refuse(f"{kind.__name__} is no class of a blueprint")
    return check_name("a type", kind), None


def read_subject(named: object) -> tuple[str | None, str]:
    """Return the type, where it is told, and the id of an object of a list.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no id, no object, and no pair of type and id.
    """
    if isinstance(named, Entity):
        return type(named).get_type_name(), named.id
    if not isinstance(named, tuple):
        return None, check_name("an id", named)
    if len(named) != 2:
        raise _refuse(f"an object is an id, or its type and id; not {len(named)} things")
    subject: Subject = (read_kind(named[0])[0], check_name("an id", named[1]))
    return subject


def read_strategy(value: Any) -> ReconstructionStrategy:
    """Return a strategy that is given by itself or its name.

    Raises:
        ClewError: INVALID_ARGUMENT when there is none of that name.
    """
    try:
        return ReconstructionStrategy(value)
    except ValueError as error:
        listed = ", ".join(ReconstructionStrategy)
        raise _refuse(f"no strategy {value!r:.80}; there are {listed}") from error


def check_trace(trace_id: object) -> str:
    """Return the id of a trace as it is stored.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none.
    """
    return parse_trace_id(check_name("a trace id", trace_id))


def check_count(what: str, value: object, most: int | None = None) -> int:
    """Return a whole number from 0 on.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none, or more than `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(f"{what} is a whole number, not a {type(value).__name__}")
    if value < 0 or (most is not None and value > most):
        upper = "" if most is None else f" to {most}"
        raise _refuse(f"{what} is a number from 0{upper}, not {value}")
    return value


def check_depth(depth: object) -> int:
    """Return how many references to follow in a row.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none of 0 to `DEPTH_MAX`.
    """
    return check_count("a depth", depth, DEPTH_MAX)


def read_registry(registry: object) -> Registry | None:
    """Return a registry that is given by itself, by its file, or not at all.

    Raises:
        ClewError: INVALID_ARGUMENT for what is neither, and for a file that holds none.
        OSError: the file cannot be read.
    """
    if registry is None or isinstance(registry, Registry):
        return registry
    if not isinstance(registry, (str, Path)):
        raise _refuse(
            f"a registry is one, or the path of its file; not a {type(registry).__name__}"
        )
    return Registry.load(registry)


def _refuse(message: str) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, message)
