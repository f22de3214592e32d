"""What a follower on a terminal is told of the shards behind its feeds: each change once."""

from __future__ import annotations

from clew.surfaces.cli.hearing import Hearing


def test_the_beginning_and_the_end_of_a_gap_are_told_once_for_all_feeds() -> None:
    hearing = Hearing()
    assert hearing.take("traces", {"missing_shards": ["b"]}) == ["not heard: shard b"]
    assert hearing.take("logs", {"missing_shards": ["b"]}) == []
    assert hearing.take("logs", {"missing_shards": ["b", "g"]}) == ["not heard: shard g"]
    assert hearing.take("logs", {"missing_shards": [], "standby_shards": ["g"]}) == [
        "heard again: shard g",
        "a standby is heard, or one that begins to lead: shard g",
    ]
    # One of the feeds does not hear it yet.
    assert hearing.take("traces", {"missing_shards": []}) == ["heard again: shard b"]
    assert hearing.take("logs", {"missing_shards": []}) == ["one that leads is heard: shard g"]
    assert not hearing.missing | hearing.standbys


def test_a_feed_that_broke_off_says_anew_what_is_not_well() -> None:
    hearing = Hearing()
    hearing.take("logs", {"missing_shards": ["a", "b"]})
    hearing.forget("logs")
    assert hearing.take("logs", {"missing_shards": ["a", "b"]}) == ["not heard: shards a, b"]
