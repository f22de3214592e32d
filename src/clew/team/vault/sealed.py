"""Secrets in sealed files: AES-256-GCM with a key that is made from a passphrase. Light install.

There is one file for an account, named by a digest of it, so nothing is read to be written anew and
the folder does not say who is connected to what. The account is part of what is authenticated: a
file that is put in another's place does not open. It is replaced whole, and synced, before the new
secret counts as kept.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.team.errors import AuthError, TeamError, ValidationError
from clew.team.vault.contract import VaultKind

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_VARIABLE: Final = "CLEW_TEAM_KEY"
KEY_FILE_VARIABLE: Final = "CLEW_TEAM_KEY_FILE"

KEY_CHARS_MIN: Final = 16
"""Whoever gets the file may guess for as long as they like."""

KEY_BYTES_MAX: Final = 4096
"""Of a file with a key: more than that is some other file."""

FILE_BYTES_MAX: Final = 1 << 20
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

SCRYPT_N: Final = 1 << 15
SCRYPT_R: Final = 8
"""32 MiB and some 0.1 s for a guess, once for each file that is opened. Files of any other cost are
refused: they could ask for all memory."""

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
"""As GCM has it. The key of a file is made anew with each writing, so none ever seals twice."""

MAGIC: Final = b"clew vault 1\n"
_HEAD: Final = len(MAGIC) + SALT_BYTES + NONCE_BYTES


def read_key(environ: Mapping[str, str]) -> bytes | None:
    """Return the passphrase that somebody set, None where nobody did.

    Raises:
        ValidationError: it is too short, its file cannot be read, or others can read that file.
    """
    key = environ.get(KEY_VARIABLE, "").strip().encode()
    source = KEY_VARIABLE
    if not key and environ.get(KEY_FILE_VARIABLE):
        key, source = _key_in(Path(environ[KEY_FILE_VARIABLE])), KEY_FILE_VARIABLE
    elif not key:
        return None
    if len(key) < KEY_CHARS_MIN:
        raise ValidationError(
            f"the key of {source} has fewer than {KEY_CHARS_MIN} characters",
            hint="make one with: openssl rand -base64 32",
        )
    return key


def _key_in(path: Path) -> bytes:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ValidationError(
                f"the file of {KEY_FILE_VARIABLE} can be read by others",
                hint=f"chmod 600 {path}",
            )
        with path.open("rb") as file:
            key = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise ValidationError(
            f"the file of {KEY_FILE_VARIABLE} cannot be read ({error.strerror})"
        ) from error
    if len(key) > KEY_BYTES_MAX:
        raise ValidationError(f"the file of {KEY_FILE_VARIABLE} is too large for a key")
    return key.strip()


class FileVault:
    """Keeps secrets in sealed files of one folder."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FileVault({str(self._folder)!r})"

    @property
    def kind(self) -> VaultKind:
        """See `Vault`."""
        return VaultKind.FILE

    def keep(self, server: str, user: str, secret: str) -> None:
        """See `Vault`."""
        sealed = _seal(self._key, _account(server, user), secret.encode())
        path = self._path(server, user)
        with self._lock, _explained():
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{secrets.token_hex(4)}")
            try:
                _write(fresh, sealed)
                fresh.replace(path)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
            _sync_folder(self._folder)

    def find(self, server: str, user: str) -> str | None:
        """See `Vault`."""
        with _explained():
            try:
                with self._path(server, user).open("rb") as file:
                    sealed = file.read(FILE_BYTES_MAX + 1)
            except FileNotFoundError:
                return None
        return _unseal(self._key, _account(server, user), sealed).decode()

    def wipe(self, server: str, user: str) -> None:
        """See `Vault`."""
        with self._lock, _explained(), suppress(FileNotFoundError):
            self._path(server, user).unlink()
            _sync_folder(self._folder)

    def _path(self, server: str, user: str) -> Path:
        return self._folder / f"{hashlib.sha256(_account(server, user)).hexdigest()[:32]}.sealed"


def _account(server: str, user: str) -> bytes:
    # With the lengths, so that no two accounts read the same.
    parts = (server.encode(), user.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _derived(key: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(
        key, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=1, maxmem=2 * 128 * SCRYPT_N * SCRYPT_R, dklen=32
    )


def _seal(key: bytes, account: bytes, secret: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    sealed = AESGCM(_derived(key, salt)).encrypt(nonce, secret, MAGIC + account)
    return MAGIC + salt + nonce + sealed


def _unseal(key: bytes, account: bytes, sealed: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not sealed.startswith(MAGIC) or not _HEAD < len(sealed) <= FILE_BYTES_MAX:
        raise _unreadable()
    salt = sealed[len(MAGIC) : len(MAGIC) + SALT_BYTES]
    nonce = sealed[len(MAGIC) + SALT_BYTES : _HEAD]
    try:
        return AESGCM(_derived(key, salt)).decrypt(nonce, sealed[_HEAD:], MAGIC + account)
    except InvalidTag:
        raise _unreadable() from None


def _unreadable() -> AuthError:
    return AuthError(
        "the tokens of this connection are sealed with another key",
        hint=f"set the {KEY_VARIABLE} of before, or connect again: clew team connect",
    )


def _write(path: Path, content: bytes) -> None:
    # Made with its mode, so that at no moment anyone else can open it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _explained:  # noqa: N801 - used as a statement
    """Turns what the file system raises into an error of ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise TeamError(
                f"tokens cannot be kept or read ({(error.strerror or 'input or output').lower()})",
                hint="look at the data folder's rights and space: clew doctor",
            ) from error
