"""`clew trace-id` as a person and a program meet it; no server is there."""

from __future__ import annotations

import json

import pytest

from tests.e2e.terminal import Ended, clew, clew_on_terminal

NOWHERE = "http://127.0.0.1:1"


def trace_id(*arguments: str) -> Ended:
    return clew("trace-id", *arguments, server=NOWHERE)


def test_an_id_that_was_made_tells_when_and_by_whom() -> None:
    made = trace_id("next", "--node-id", "7")
    assert (made.code, made.stderr) == (0, "")
    assert set(made.document) == {"id", "timestamp", "node_id", "sequence"}
    assert made.document["node_id"] == 7
    told = trace_id("decode", made.document["id"])
    assert (told.code, told.document) == (0, made.document)


def test_the_vectors_are_decoded() -> None:
    told = trace_id("decode", "7130316800004194303")
    assert told.document == {
        "id": "7130316800004194303",
        "timestamp": "2023-11-14T22:13:20.000000000Z",
        "node_id": 1023,
        "sequence": 4095,
    }
    assert trace_id("decode", "0xc07001").document["id"] == "12611585"
    split = ("--node-bits", "3", "--sequence-bits", "5", "--epoch-offset-ms", "1700000000000")
    told = trace_id("decode", "256177", *split)
    assert told.document["timestamp"] == "2023-11-14T22:13:21.000000000Z"
    assert (told.document["node_id"], told.document["sequence"]) == (5, 17)


def test_many_are_made_at_once_and_ascend() -> None:
    made = trace_id("next", "--node-id", "7", "--count", "5000")
    ids = [int(each["id"]) for each in made.document["trace_ids"]]
    assert ids == sorted(set(ids))
    assert (made.document["count"], made.document["total"], made.document["truncated"]) == (
        5000,
        5000,
        False,
    )
    lines = trace_id("next", "--node", "7", "--count", "3", "--format", "ndjson").lines
    assert [json.loads(line)["node_id"] for line in lines] == [7, 7, 7]


def test_without_a_node_id_one_is_drawn_and_named() -> None:
    made = trace_id("next")
    assert made.code == 0
    assert json.loads(made.stderr)["node_id"] == made.document["node_id"]
    assert 1 <= made.document["node_id"] <= 1023


def test_a_terminal_shows_a_table() -> None:
    shown = clew_on_terminal("trace-id", "decode", "12611585", server=NOWHERE)
    assert shown.code == 0
    for part in ("12611585", "0xc07001", "00:00:00.003"):
        assert part in shown.stdout
    assert "times of 1970-01-01, UTC" in shown.stdout
    shown = clew_on_terminal("trace-id", "next", "--count", "2", server=NOWHERE)
    assert "2 ids" in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "0"),
        ("decode", "9223372036854775808"),
        ("decode", "18446744073709551616"),
        ("decode", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("decode", "12611585", "--node-bits", "20"),
        ("decode", "9223372036854775807", "--node-bits", "0", "--sequence-bits", "0"),
        ("next", "--node-id", "1024"),
        ("next", "--node-id", "1.5"),
        ("next", "--count", "0"),
        ("next", "--count", "10001"),
        ("next", "--epoch-offset-ms", "99999999999999"),
    ],
)
def test_what_cannot_be_is_a_bad_argument(arguments: tuple[str, ...]) -> None:
    ended = trace_id(*arguments)
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.error["code"] == "invalid_argument"
    assert ended.error["hint"]
