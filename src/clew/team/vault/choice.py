"""Which of the three ways to keep secrets is there. Light install."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from clew.team.vault.memory import MemoryVault
from clew.team.vault.sealed import FileVault, read_key
from clew.team.vault.system import KeyringVault, find_backend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clew.team.vault.contract import Vault

logger = logging.getLogger(__name__)

FOLDER: Final = "team-tokens"
"""Under the data folder; there is one file for an account."""

MEMORY_HINT: Final = (
    "install clew[team] where the system has a keyring, or set CLEW_TEAM_KEY or CLEW_TEAM_KEY_FILE"
)


def open_vault(folder: Path, environ: Mapping[str, str] | None = None) -> Vault:
    """Return the best vault that there is. `folder` is the data folder.

    A key that somebody set (`CLEW_TEAM_KEY`, `CLEW_TEAM_KEY_FILE`) is meant, so it comes first;
    then the keyring of the system; then memory, which is logged as a warning.

    Raises:
        ValidationError: the key is too short, or its file can be read by others.
    """
    key = read_key(os.environ if environ is None else environ)
    if key is not None:
        return FileVault(folder / FOLDER, key)
    backend = find_backend()
    if backend is not None:
        return KeyringVault(backend)
    logger.warning(
        "tokens of team servers are kept in memory alone: after a restart, connect again (%s)",
        MEMORY_HINT,
    )
    return MemoryVault()
