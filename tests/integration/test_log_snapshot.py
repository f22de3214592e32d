"""A server that begins anew has what the leader has, and follows from there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.store.log.history import History
from clew.store.pipeline import Pipeline
from clew.store.replication.leader import Leader, LeaderOptions
from clew.store.replication.snapshot import (
    DIVERGED_NAME,
    FORMER_NAME,
    MARK_NAME,
    Keep,
    Source,
    begin_anew,
    fill_folder,
    write_snapshot,
)
from clew.store.replication.standing import Standing
from clew.telemetry.tables import TRACES
from tests.integration.span_requests import SPANS, trace_request

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = 32
SPANS_EACH = 700
REGISTRY = b"a registry " * 200_000


def refuse(_url: str, _timeout_s: float) -> None:
    raise AssertionError("there is no standby")


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], tuple[int, int]]:
    """A snapshot of a leader on the real engine, and a digest of its rows."""
    folder = tmp_path_factory.mktemp("leader")
    engine = ChdbEngine(folder / "store")
    engine.create([TRACES])
    standing = Standing.open(folder)
    standing.lead(3, "http://127.0.0.1:1")
    part = Leader(standing, LeaderOptions([], refuse))  # type: ignore[arg-type]
    pipeline = Pipeline.open(folder, engine, (SPANS,), part=part)

    async def work() -> None:
        for number in range(REQUESTS):
            await pipeline.accept(SPANS, trace_request(1 + number * SPANS_EACH, SPANS_EACH))

    def copy_registry(path: Path) -> None:
        path.write_bytes(REGISTRY)

    try:
        asyncio.run(work())
        source = Source(
            engine, [TRACES], pipeline.settle_whole, copy_registry, standing, folder / "scratch"
        )
        pieces = list(write_snapshot(source))
        rows = read_rows(engine, pipeline)
        asyncio.run(pipeline.close())
    finally:
        engine.close()
    assert rows[0] == REQUESTS * SPANS_EACH
    assert len(pieces) > 4, "more than one chunk of rows"
    assert not list((folder / "scratch").iterdir())
    return pieces, rows


def read_rows(engine: ChdbEngine, pipeline: Pipeline) -> tuple[int, int]:
    """Return how many rows there are, and what tells all their columns from others."""
    pipeline.flush()
    rows = engine.query(
        "SELECT count() AS Rows, sum(cityHash64(*)) AS Digest FROM @rows",
        snapshot=pipeline.snapshot(),
        scans={"rows": Scan(TRACES, ("*",))},
    )
    return rows.column("Rows")[0].as_py(), rows.column("Digest")[0].as_py()


def open_engine(folder: Path) -> ChdbEngine:
    engine = ChdbEngine(folder / "store")
    engine.create([TRACES])
    return engine


def fill(folder: Path, pieces: Iterator[bytes]) -> tuple[int, Standing]:
    standing = Standing.open(folder)
    through = fill_folder(folder, pieces, lambda: open_engine(folder), [TRACES], standing)
    return through, standing


@pytest.mark.slow
def test_a_folder_that_is_filled_has_every_row_and_goes_on_after_the_last_frame(
    stream: tuple[list[bytes], tuple[int, int]], tmp_path: Path
) -> None:
    pieces, rows = stream
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mine").write_text("of before")
    through, standing = fill(tmp_path, iter(pieces))
    assert through == REQUESTS
    assert standing.starts == ((3, 1),)
    assert standing.group is not None
    assert (tmp_path / "registry.db").read_bytes() == REGISTRY
    assert (tmp_path / FORMER_NAME / "log" / "mine").exists()
    assert not (tmp_path / MARK_NAME).exists()
    history = History.read(tmp_path / "log")
    assert (history.last, history.flushed) == (REQUESTS, REQUESTS)
    engine = open_engine(tmp_path)
    try:
        pipeline = Pipeline.open(tmp_path, engine, (SPANS,))
        assert read_rows(engine, pipeline) == rows
        asyncio.run(pipeline.close())
    finally:
        engine.close()


@pytest.mark.slow
def test_a_snapshot_that_breaks_off_or_is_hurt_leaves_nothing_that_passes_for_one(
    stream: tuple[list[bytes], tuple[int, int]], tmp_path: Path
) -> None:
    pieces, _ = stream
    whole = b"".join(pieces)
    hurt = bytearray(whole)
    hurt[len(whole) // 2] ^= 1
    for wrong in (whole[: len(whole) // 2], whole[:-1], bytes(hurt)):
        with pytest.raises(ClewError, match="not whole"):
            fill(tmp_path, iter([wrong]))
        assert (tmp_path / MARK_NAME).exists()
    assert begin_anew(tmp_path)
    assert not begin_anew(tmp_path)
    assert not (tmp_path / "log").exists()
    assert not (tmp_path / "registry.db").exists()
    through, _ = fill(tmp_path, (whole[at : at + 1000] for at in range(0, len(whole), 1000)))
    assert through == REQUESTS


def break_off(folder: Path, keep: Keep) -> None:
    """Begin a snapshot that ends before it says anything."""
    with pytest.raises(ClewError):
        fill_folder(folder, iter([]), refuse, [], Standing.open(folder), keep=keep)  # type: ignore[arg-type]


def put_data(folder: Path, text: str) -> dict[str, str]:
    """Put into a folder what a server has; return it by its place there."""
    mine = {"store/part": text, "log/file": text, "registry.db": text, "registry.db-wal": text}
    for name, content in mine.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return mine


def find_data(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for part in ("store", "log", "registry.db", "registry.db-wal")
        for path in [folder / part, *(folder / part).rglob("*")]
        if path.is_file()
    }


@pytest.mark.parametrize("allowed", range(5))
def test_what_is_moved_away_is_whole_whatever_interrupts_it(
    allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = put_data(tmp_path, "of before")
    left = allowed
    rename = Path.rename

    def fail_later(path: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise OSError(5, "killed")
        left -= 1
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fail_later)
        break_off(tmp_path, Keep.ALWAYS)
    if not (tmp_path / MARK_NAME).exists():
        assert find_data(tmp_path) == mine, "it is opened as it is"
        return
    assert begin_anew(tmp_path)
    assert find_data(tmp_path / FORMER_NAME) == mine
    assert find_data(tmp_path) == {}


def test_what_a_server_had_of_its_own_stays_until_somebody_removes_it(tmp_path: Path) -> None:
    mine = put_data(tmp_path, "of when it was alone")
    break_off(tmp_path, Keep.ALWAYS)
    assert begin_anew(tmp_path)
    for text in ("lost by the group", "lost later"):
        lost = put_data(tmp_path, text)
        break_off(tmp_path, Keep.LATEST)
        assert begin_anew(tmp_path)
        assert find_data(tmp_path / DIVERGED_NAME) == lost
    other = put_data(tmp_path, "of another group")
    break_off(tmp_path, Keep.ALWAYS)
    assert find_data(tmp_path / FORMER_NAME) == mine
    assert find_data(tmp_path / f"{FORMER_NAME}-2") == other
    put_data(tmp_path, "half of a snapshot")
    break_off(tmp_path, Keep.ALWAYS)
    assert find_data(tmp_path) == {}
    assert not (tmp_path / f"{FORMER_NAME}-3").exists()
