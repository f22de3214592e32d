"""Where the platform keeps what belongs to a user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_folder(environ: Mapping[str, str], kind: str) -> Path:
    """Return the platform's folder for a user's `data` or `config`, clew's part of it."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "clew"
    named = environ.get(f"XDG_{kind.upper()}_HOME", "")
    # The XDG specification says that a relative path there is to be ignored.
    if named and Path(named).is_absolute():
        return Path(named) / "clew"
    return home / (".local/share" if kind == "data" else ".config") / "clew"
