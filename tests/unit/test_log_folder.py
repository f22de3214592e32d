"""The data folder is held by one process, and says clearly when it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.folder import FolderLock, open_folder
from clew.store.history import History

PROC = Path("/proc")

HOLDER = """
import sys
from pathlib import Path
from clew.store.folder import FolderLock
FolderLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start another process that holds the folder until its standard input ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_process_is_told_who_has_the_folder_and_what_to_do(tmp_path: Path) -> None:
    with hold(tmp_path) as child:
        with pytest.raises(ClewError) as error:
            FolderLock.acquire(tmp_path)
        child.kill()
    assert error.value.code is ErrorCode.CONFLICT
    assert str(child.pid) in error.value.message
    assert str(tmp_path) in error.value.message
    assert str(child.pid) in (error.value.hint or "")


def test_the_folder_is_free_as_soon_as_its_process_is_killed(tmp_path: Path) -> None:
    with hold(tmp_path) as child:
        child.kill()
    with FolderLock.acquire(tmp_path):
        """Nothing was left to clean up."""


def test_a_released_folder_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        lock = FolderLock.acquire(tmp_path)
        with pytest.raises(ClewError):
            FolderLock.acquire(tmp_path)
        lock.release()
        lock.release()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ClewError) as error:
            open_folder(path)
        assert error.value.code is ErrorCode.UNAVAILABLE
        assert str(path) in error.value.message
        assert "choose another data folder" in (error.value.hint or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ClewError) as error:
            FolderLock.acquire(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert error.value.code is ErrorCode.FORBIDDEN
    assert str(tmp_path) in error.value.message


def test_a_folder_of_a_kernel_that_takes_no_files_is_named() -> None:
    """What root meets instead of a missing permission."""
    with pytest.raises(ClewError) as error:
        History.read(PROC / "clew")
    assert error.value.code in (ErrorCode.UNAVAILABLE, ErrorCode.FORBIDDEN)
    assert str(PROC) in error.value.message
