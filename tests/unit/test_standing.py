"""Who leads is known on disk before it is acted on, and nobody who lost it gets it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.standing import FILE_NAME, STARTS_MAX, FencedError, Standing

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "0192e4b0-0000-7000-8000-000000000001"
THIRD = "0192e4b0-0000-7000-8000-000000000002"


def test_a_server_keeps_the_id_that_it_made_at_its_first_start(tmp_path: Path) -> None:
    assert Standing.find(tmp_path) is None
    first = Standing.open(tmp_path)
    assert Standing.open(tmp_path).node_id == first.node_id != Standing.open(tmp_path / "b").node_id


def test_a_smaller_epoch_is_refused_and_so_is_an_equal_one_of_another(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    assert standing.accept(3, OTHER, "http://a:1")
    for epoch, node in ((2, OTHER), (2, THIRD), (3, THIRD), (3, standing.node_id)):
        with pytest.raises(FencedError) as refused:
            standing.accept(epoch, node, "http://b:1")
        assert (refused.value.epoch, refused.value.current) == (epoch, 3)
        assert refused.value.code is ErrorCode.CONFLICT
        assert refused.value.leader_url == "http://a:1"
    assert not standing.accept(3, OTHER, "http://a:1")


def test_what_was_accepted_is_known_after_a_restart(tmp_path: Path) -> None:
    Standing.open(tmp_path).accept(7, OTHER, "http://a:1")
    again = Standing.open(tmp_path)
    assert (again.epoch, again.leader, again.leader_url) == (7, OTHER, "http://a:1")
    assert not again.is_leading
    with pytest.raises(FencedError):
        again.accept(6, OTHER, "http://a:1")


def test_a_leadership_begins_only_with_an_epoch_that_nobody_had(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    standing.accept(4, OTHER, None)
    with pytest.raises(FencedError):
        standing.lead(4)
    standing.lead(5, "http://me:1")
    again = Standing.open(tmp_path)
    assert again.is_leading
    assert (again.epoch, again.leader_url) == (5, "http://me:1")
    with pytest.raises(FencedError):
        again.accept(5, OTHER, None)
    assert again.accept(6, OTHER, None)
    assert not again.is_leading


def test_epochs_leave_their_first_numbers_and_a_cut_takes_those_beyond_it(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    for epoch, first in ((1, 1), (3, 10), (3, 12), (4, 20)):
        standing.note_start(epoch, first)
    assert standing.starts == ((1, 1), (3, 10), (4, 20))
    standing.note_start(6, 20)
    assert standing.starts == ((1, 1), (3, 10), (6, 20)), "nothing was written in epoch 4"
    standing.cut_off(15)
    assert Standing.open(tmp_path).starts == ((1, 1), (3, 10))


def test_only_the_newest_epochs_are_remembered(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    for epoch in range(1, STARTS_MAX + 11):
        standing.note_start(epoch, 10 * epoch)
    assert len(standing.starts) == STARTS_MAX
    assert standing.starts[-1] == (STARTS_MAX + 10, 10 * (STARTS_MAX + 10))


def test_a_file_that_no_server_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{}")
    with pytest.raises(ClewError, match="is not what a server writes"):
        Standing.open(tmp_path)


def test_what_could_not_be_made_durable_is_not_acted_on(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    (tmp_path / FILE_NAME).with_suffix(".new").mkdir()
    with pytest.raises(ClewError):
        standing.accept(3, OTHER, None)
    assert standing.epoch == 0
