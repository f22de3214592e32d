"""The files that set up a server: where they lie, and how they are written out. Light install."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clew.base.errors import ClewError, ErrorCode

CONFIGURATION: Final = "config.textproto"
MIGRATIONS: Final = "migrations"
README: Final = "README.md"


def find_folder() -> Path:
    """Return where the files of this version lie: beside the package, or in its checkout."""
    beside = Path(__file__).parent / "deploy"
    return beside if beside.is_dir() else Path(__file__).parents[4] / "deploy" / "trailbase"


def find_files() -> list[Path]:
    """Return the files, as paths inside the folder, in the order of their names."""
    folder = find_folder()
    kept = [folder / CONFIGURATION, folder / README, *(folder / MIGRATIONS).rglob("*.sql")]
    return sorted(path.relative_to(folder) for path in kept if path.is_file())


def write_files(folder: Path) -> list[Path]:
    """Write the files into a folder, which is made; return what was written.

    A file that is there with the same content counts as written.

    Raises:
        ClewError: ALREADY_EXISTS where one is there with another content; nothing is written then.
    """
    source = find_folder()
    wanted = {folder / name: (source / name).read_bytes() for name in find_files()}
    for path, content in wanted.items():
        if path.exists() and path.read_bytes() != content:
            raise ClewError(
                ErrorCode.ALREADY_EXISTS,
                f"{path} is there, and is not what would be written",
                hint="write into an empty folder, and take over what the server does not have yet",
            )
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(wanted)
