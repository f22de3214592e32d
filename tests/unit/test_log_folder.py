"""The data folder is held by one process, and says clearly when it cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.folder import FolderLock, open_folder
from clew.store.log.history import History

PROC = Path("/proc")

HOLDER = """
import sys
from pathlib import Path
from clew.store.folder import FolderLock
FolderLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


# Root may write everywhere, so it becomes nobody, once it has read the program.
UNPRIVILEGED = """
import os, sys
from pathlib import Path
from clew.base.errors import ClewError
from clew.store.folder import FolderLock
folder = Path(sys.argv[1])
if os.geteuid() == 0:
    for path in folder.parents[:3]:
        path.chmod(path.stat().st_mode | 0o055)
    os.setgroups([])
    os.setuid(65534)
try:
    FolderLock.acquire(folder)
except ClewError as error:
    print(error.code, error.message, error.hint, sep="\\n")
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


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    result = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(tmp_path / "locked")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.split("\n")[0] == ErrorCode.FORBIDDEN, result.stderr
    assert str(tmp_path / "locked") in result.stdout.split("\n")[1]
    assert "write permission" in result.stdout.split("\n")[2]


def test_a_folder_of_a_kernel_that_takes_no_files_is_named() -> None:
    """What root meets instead of a missing permission."""
    with pytest.raises(ClewError) as error:
        History.read(PROC / "clew")
    assert error.value.code in (ErrorCode.UNAVAILABLE, ErrorCode.FORBIDDEN)
    assert str(PROC) in error.value.message
