"""Where the platform keeps what belongs to a user."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_folder(environ: Mapping[str, str], kind: str) -> Path:
    """Return the platform's folder for a user's `data` or `config`, clew's part of it.

    Raises:
        ClewError: NOT_FOUND, nobody says where the home of this user is.
    """
    if sys.platform == "darwin":
        return _home(environ) / "Library" / "Application Support" / "clew"
    named = environ.get(f"XDG_{kind.upper()}_HOME", "")
    # The XDG specification says that a relative path there is to be ignored.
    if named and Path(named).is_absolute():
        return Path(named) / "clew"
    return _home(environ) / (".local/share" if kind == "data" else ".config") / "clew"


def _home(environ: Mapping[str, str]) -> Path:
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError as error:
        # A container may run as a number that nobody has given a name.
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"the system knows no home folder of user {os.getuid()}",
            hint="set HOME, or name a data folder with --data-dir",
        ) from error
