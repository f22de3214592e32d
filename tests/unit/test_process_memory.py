"""What a process gives back of its own memory."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from clew.app.machine import let_go_of_code

STATUS = Path("/proc/self/status")


def file_kib() -> int:
    """Return how much of files is resident in this process."""
    found = re.search(r"^RssFile:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(not STATUS.exists(), reason="there is no /proc here")
def test_code_that_was_let_go_of_is_there_when_it_is_needed() -> None:
    # The interpreter, the C library and this module's code are among what goes.
    before, digest = file_kib(), hashlib.sha256(b"clew").hexdigest()
    assert let_go_of_code() > 0
    assert file_kib() < before
    assert hashlib.sha256(b"clew").hexdigest() == digest
