"""How much of a log somebody lacks can be asked while the log lets go of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.store.log.segment import SegmentName
from clew.store.replication.reader import measure_after

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_goes_while_the_log_is_measured_counts_nothing(tmp_path: Path) -> None:
    names = [str(SegmentName(first, number, bytes(16))) for number, first in enumerate((1, 11, 21))]
    for name in names:
        (tmp_path / name).write_bytes(bytes(100))
    assert measure_after(tmp_path, 10, 30) == 200
    assert measure_after(tmp_path, 30, 30) == 0
    # A name that leads nowhere is what is left of a file between its listing and the look at it.
    (tmp_path / names[1]).unlink()
    (tmp_path / names[1]).symlink_to(tmp_path / "gone")
    assert measure_after(tmp_path, 0, 30) == 200
