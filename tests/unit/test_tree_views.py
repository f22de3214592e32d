"""The drawn tree: every app once, whatever its path and its payload claim, and nothing acts."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.surfaces.cli.grid import render
from clew.surfaces.cli.text import cut_middle, cut_start, escape, width_of
from clew.surfaces.cli.views.app_tree import TreeShape, tree_lines
from clew.surfaces.cli.views.apps import app_lines, crash_table
from clew.surfaces.cli.views.outcomes import ENDED_SHOWN_MAX, cancel_lines
from clew.surfaces.cli.views.progress import BAR_CELLS, bar, read_progress
from clew.tree.documents import App, Cancelled, CancelOutcome, Crash, CrashList, Said

NOW = 1_800_000_000_000_000_000
AT = "2027-01-15T08:00:00.000000000Z"
STATUSES = (
    *("scheduled", "connected", "running", "reconnecting", "lost_contact", "done", "error"),
    *("crashed", "cancelled", "start_failed"),
)
_ACTING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def said(payload: Any) -> Said:
    octets = json.dumps(payload).encode()
    return Said(
        msg_type="Status",
        seq=1,
        epoch=1,
        at=AT,
        payload_bytes=len(octets),
        payload=msgspec.Raw(octets),
    )


def app(number: int, path: list[int], status: str = "running", **more: Any) -> App:
    ids = [f"{each:036d}" for each in path]
    given: dict[str, Any] = {
        "app_name": f"app-{number}",
        "epoch": 1,
        "namespace": None,
        "reason": "",
        "actor": "",
        "confirmed": False,
        "held": None,
        "exit_code": None,
        "sec_level": "open",
        "role_refs": [],
        "detached": False,
        "originator": None,
        "tags": None,
        "scheduled_at": AT,
        "connected_at": AT,
        "started_at": AT,
        "disconnected_at": None,
        "ended_at": None,
        "deadline": None,
        "last_snapshot": None,
        "result": None,
        "process": {},
        "has_agent": False,
        "crash": None,
    }
    return App(
        app_id=ids[-1],
        parent_id=ids[-2] if len(ids) > 1 else None,
        path=ids,
        status=status,
        **given | more,
    )


def drawn(apps: list[App], width: int = 200, **shape: Any) -> list[str]:
    return [render(line, colour=False) for line in tree_lines(apps, width, TreeShape(**shape), NOW)]


def test_of_many_children_those_that_need_a_look_are_shown_and_the_rest_is_counted() -> None:
    children = [app(n, [1, n], "done" if n % 2 else "running") for n in range(2, 42)]
    children.append(app(50, [1, 50], "crashed"))
    lines = drawn([app(1, [1]), *children], fold=5)
    assert len(lines) == 1 + 1 + 5 + 1
    assert sum("✗ crashed" in line for line in lines) == 1
    assert lines[-1].startswith("╰─… 36 more: ")
    assert "20 done" in lines[-1]
    assert len(drawn([app(1, [1]), *children], fold=0)) == 1 + 42


def test_an_app_of_a_status_is_shown_with_all_that_stand_above_it() -> None:
    apps = [app(1, [1]), app(2, [1, 2]), app(3, [1, 2, 3], "error"), app(4, [1, 4])]
    lines = drawn(apps, statuses=frozenset({"error"}))
    assert [line.split()[0].strip("│├─╰") for line in lines[1:3]] == ["app-1", "app-2"]
    assert "app-3" in lines[3]
    assert len(lines) == 4


def test_an_app_whose_parent_is_not_here_is_a_root_of_what_is_drawn() -> None:
    lines = drawn([app(3, [1, 2, 3]), app(4, [1, 2, 3, 4])])
    assert lines[1].startswith("app-3")
    assert lines[2].startswith("╰─app-4")
    assert len(drawn([app(3, [1, 2, 3]), app(4, [1, 2, 3, 4])], depth=0)) == 2


def words(longest: int) -> st.SearchStrategy[str]:
    """Texts that are no id: by those the apps are counted in what is drawn."""
    return st.text(max_size=longest).filter(lambda text: "0000" not in text)


@st.composite
def forests(draw: st.DrawFn) -> list[App]:
    paths: list[list[int]] = []
    for number in range(draw(st.integers(1, 30))):
        above = draw(st.sampled_from([[], *paths])) if paths else []
        paths.append([*above, number + 1])
    kept = draw(st.lists(st.sampled_from(paths), unique_by=tuple, min_size=1))
    return [
        app(
            path[-1],
            path,
            draw(st.sampled_from(STATUSES)),
            app_name=draw(words(12)),
            process={"hostname": draw(st.text(max_size=8)), "pid": draw(st.integers(0, 9))},
            last_snapshot=said(draw(JSON)),
            actor=draw(st.text(max_size=5)),
        )
        for path in kept
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words(9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["progress", "percent", "done", "total", "phase", "message"]), inner
        )
    ),
    max_leaves=6,
)


@given(forests(), st.integers(40, 200), st.integers(0, 4))
def test_every_app_is_drawn_once_whatever_it_says_of_itself(
    apps: list[App], width: int, fold: int
) -> None:
    lines = drawn(apps, width)
    assert len(lines) == len(apps) + 1
    for each in apps:
        assert sum(each.app_id[-8:] in line for line in lines) == 1
    for line in [*lines, *drawn(apps, width, fold=fold)]:
        assert not _ACTING.search(line)
        assert width_of(line) <= max(width, 52)
    for each in apps:
        for shown in app_lines(each, width):
            assert not _ACTING.search(render(shown, colour=False))


@given(JSON)
def test_progress_is_a_share_or_nothing(payload: Any) -> None:
    progress = read_progress(said(payload))
    if progress.share is not None:
        assert progress.share >= 0
        assert len(bar(progress.share)) == BAR_CELLS
    assert isinstance(progress.words, str)


def test_the_common_words_for_progress_are_understood() -> None:
    for payload, share, words in (
        ({"progress": 0.5}, 0.5, ""),
        ({"progress": 50}, 0.5, ""),
        ({"percent": 12.5, "stage": "copy"}, 0.125, "copy"),
        ({"done": 3, "total": 4}, 0.75, ""),
        ({"done": 3, "total": 0}, None, ""),
        ({"progress": True}, None, ""),
        ({"progress": -1}, None, ""),
        ("loading", None, "loading"),
        ([1], None, ""),
    ):
        progress = read_progress(said(payload))
        assert (progress.share, progress.words) == (share, words)
    assert read_progress(None).share is None
    assert (bar(0), bar(1), bar(7)) == ("░" * BAR_CELLS, "█" * BAR_CELLS, "█" * BAR_CELLS)


@pytest.mark.parametrize(
    ("status", "reason", "code", "told"),
    [
        ("crashed", "exit", -9, "killed by SIGKILL"),
        ("crashed", "exit", -50, "killed by signal 50"),
        ("crashed", "exit", 3, "exit 3"),
        ("crashed", "disconnect", -15, "disconnect, killed by SIGTERM"),
        ("error", "", -11, "killed by SIGSEGV"),
        ("done", "", 4, "exit 4"),
    ],
)
def test_how_a_process_ended_is_said_in_words(
    status: str, reason: str, code: int, told: str
) -> None:
    ended = app(1, [1], status, reason=reason, exit_code=code)
    (_, line) = drawn([ended])
    assert line.rstrip().endswith(told)


def test_of_a_crash_it_is_said_what_killed_it_and_no_silence_that_there_was_not() -> None:
    crashes = [
        Crash(
            id=number,
            app_id=f"{number:036d}",
            app_name="worker",
            path=[f"{number:036d}"],
            epoch=1,
            crash_type=crash_type,
            at=AT,
            gap_ms=gap_ms,
            details=msgspec.Raw(details),
            recovered_at=None,
        )
        for number, (crash_type, gap_ms, details) in enumerate(
            [("exit", 0, b'{"signal":9}'), ("connection_drop", 2000, b"{}")]
        )
    ]
    lines = crash_table(CrashList(crashes=crashes, count=2, truncated=False), 120)
    killed, dropped = (render(line, colour=False) for line in lines[1:])
    assert "killed by SIGKILL" in killed
    assert "0 ns" not in killed
    assert "connection_drop" in dropped
    assert "2.00 s" in dropped


def test_at_80_columns_everything_that_matters_is_there_however_long_and_deep_the_names() -> None:
    host = {"hostname": "gpu-node-7f9c4d-abcde", "pid": 41234}
    apps = [
        app(
            depth,
            list(range(1, depth + 1)),
            app_name=f"nightly-embedding-refresh-worker-{depth:02d}",
            process=host,
            last_snapshot=said({"progress": 0.25, "phase": "reading the third of many shards"}),
        )
        for depth in range(1, 21)
    ]
    header, *lines = drawn(apps, 80)
    for title in ("app", "status", "progress", "runtime", "where"):
        assert title in header
    for depth, line in enumerate(lines, 1):
        assert width_of(line) <= 80
        assert f"-{depth:02d} " in line, "the end of its name"
        assert re.search(r"\bn\w*…", line), "the beginning of its name"
        assert "● running" in line
        assert " 25 %" in line
        assert re.search(r"gp\S*…\S*34\b", line), "host and process"


def test_of_a_short_tree_nothing_is_cut_at_80_columns() -> None:
    process = {"hostname": "box", "pid": 77}
    apps = [app(1, [1], process=process), app(2, [1, 2], "crashed", reason="exit", exit_code=-9)]
    lines = drawn(apps, 80)
    assert not any("…" in line for line in lines)
    assert "box:77" in lines[1]
    assert lines[2].endswith("killed by SIGKILL")


@given(st.text(max_size=30), st.integers(0, 30))
def test_a_text_that_is_cut_in_the_middle_fits_and_keeps_both_ends(text: str, width: int) -> None:
    shown = escape(text)
    for cut in (cut_middle(shown, width), cut_start(shown, width)):
        assert width_of(cut) <= width
    if width_of(shown) <= width:
        assert cut_middle(shown, width) == shown


def test_both_ends_of_a_name_are_kept() -> None:
    assert cut_middle("nightly-embedding-01", 11) == "nightl…g-01"
    assert cut_start("│ │ ╰─", 4) == "… ╰─"


def test_of_many_that_had_ended_before_a_cancel_a_few_are_listed_and_the_rest_is_counted() -> None:
    def outcome(number: int, phase: str) -> CancelOutcome:
        return CancelOutcome(
            app_id=f"{number:036d}",
            app_name=f"app-{number}",
            status="done" if number else "cancelled",
            phase=phase,
            confirmed=True,
        )

    outcomes = [outcome(0, "cooperative"), *(outcome(n, "already_terminal") for n in range(1, 31))]
    cancelled = Cancelled(
        correlation_id="c", over=True, outcomes=outcomes, ended_before=1030, left_out=1000
    )
    lines = [render(line, colour=False) for line in cancel_lines(cancelled, 120)]
    assert lines[0] == "cancel over  1 app: 1 cancelled; 1030 had ended before  c"
    alone = msgspec.structs.replace(cancelled, outcomes=outcomes[1:2], ended_before=1, left_out=0)
    assert render(cancel_lines(alone, 120)[0], colour=False) == (
        "cancel over  1 app had ended before  c"
    )
    long = msgspec.structs.replace(cancelled, correlation_id="0" * 36)
    head, below, *_ = [render(line, colour=False) for line in cancel_lines(long, 80)]
    assert width_of(head) <= 80
    assert below.strip() == "0" * 36
    assert sum("had ended before" in line for line in lines[1:]) == ENDED_SHOWN_MAX + 1
    assert lines[-1] == f"… {1030 - ENDED_SHOWN_MAX} more had ended before"
