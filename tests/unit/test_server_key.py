"""The server's own key: made once, whoever asks first, and the same ever after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from clew.app.server_key import open_signer, read_pub_key, take_key, tell_key
from clew.base.errors import ClewError

ASKERS = 16


def test_however_many_ask_for_the_key_at_once_there_is_one(tmp_path: Path) -> None:
    together = threading.Barrier(ASKERS)

    def ask(number: int) -> str:
        together.wait()
        return open_signer(tmp_path).pub_key if number % 2 else read_pub_key(tmp_path)

    with ThreadPoolExecutor(ASKERS) as pool:
        keys = set(pool.map(ask, range(ASKERS)))
    assert keys == {open_signer(tmp_path).pub_key}


def test_a_standby_takes_its_leaders_key_once_and_puts_its_own_aside(tmp_path: Path) -> None:
    leader, standby = tmp_path / "leader", tmp_path / "standby"
    for folder in (leader, standby):
        folder.mkdir()
    own = open_signer(standby).pub_key
    told = msgspec.json.encode(tell_key(leader))
    assert take_key(standby, told)
    assert not take_key(standby, told)
    assert open_signer(standby).pub_key == read_pub_key(standby) == open_signer(leader).pub_key
    for name in ("server.key", "server.key.former"):
        assert (standby / name).stat().st_mode & 0o777 == 0o600
    assert own in (standby / "server.key.former").read_text()
    with pytest.raises(ClewError, match="no key of a server"):
        take_key(standby, b'{"seed": "no hex", "pub_key": "x"}')
