"""How far a command is, read from what it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError
from clew.tree.agent.progress import (
    LINE_BYTES_MAX,
    ProgressReader,
    TooSlowError,
    compile_pattern,
)

SHARE = r"(?P<progress>[\d.,]+)"


def read(pattern: str, *lines: str) -> Any:
    """Return the status after lines."""
    reader = ProgressReader(compile_pattern(pattern), reads_json=False)
    return decoded(reader.read("".join(f"{line}\n" for line in lines).encode()))


def decoded(status: bytes | None) -> Any:
    return None if status is None else json.loads(status)


@pytest.mark.parametrize(
    ("pattern", "line", "progress"),
    [
        (SHARE, "at 45%", 0.45),
        (SHARE + "%", "at 45.5 of 9, 12.5%", 0.125),
        (r"(?P<progress>\d+ ?%)", "100 %", 1),
        (SHARE, "0.5", 0.5),
        (SHARE, "0,5", 0.5),
        (SHARE, "0.5%", 0.005),
        (SHARE, "1.", None),
        (SHARE, "250%", None),
        (SHARE, "nothing", None),
        (r"\[(?P<current>\d+)/(?P<total>\d+)\]", "[12/300] compiling", 0.04),
        (r"\[(?P<current>\d+)/(?P<total>\d+)\]", "[12/0] compiling", None),
        (r"\[(?P<current>\d+)/(?P<total>\d+)\]", "[12/7] compiling", None),
        (r"(?P<progress>\S+)$", "x nan", None),
        (SHARE, "9" * 400, None),
        (SHARE, "\x1b[32m4\x1b[1m5\x1b[0m%", 0.45),
        (r"^(?P<progress>\d+)%$", "\x1b]8;;http://x\x1b\\45%\x1b]8;;\x07", 0.45),
    ],
)
def test_a_share_is_found_in_what_people_write(
    pattern: str, line: str, progress: float | None
) -> None:
    assert (read(pattern, line) or {}).get("progress") == progress


def test_a_plain_one_is_what_was_written_so_far() -> None:
    assert read(SHARE, "0", "1")["progress"] == 0.01
    assert read(SHARE, "0", "0.5", "1")["progress"] == 1
    assert read(SHARE, "0", "20", "1")["progress"] == 0.01


def test_what_lines_say_is_put_together_and_the_last_wins() -> None:
    pattern = r"^== (?P<phase>\w+)|(?P<progress>\d+)% (?P<message>.*)"
    said = read(pattern, "== load", "10% of a", "noise", "== store ", "70% of b  ", "noise")
    assert said == {"phase": "store", "progress": 0.7, "message": "of b"}
    assert len(read("(?P<message>.*)", "x" * 3000)["message"]) == 200


def test_what_is_as_before_is_not_said_again() -> None:
    reader = ProgressReader(compile_pattern(SHARE), reads_json=False)
    assert reader.read(b"5%\n") is not None
    assert reader.read(b"5%\r5%\r") is None
    assert decoded(reader.read(b"6%\r")) == {"progress": 0.06}


def test_a_line_without_an_end_counts_when_nothing_more_comes() -> None:
    reader = ProgressReader(compile_pattern(r"p=(?P<progress>\d+)"), reads_json=False)
    assert reader.read(b"p=1") is None
    assert reader.read(b"5") is None
    assert decoded(reader.read(b"")) == {"progress": 0.15}
    assert reader.read(b"") is None


def test_objects_are_statuses_as_they_are_and_others_are_not() -> None:
    reader = ProgressReader(None, reads_json=True)
    said = {"progress": 0.4, "rows": [1, {"a": "é"}]}
    assert decoded(reader.read(json.dumps(said).encode() + b"\n")) == said
    for line in (
        b'{"progress": 2}',
        b'{"progress": true}',
        b'{"progress": "0.5"}',
        b'{"rows": 1}',
        b'[{"progress": 0.5}]',
        b'{"progress": 0.5',
        b'{"progress": 0.5, "progress": 0.6}',
        b'{"a":' * 1000,
        b'{"progress": 0.5, "x": "\xff"}',
    ):
        assert reader.read(line + b"\n") is None, line
    assert decoded(reader.read(b'  {"progress": 1}\r\n')) == {"progress": 1}


@pytest.mark.parametrize(
    "text",
    ["(", "no group", r"(?P<share>\d)", r"(?P<current>\d)", "(?P<progress>x)" + "a" * 1000],
)
def test_a_pattern_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ClewError):
        compile_pattern(text)


def test_a_line_is_read_up_to_a_length_and_what_was_left_out_does_not_count() -> None:
    reader = ProgressReader(compile_pattern(SHARE + "%"), reads_json=False)
    assert reader.read(b"x" * LINE_BYTES_MAX + b"45%\n") is None
    for _ in range(50):
        assert reader.read(b"y" * 100_000) is None
    assert reader.read(b"45%\n") is None
    assert reader.read(b"99%, cut here\n", is_cut=True) is None
    assert decoded(reader.read(b"9%\n7%\n", is_cut=True)) == {"progress": 0.07}


def test_a_pattern_that_would_search_for_years_comes_back() -> None:
    reader = ProgressReader(compile_pattern(r"(\w+\s*)+(?P<progress>\d+)!"), reads_json=False)
    assert reader.read(b"a quiet line\n") is None
    with pytest.raises(TooSlowError):
        reader.read(b"a" * 60 + b"\n")


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 100), min_size=1))
def test_however_it_is_cut_into_pieces_the_last_line_says_the_same(
    noise: list[bytes], shares: list[int]
) -> None:
    text = b"".join(b"<%d>%%\n%s\n" % (share, b"".join(noise)) for share in shares)
    pattern = compile_pattern(r"^<(?P<progress>\d+)>%$")
    whole = ProgressReader(pattern, reads_json=False)
    parts = ProgressReader(pattern, reads_json=False)
    said = [decoded(parts.read(text[at : at + 7])) for at in range(0, len(text), 7)]
    last = decoded(whole.read(text))
    assert [each for each in said if each is not None][-1] == last
