"""Secrets in the keyring of the system. Light install; `keyring` comes with an extra.

Backends that keep nothing, or keep it in clear, are refused. Windows takes 2560 bytes of UTF-16 for
one secret, which a JWT passes: what is long is cut into parts, kept under names of their own. A
secret is replaced by writing the new parts first and then the entry that names them.
"""

from __future__ import annotations

import secrets
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from clew.team.errors import AuthError, TeamError
from clew.team.vault.contract import VaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_CHARS_MAX: Final = 1000
"""Below the 1280 that Windows takes, in case an entry's other words count as well."""

PARTS_MAX: Final = 64
"""More than the tokens of any server are."""

_REFUSED_MODULES: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""The last keeps secrets in files, in clear or with a password that it asks for on a terminal."""

_REFUSED_WORDS: Final = ("plaintext", "null", "fail", "uncrypted")

_WHOLE: Final = "whole:"
_PARTS: Final = "parts:"


def find_backend() -> Any | None:
    """Return the backend of the system's keyring, None where there is none that may be used."""
    if find_spec("keyring") is None:
        return None
    import keyring

    try:
        found = keyring.get_keyring()
    except Exception:  # noqa: BLE001 - backends are plugins, and what one raises says the same
        return None
    return next((each for each in _unchained(found) if is_fit(each)), None)


def is_fit(backend: Any) -> bool:
    """Whether a backend keeps secrets, and not in clear."""
    name = f"{type(backend).__module__}.{type(backend).__qualname__}"
    if name.startswith(_REFUSED_MODULES):
        return False
    if any(word in type(backend).__qualname__.lower() for word in _REFUSED_WORDS):
        return False
    return bool(getattr(backend, "priority", 0) > 0)


def _unchained(backend: Any) -> Iterator[Any]:
    """Yield what a chain of backends consists of: it would use a bad one where a good one fails."""
    if type(backend).__module__ == "keyring.backends.chainer":
        yield from backend.backends
    else:
        yield backend


class KeyringVault:
    """Keeps secrets with one backend of `keyring`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyringVault({type(self._backend).__module__})"

    @property
    def kind(self) -> VaultKind:
        """See `Vault`."""
        return VaultKind.KEYRING

    def keep(self, server: str, user: str, secret: str) -> None:
        """See `Vault`."""
        with self._lock:
            before = self._read(server, user)
            if len(secret) <= PART_CHARS_MAX:
                self._write(server, user, _WHOLE + secret)
            else:
                name, parts = secrets.token_hex(4), _cut(secret)
                for place, part in enumerate(parts):
                    self._write(server, _part(user, name, place), part)
                self._write(server, user, f"{_PARTS}{len(parts)}:{name}")
            self._drop_parts(server, user, before)

    def find(self, server: str, user: str) -> str | None:
        """See `Vault`."""
        with self._lock:
            entry = self._read(server, user)
            if entry is None:
                return None
            if entry.startswith(_WHOLE):
                return entry.removeprefix(_WHOLE)
            parts = [self._read(server, name) for name in _part_names(user, entry)]
        if parts and None not in parts:
            return "".join(part or "" for part in parts)
        raise AuthError(
            "what the keyring has of this connection is not whole",
            hint="connect again: clew team connect",
        )

    def wipe(self, server: str, user: str) -> None:
        """See `Vault`."""
        with self._lock:
            before = self._read(server, user)
            if before is not None:
                self._drop_parts(server, user, before)
                self._drop(server, user)

    def _drop_parts(self, server: str, user: str, entry: str | None) -> None:
        for name in _part_names(user, entry or ""):
            self._drop(server, name)

    def _read(self, server: str, user: str) -> str | None:
        try:
            found = self._backend.get_password(_service(server), user)
        except Exception:  # noqa: BLE001 - backends are plugins
            raise _unavailable() from None
        return found if isinstance(found, str) else None

    def _write(self, server: str, user: str, text: str) -> None:
        try:
            self._backend.set_password(_service(server), user, text)
        except Exception:  # noqa: BLE001 - backends are plugins, and their errors may quote `text`
            raise _unavailable() from None

    def _drop(self, server: str, user: str) -> None:
        from keyring.errors import PasswordDeleteError

        try:
            self._backend.delete_password(_service(server), user)
        except PasswordDeleteError:
            return  # It is not there, which is what was wanted.
        except Exception:  # noqa: BLE001 - backends are plugins
            raise _unavailable() from None


def _service(server: str) -> str:
    return f"clew team {server}"


def _part(user: str, name: str, place: int) -> str:
    return f"{user}/{name}/{place}"


def _part_names(user: str, entry: str) -> list[str]:
    if not entry.startswith(_PARTS):
        return []
    count, _, name = entry.removeprefix(_PARTS).partition(":")
    if not count.isdecimal() or not 0 < int(count) <= PARTS_MAX:
        return []
    return [_part(user, name, place) for place in range(int(count))]


def _cut(secret: str) -> list[str]:
    return [
        secret[start : start + PART_CHARS_MAX] for start in range(0, len(secret), PART_CHARS_MAX)
    ]


def _unavailable() -> TeamError:
    return TeamError(
        "the keyring of the system does not answer",
        hint="unlock it, or set CLEW_TEAM_KEY so that tokens are kept in a sealed file",
    )
