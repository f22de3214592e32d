"""Which shard owns a trace: as a Collector says, and as the contract says it."""

from __future__ import annotations

import binascii
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError
from clew.base.sharding import Ring, endpoint_of

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "contracts/sharding/vectors.json").read_text()
)["rings"]

NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True)
KEYS = st.binary(min_size=16, max_size=16)


def walk_the_circle(names: list[str], key: bytes) -> str:
    """Return the owner by walking from place to place: the contract's words, and none of ours."""
    circle: list[str | None] = [None] * 131_071
    points = []
    for name in names:
        for point in range(200):
            hashed = binascii.crc32(name.encode() + point.to_bytes(4, "little"))
            points.append((hashed % 131_071, hashed, name.encode(), name))
    for wanted, _, _, name in sorted(points):
        tried = [(wanted + step) % 131_071 for step in range(10)]
        free = [place for place in tried if circle[place] is None]
        if free:
            circle[free[0]] = name
    place = binascii.crc32(key) % 131_071
    while circle[place] is None:
        place = (place + 1) % 131_071
    return str(circle[place])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ",".join(vector["endpoints"][:4]))
def test_owners_are_those_that_the_collectors_own_code_names(vector: dict[str, Any]) -> None:
    ring = Ring(vector["endpoints"])
    assert len(vector["traces"]) >= 62
    for owned in vector["traces"]:
        assert ring.owner_of_trace(owned["key"]) == owned["owner"]
    for owned in vector["services"]:
        assert ring.owner_of(owned["key"].encode()) == owned["owner"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ",".join(vector["endpoints"][:4]))
def test_a_second_implementation_agrees_with_the_collectors_code(vector: dict[str, Any]) -> None:
    for owned in vector["traces"]:
        found = walk_the_circle(vector["endpoints"], bytes.fromhex(owned["key"]))
        assert found == owned["owner"]


@given(NAMES, KEYS)
def test_both_implementations_agree_on_any_names(names: list[str], key: bytes) -> None:
    assert Ring(names).owner_of(key) == walk_the_circle(names, key)


@given(NAMES, st.randoms(use_true_random=False), KEYS)
def test_the_order_of_the_shards_means_nothing(names: list[str], chance: Any, key: bytes) -> None:
    turned = [*names, names[0]]
    chance.shuffle(turned)
    assert Ring(turned).owner_of(key) == Ring(names).owner_of(key)


def test_shards_own_shares_of_one_size_and_a_fourth_takes_a_fourth_of_each() -> None:
    names = [f"shard-{number}:4317" for number in range(4)]
    keys = [number.to_bytes(16, "big") for number in range(20_000)]
    three, four = Ring(names[:3]), Ring(names)
    moved = sum(three.owner_of(key) != four.owner_of(key) for key in keys)
    assert 0.15 * len(keys) < moved < 0.35 * len(keys)
    # A point that finds its place taken goes on, so the fourth may push points of others along.
    between = sum(four.owner_of(key) not in {three.owner_of(key), names[3]} for key in keys)
    assert between < len(keys) / 1000
    for name in names[:3]:
        assert 0.2 * len(keys) < sum(three.owner_of(key) == name for key in keys) < 0.5 * len(keys)


def test_no_shard_is_no_ring_and_no_trace_id_has_no_owner() -> None:
    with pytest.raises(ClewError, match="there is no shard"):
        Ring([])
    with pytest.raises(ClewError, match="not a trace id"):
        Ring(["a:4317"]).owner_of_trace("xyz")


def test_a_short_trace_id_belongs_where_the_whole_one_does() -> None:
    ring = Ring(["a:4317", "b:4317", "c:4317"])
    assert ring.owner_of_trace("ABC") == ring.owner_of_trace("abc".rjust(32, "0"))


def test_a_shard_is_called_what_a_collector_calls_it() -> None:
    assert endpoint_of("http://a:7701") == "a:4317"
    assert endpoint_of("https://clew.example/x") == "clew.example:4317"
    assert endpoint_of("a:7701") == "a:4317"
    assert endpoint_of("http://[::1]:7701") == "[::1]:4317"
