"""What keeps secrets, and how. Light install.

Never in clear: where nothing that seals is there, secrets live in memory and end with the process.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class VaultKind(StrEnum):
    """How secrets are kept."""

    KEYRING = "keyring"
    FILE = "file"
    MEMORY = "memory"


class Vault(Protocol):
    """Keeps one secret for each account, which is a server's address and a user of it.

    Every method may wait for the system (a keyring may ask its owner), so none belongs on an event
    loop; each may be called from any thread. Raises TeamError and nothing else.
    """

    @property
    def kind(self) -> VaultKind:
        """How it keeps them."""
        ...

    def keep(self, server: str, user: str, secret: str) -> None:
        """Keep a secret instead of the one before; after a crash it is the one or the other."""
        ...

    def find(self, server: str, user: str) -> str | None:
        """Return a secret, None where there is none.

        Raises:
            AuthError: there is one, and it does not open with what we have.
        """
        ...

    def wipe(self, server: str, user: str) -> None:
        """Forget a secret. There may be none."""
        ...
