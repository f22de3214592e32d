"""Secrets that end with the process. Light install."""

from __future__ import annotations

import threading

from clew.team.vault.contract import VaultKind


class MemoryVault:
    """Keeps secrets in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"MemoryVault(accounts={len(self._secrets)})"

    @property
    def kind(self) -> VaultKind:
        """See `Vault`."""
        return VaultKind.MEMORY

    def keep(self, server: str, user: str, secret: str) -> None:
        """See `Vault`."""
        with self._lock:
            self._secrets[server, user] = secret

    def find(self, server: str, user: str) -> str | None:
        """See `Vault`."""
        with self._lock:
            return self._secrets.get((server, user))

    def wipe(self, server: str, user: str) -> None:
        """See `Vault`."""
        with self._lock:
            self._secrets.pop((server, user), None)
