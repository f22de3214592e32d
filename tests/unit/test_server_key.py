"""The server's own key: made once, whoever asks first, and the same ever after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clew.app.tree import open_signer, read_pub_key

ASKERS = 16


def test_however_many_ask_for_the_key_at_once_there_is_one(tmp_path: Path) -> None:
    together = threading.Barrier(ASKERS)

    def ask(number: int) -> str:
        together.wait()
        return open_signer(tmp_path).pub_key if number % 2 else read_pub_key(tmp_path)

    with ThreadPoolExecutor(ASKERS) as pool:
        keys = set(pool.map(ask, range(ASKERS)))
    assert keys == {open_signer(tmp_path).pub_key}
