"""Where a registry is read from: a file, or the server's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.twin.remote import TwinClient
from clew.twin.schema.codec import parse_registry

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.twin.schema.values import RegistrySchema

SERVER: Final = "server"
"""What names the server's registry; a file of this name is ``./server``."""


def read_registry(path: Path) -> RegistrySchema:
    """Return the registry of a file.

    Raises:
        ClewError: INVALID_ARGUMENT for a file that cannot be read or is no registry.
    """
    content = read_content(path)
    try:
        return parse_registry(content)
    except ClewError as error:
        raise ClewError(error.code, f"{path}: {error.message}", hint=error.hint) from error


def read_content(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        ClewError: INVALID_ARGUMENT when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"cannot read {path}: {reason_of(error)}",
            hint="name a file that `clew registry export` wrote",
        ) from error


def read_both(old: str, new: str, server: Server) -> tuple[RegistrySchema, RegistrySchema]:
    """Return two registries; one that is the server's is the newest by the other's name.

    Raises:
        ClewError: INVALID_ARGUMENT as `read_registry`; NOT_FOUND where the server has none.
    """
    if old == new == SERVER:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "the server's registry is compared with itself",
            hint="name a file: clew registry check server registry.json",
        )
    if old == SERVER:
        given = read_registry(Path(new))
        return _ask(server, given.name), given
    given = read_registry(Path(old))
    return given, _ask(server, given.name) if new == SERVER else read_registry(Path(new))


def _ask(server: Server, name: str) -> RegistrySchema:
    return parse_registry(TwinClient(server).find_current_registry(name))


def reason_of(error: OSError) -> str:
    """Return why a file could not be read or written."""
    return (error.strerror or str(error)).lower()
