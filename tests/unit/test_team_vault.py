"""Tokens at rest: whole when they are found, and never a byte of them in clear."""

from __future__ import annotations

import logging
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

from clew.team.errors import AuthError, TeamError, ValidationError
from clew.team.vault.choice import open_vault
from clew.team.vault.contract import VaultKind
from clew.team.vault.memory import MemoryVault
from clew.team.vault.sealed import FileVault
from clew.team.vault.system import KeyringVault, find_backend, is_fit

if TYPE_CHECKING:
    from pathlib import Path

    from clew.team.vault.contract import Vault

SERVER, USER = "https://team.example.com", "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d"
SECRET = "refresh-token-that-nobody-may-read-" + "0123456789abcdef" * 8
KEY = b"a passphrase that is long enough"


class WindowsLikeKeyring(KeyringBackend):
    """Keeps what fits into 2560 bytes of UTF-16, as the one of Windows does."""

    priority = 5.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.is_locked:
            raise KeyringLocked(f"locked {self.kept}")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16")) > 2560:
            raise PasswordSetError(f"too long: {password}")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


class PlaintextKeyring(WindowsLikeKeyring):
    """As the one in clear calls itself."""


class UnusableKeyring(WindowsLikeKeyring):
    priority = 0.0


@pytest.fixture(params=["file", "keyring", "memory"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    match request.param:
        case "file":
            return FileVault(tmp_path / "tokens", KEY)
        case "keyring":
            return KeyringVault(WindowsLikeKeyring())
        case _:
            return MemoryVault()


class TestAnyVault:
    @pytest.mark.parametrize("length", [1000, 1001, 9000])
    def test_what_is_kept_is_found_whole_replaced_and_wiped(
        self, vault: Vault, length: int
    ) -> None:
        long = (SECRET * 100)[:length]
        assert vault.find(SERVER, USER) is None
        vault.wipe(SERVER, USER)
        for secret in (long, "ü"):
            vault.keep(SERVER, USER, secret)
            assert vault.find(SERVER, USER) == secret
        vault.wipe(SERVER, USER)
        assert vault.find(SERVER, USER) is None

    def test_accounts_never_mix(self, vault: Vault) -> None:
        accounts = [
            (SERVER, USER),
            (SERVER, USER + "x"),
            (SERVER + "x", USER),
            (SERVER + USER[:9], USER[9:]),
        ]
        for place, (server, user) in enumerate(accounts):
            vault.keep(server, user, f"secret {place}")
        vault.wipe(*accounts[1])
        found = [vault.find(*account) for account in accounts]
        assert found == ["secret 0", None, "secret 2", "secret 3"]

    def test_nothing_shows_a_secret(self, vault: Vault) -> None:
        vault.keep(SERVER, USER, SECRET)
        assert SECRET[:20] not in f"{vault}{vault!r}"

    def test_threads_that_keep_at_once_leave_one_whole_secret(self, vault: Vault) -> None:
        secrets = [str(place) * 1500 for place in range(4)]
        threads = [
            threading.Thread(target=vault.keep, args=(SERVER, USER, secret)) for secret in secrets
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert vault.find(SERVER, USER) in secrets


class TestSealedFiles:
    def test_no_byte_of_a_secret_and_no_name_of_an_account_is_in_any_file(
        self, tmp_path: Path
    ) -> None:
        vault = FileVault(tmp_path / "tokens", KEY)
        vault.keep(SERVER, USER, SECRET)
        for path in _files(tmp_path):
            content = path.read_bytes() + str(path).encode()
            for part in (SECRET, SECRET[::-1], USER, "team.example.com", KEY.decode()):
                pieces = {part[start : start + 8] for start in range(len(part) - 8)}
                assert not [piece for piece in pieces if piece.encode() in content]

    @pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
    def test_files_are_their_owners_alone_whatever_the_mask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            FileVault(tmp_path / "tokens", KEY).keep(SERVER, USER, SECRET)
        finally:
            os.umask(before)
        (path,) = _files(tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_another_key_another_place_and_any_changed_byte_do_not_open(
        self, tmp_path: Path
    ) -> None:
        vault = FileVault(tmp_path, KEY)
        vault.keep(SERVER, USER, SECRET)
        (path,) = _files(tmp_path)
        sealed = path.read_bytes()
        with pytest.raises(AuthError) as raised:
            FileVault(tmp_path, KEY + b"!").find(SERVER, USER)
        assert "another key" in str(raised.value)
        for place in (0, 15, 30, 45, len(sealed) - 1):
            path.write_bytes(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
            with pytest.raises(AuthError):
                vault.find(SERVER, USER)
        for wrong in (b"", sealed[:30], sealed[:-1]):
            path.write_bytes(wrong)
            with pytest.raises(AuthError):
                vault.find(SERVER, USER)
        vault.keep(SERVER, "another", "x")
        (other,) = set(_files(tmp_path)) - {path}
        other.write_bytes(sealed)
        with pytest.raises(AuthError):
            vault.find(SERVER, "another")

    def test_the_same_secret_is_sealed_differently_each_time(self, tmp_path: Path) -> None:
        vault = FileVault(tmp_path, KEY)
        seen = set()
        for _ in range(3):
            vault.keep(SERVER, USER, SECRET)
            (path,) = _files(tmp_path)
            seen.add(path.read_bytes()[13:])
        assert len({each[:16] for each in seen}) == 3

    def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = FileVault(tmp_path, KEY)
        vault.keep(SERVER, USER, SECRET)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(TeamError) as raised:
                vault.keep(SERVER, USER, "another")
        assert "no space left" in str(raised.value)
        assert vault.find(SERVER, USER) == SECRET
        assert len(_files(tmp_path)) == 1


class TestKeyringOfTheSystem:
    def test_parts_of_what_was_replaced_or_wiped_do_not_stay(self) -> None:
        backend = WindowsLikeKeyring()
        vault = KeyringVault(backend)
        for _ in range(3):
            vault.keep(SERVER, USER, SECRET * 30)
        assert len(backend.kept) == 1 + -(-len(SECRET * 30) // 1000)
        vault.keep(SERVER, USER, "short")
        assert len(backend.kept) == 1
        vault.keep(SERVER, USER, SECRET * 30)
        vault.wipe(SERVER, USER)
        assert backend.kept == {}

    def test_parts_that_are_gone_are_told(self) -> None:
        backend = WindowsLikeKeyring()
        vault = KeyringVault(backend)
        vault.keep(SERVER, USER, SECRET * 30)
        del backend.kept[next(key for key in backend.kept if key[1].endswith("/1"))]
        with pytest.raises(AuthError):
            vault.find(SERVER, USER)
        vault.wipe(SERVER, USER)
        assert backend.kept == {}

    def test_what_a_backend_says_is_not_repeated(self) -> None:
        backend = WindowsLikeKeyring()
        vault = KeyringVault(backend)
        vault.keep(SERVER, USER, SECRET)
        backend.is_locked = True
        with pytest.raises(TeamError) as raised:
            vault.find(SERVER, USER)
        assert SECRET[:20] not in f"{raised.value}{raised.value.__cause__}"
        assert raised.value.hint is not None
        assert "CLEW_TEAM_KEY" in raised.value.hint

    def test_backends_that_keep_nothing_or_keep_it_in_clear_are_refused(self) -> None:
        assert is_fit(WindowsLikeKeyring())
        refused: list[Any] = [
            fail.Keyring(),  # type: ignore[no-untyped-call]
            null.Keyring(),  # type: ignore[no-untyped-call]
            PlaintextKeyring(),
            UnusableKeyring(),
            object(),
        ]
        assert not [each for each in refused if is_fit(each)]

    def test_a_chain_is_as_good_as_its_first_fit_member(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = WindowsLikeKeyring()
        chain = type("Chain", (), {"backends": [PlaintextKeyring(), good], "priority": 10})()
        type(chain).__module__ = "keyring.backends.chainer"
        monkeypatch.setattr(keyring, "get_keyring", lambda: chain)
        assert find_backend() is good
        chain.backends.remove(good)
        assert find_backend() is None

    def test_a_keyring_that_fails_to_start_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken() -> None:
            raise RuntimeError("no bus")

        monkeypatch.setattr(keyring, "get_keyring", broken)
        assert find_backend() is None


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", fail.Keyring)


class TestChoiceOfAVault:
    def test_a_key_that_was_set_comes_before_the_keyring_and_that_before_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keyring, "get_keyring", WindowsLikeKeyring)
        assert open_vault(tmp_path, {}).kind is VaultKind.KEYRING
        assert open_vault(tmp_path, {"CLEW_TEAM_KEY": KEY.decode()}).kind is VaultKind.FILE

    @pytest.mark.usefixtures("no_keyring")
    def test_without_either_a_warning_says_that_a_restart_forgets(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            vault = open_vault(tmp_path, {})
        assert vault.kind is VaultKind.MEMORY
        assert "connect again" in caplog.text
        vault.keep(SERVER, USER, SECRET)
        assert _files(tmp_path) == []
        assert open_vault(tmp_path, {}).find(SERVER, USER) is None

    def test_a_key_may_be_in_a_file_that_nobody_else_reads(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_bytes(KEY + b"\n")
        environ = {"CLEW_TEAM_KEY_FILE": str(path)}
        path.chmod(0o640)
        if os.name == "posix":
            with pytest.raises(ValidationError):
                open_vault(tmp_path, environ)
        path.chmod(0o600)
        open_vault(tmp_path, environ).keep(SERVER, USER, SECRET)
        again = open_vault(tmp_path, {"CLEW_TEAM_KEY": KEY.decode()})
        assert again.find(SERVER, USER) == SECRET

    @pytest.mark.parametrize("key", ["short", "x" * 15, " " * 40 + "x"])
    def test_a_key_that_is_soon_guessed_is_refused_and_not_shown(
        self, tmp_path: Path, key: str
    ) -> None:
        with pytest.raises(ValidationError) as raised:
            open_vault(tmp_path, {"CLEW_TEAM_KEY": key})
        assert key.strip() not in str(raised.value).split()

    def test_a_key_file_that_is_none_is_told(self, tmp_path: Path) -> None:
        large = tmp_path / "large"
        large.write_bytes(b"x" * 5000)
        large.chmod(0o600)
        for path in (tmp_path / "absent", tmp_path, large):
            with pytest.raises(ValidationError):
                open_vault(tmp_path, {"CLEW_TEAM_KEY_FILE": str(path)})


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
