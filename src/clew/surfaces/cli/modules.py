"""The registry of a user's module: the module is imported, and what it defines is found."""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.twin.blueprint.catalog import defined_classes
from clew.twin.blueprint.entity import Entity
from clew.twin.blueprint.registry import DefaultRegistry, Registry
from clew.twin.schema.checks import require_sound
from clew.twin.schema.codec import with_checksum

if TYPE_CHECKING:
    from types import ModuleType

    from clew.twin.schema.values import RegistrySchema


def load_registry(
    name_of_module: str, *, name: str | None = None, version: str | None = None
) -> RegistrySchema:
    """Return the registry of a module, under a name and a version of its own where given.

    It is the one `Registry` that the module holds; without one, all classes that the module and
    those below it define, or else those that it has imported.

    Raises:
        ClewError: INVALID_ARGUMENT when the module cannot be imported, holds several registries,
            or names types that contradict each other; NOT_FOUND when it has none.
    """
    module = _import(name_of_module)
    schema = _find_registry(module).to_schema()
    changed = msgspec.structs.replace(
        schema,
        name=schema.name if name is None else name,
        version=schema.version if version is None else version,
        created_at=format_time(time.time_ns()),
    )
    require_sound(changed)
    return with_checksum(changed)


def _find_registry(module: ModuleType) -> Registry:
    held = {
        id(each): each
        for each in vars(module).values()
        if isinstance(each, Registry) and not isinstance(each, DefaultRegistry)
    }
    if len(held) > 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{module.__name__} holds {len(held)} registries",
            hint="leave one in the module, or name a module that has only one",
        )
    if held:
        return next(iter(held.values()))
    registry = Registry()
    registry.register_all(_find_classes(module))
    return registry


def _find_classes(module: ModuleType) -> list[type[Entity]]:
    below = f"{module.__name__}."
    own = [
        kind
        for kind in defined_classes()
        if kind.__module__ == module.__name__ or kind.__module__.startswith(below)
    ]
    defined = set(defined_classes())
    found = own or [each for each in vars(module).values() if _is_type(each, defined)]
    if found:
        return found
    raise ClewError(
        ErrorCode.NOT_FOUND,
        f"{module.__name__} defines no Object and no Process",
        hint="name the module whose classes inherit from clew.twin.Object",
    )


def _is_type(value: Any, defined: set[type[Entity]]) -> bool:
    return isinstance(value, type) and issubclass(value, Entity) and value in defined


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise _missing(name, error) from error
    except SyntaxError as error:
        place = f"{Path(error.filename or name).name}, line {error.lineno}"
        raise _failed(name, f"{error.msg} ({place})") from error
    except ClewError as error:
        raise _failed(name, f"{error.message}{_place_of(error)}", error.hint) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, f"{type(error).__name__}: {error}{_place_of(error)}") from error


def _missing(name: str, error: ModuleNotFoundError) -> ClewError:
    missing = error.name or name
    if name == missing or name.startswith(f"{missing}."):
        return ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"there is no module {missing}",
            hint="run it where `import` finds the module: in its project, with its packages",
        )
    return _failed(name, f"it imports {missing}, which is not there{_place_of(error)}")


def _failed(name: str, why: str, hint: str | None = None) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{name} cannot be imported: {why}",
        hint=hint or f"see all of it with: python -c 'import {name}'"[:200],
    )


def _place_of(error: BaseException) -> str:
    """Return where in the user's code an error came from; the innermost line that is theirs."""
    ours = str(Path(__file__).parents[2])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, "<frozen")) and "importlib" not in frame.filename
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
