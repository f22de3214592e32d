"""A way between two servers that is slow, doubles back and damages; and a disk that is full."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.testing.app_load import AppLoad
from clew.testing.chaos import Harm, Way
from clew.testing.disk import SmallDisk
from clew.testing.group import ServerGroup, ask
from clew.testing.history import (
    ClientHistory,
    GroupLoad,
    Outcome,
    check_histories,
    post,
    read_frames,
    wait_until,
)
from clew.testing.requests import logs_request

WAIT_SECONDS = 90.0

ACK_SECONDS = "15"
"""Of a write: longer than a disk holds a standby up, shorter than a client waits for an answer."""

TORN_BYTES = 100_000
"""Of a record that is damaged: so much larger than the head of a request that its middle is hit."""

DISK_BYTES = 1 << 30
"""Of the standby, in memory, which it takes as it is written: its engine leaves a quarter alone."""

LOG_BYTES = 2_000_000
"""A record that makes the log the longest file of a server by far: where no file may grow beyond
it, the log is what finds no room. (It does not get smaller there; in the engine it does.)"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_is_late_torn_or_finds_no_room_at_the_standby_is_neither_lost_nor_doubled(
    tmp_path: Path,
) -> None:
    with (
        small_disk(tmp_path / "server-1") as disk,
        ServerGroup(tmp_path, settings={"ack_timeout": ACK_SECONDS}, on_hosts=True) as group,
    ):
        own = ClientHistory()
        group.start_all("leader", "standby")
        standby = group.processes[1]
        group.wait_leading(0)
        way = group.way(0, 1)
        with (
            GroupLoad(group.urls, service="troubles", clients=2) as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            load.wait_for_more(10)

            # Late, in pieces, and in another order than it was sent.
            with group.delay(0, 1, latency_s=0.005, jitter_s=0.03):
                load.wait_for_more(20)
                apps.wait_for_more(4)

            # A request on an old connection arrives after newer ones that overtook it.
            way.hold()
            wait_until(lambda: way.held_bytes() > 0, WAIT_SECONDS, "a request is on its way")
            way.cut()
            load.wait_for_more(20)
            way.release()
            load.wait_for_more(20)
            way.calm()

            # A disk that is full.
            with no_room(disk, standby.pid, group.urls[0], own):
                wait_until(
                    lambda: "cannot write the log" in (group.seen(0, 1)["detail"] or ""),
                    WAIT_SECONDS,
                    "the leader is told of the full disk",
                )
                told = ask(group.urls[1], "GET", "/api/v1/ingest/status")[1]
                assert told is not None
                assert not told["writable"]
                assert ask(group.urls[1], "GET", "/readyz")[0] == 503
                on_disk = max(read_frames(group.folders[1]))
                assert group.seen(0, 1)["acked"] <= on_disk
                assert group.position(0)["acked"] <= on_disk
                send(group.urls[0], "line refused", ClientHistory(), expected=503)
            group.wait_following(0, 1)
            load.wait_for_more(20)
            apps.wait_for_more(4)
        assert standby.stderr.count("this server is a standby") == 1

        # Damaged in the middle: refused by the standby, and sent anew.
        for harm, refusal in (
            (Harm.FLIP, "damaged"),
            (Harm.TRUNCATE, "broken_off"),
            (Harm.RESET, "broken_off"),
        ):
            before = group.position(1)["refused"][refusal]
            way.strike(harm, Way.TO_SERVER, at_byte=TORN_BYTES // 2)
            send(group.urls[0], f"line torn by {harm} " + "x" * TORN_BYTES, own)
            assert way.struck[harm] >= 1
            wait_until(
                lambda: group.position(1)["refused"][refusal] > before,  # noqa: B023 - asked at once
                WAIT_SECONDS,
                f"what was hurt by a {harm} is counted",
            )
        group.wait_in_step(0)
        check_histories(group.urls, [*load.histories, own], apps.histories)
        assert "no whole frame at byte" in (tmp_path / "server-0.stderr").read_text()
        group.end()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount a disk, where one may be mounted."""
    try:
        disk = SmallDisk(folder, DISK_BYTES)
    except OSError:
        yield None
        return
    with contextlib.closing(disk):
        yield disk


@contextlib.contextmanager
def no_room(
    disk: SmallDisk | None, pid: int, leader: str, history: ClientHistory
) -> Iterator[None]:
    """Have a standby's disk full meanwhile; without a disk of its own it is its log that is."""
    if disk is not None:
        disk.fill()
        yield
        disk.relieve()
        return
    send(leader, "line long " + "x" * LOG_BYTES, history)
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (LOG_BYTES, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def send(url: str, line: str, history: ClientHistory, *, expected: int = 200) -> None:
    """Send a log record, once, and note what was heard of it."""
    history.lines[line] = Outcome.SENT
    body = logs_request("troubles", [line]).SerializeToString()
    assert post(url, "/v1/logs", body, "application/x-protobuf") == expected
    if expected == 200:
        history.lines[line] = Outcome.ACKNOWLEDGED
