"""Trace ids: how they are made up, what clocks do to them, who may make which."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.lineage import TraceIdGenerator
from clew.lineage.clock import AnchoredClock
from clew.lineage.layout import IdLayout, TraceIdParts, parse_trace_id
from clew.lineage.native import NativeSequence, native_module
from clew.lineage.sequence import IdSequence, NoId, Sequence

THREADS = 4
IDS_EACH = 20_000


def following(readings: list[int]) -> Callable[[], int]:
    """Return a clock of these milliseconds, the last one for ever."""
    told: Iterator[int] = chain(readings, repeat(readings[-1]))
    return lambda: next(told)


class Hand:
    """A clock that stands where it is put."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def parts(generator: TraceIdGenerator) -> TraceIdParts:
    return generator.layout.decode(generator.next())


def test_a_generator_begins_a_millisecond_at_0_and_counts_within_it() -> None:
    clock = Hand(1)
    generator = TraceIdGenerator(7, clock=clock)
    assert generator.next() == 4222976
    clock.at = 3
    assert parts(generator) == TraceIdParts(3, 7, 0)
    assert generator.next() == 12611585
    clock.at = 4
    assert parts(generator) == TraceIdParts(4, 7, 0)


def test_a_clock_that_steps_back_changes_nothing() -> None:
    clock = Hand(7)
    generator = TraceIdGenerator(3, clock=clock)
    assert parts(generator) == TraceIdParts(7, 3, 0)
    clock.at = 4
    assert parts(generator) == TraceIdParts(7, 3, 1)
    clock.at = -3_600_000
    assert parts(generator) == TraceIdParts(7, 3, 2)


def test_a_millisecond_that_is_used_up_is_waited_for() -> None:
    # The clock is read once or twice for each id, and goes on while the fifth is waited for.
    generator = TraceIdGenerator(1, sequence_bits=2, clock=following([5] * 20 + [6]))
    found = [parts(generator) for _ in range(5)]
    assert [each.sequence for each in found] == [0, 1, 2, 3, 0]
    assert found[-1].timestamp_ms == 6


def test_a_clock_that_stands_still_is_not_waited_for_without_end() -> None:
    generator = TraceIdGenerator(1, sequence_bits=2, clock=Hand(5))
    assert [generator.next() for _ in range(6)][4:] == [0, 0]
    assert generator.statistics().no_id[NoId.EXHAUSTED] == 2


def test_0_is_never_given_out() -> None:
    clock = Hand(1000)
    generator = TraceIdGenerator(0, epoch_offset_ms=1000, clock=clock)
    assert generator.next() == 1


@pytest.mark.parametrize(("node", "sequence"), [(0, 22), (22, 0), (0, 0), (1, 0), (3, 5)])
def test_bits_can_be_split_otherwise(node: int, sequence: int) -> None:
    layout = IdLayout(node, sequence)
    generator = TraceIdGenerator(
        layout.node_id_max, node_bits=node, sequence_bits=sequence, clock=following([7, 7, 7, 8])
    )
    assert parts(generator) == TraceIdParts(7, layout.node_id_max, 0)


@pytest.mark.parametrize(("node", "sequence"), [(10, 13), (13, 10), (0, 23), (-1, 5), (5, -1)])
def test_bits_that_do_not_fit_are_refused(node: int, sequence: int) -> None:
    with pytest.raises(ClewError) as raised:
        TraceIdGenerator(0, node_bits=node, sequence_bits=sequence)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize("node_id", [-1, 1024])
def test_a_node_id_that_does_not_fit_is_refused(node_id: int) -> None:
    with pytest.raises(ClewError, match="0 to 1023"):
        TraceIdGenerator(node_id)


def test_an_epoch_lies_in_the_past_and_its_ids_last() -> None:
    with pytest.raises(ClewError, match="negative"):
        TraceIdGenerator(1, epoch_offset_ms=-1)
    with pytest.raises(ClewError, match="after the clock"):
        TraceIdGenerator(1, epoch_offset_ms=11, clock=Hand(10))
    with pytest.raises(ClewError, match="ended"):
        TraceIdGenerator(1, clock=Hand(2**41))


def test_the_last_millisecond_of_2039_has_ids_and_the_next_has_none() -> None:
    clock = Hand(2**41 - 1)
    generator = TraceIdGenerator(1023, clock=clock)
    last = [generator.next() for _ in range(4096)][-1]
    assert last == 2**63 - 1
    clock.at = 2**41
    assert generator.next() == 0
    assert generator.statistics().no_id[NoId.HORIZON] == 1


def test_a_part_that_does_not_fit_is_refused() -> None:
    layout = IdLayout()
    for wrong in ((-1, 0, 1), (2**41, 0, 0), (1, 1024, 0), (1, 0, 4096), (0, 0, 0)):
        with pytest.raises(ClewError):
            layout.compose(*wrong)


def test_the_wall_clock_is_followed_forward_and_never_back() -> None:
    steady, wall = Hand(1_000_000), Hand(5_000_000_000)
    clock = AnchoredClock(steady, wall)

    def now() -> int:
        return clock.read() + clock.follow()

    assert now() == 5_000_000_000
    wall.at -= 3_600_000_000_000
    steady.at += 10
    assert now() == 5_000_000_010
    assert clock.behind_ms(0) == 3_600_000
    wall.at = 6_000_000_000
    assert now() == 6_000_000_000
    assert clock.behind_ms(0) == 0


def test_ids_ascend_while_the_wall_clock_jumps() -> None:
    steady, wall = Hand(0), Hand(10**18)
    sequence = Sequence(5, IdLayout(), AnchoredClock(steady, wall))
    found: list[int] = []
    for step in (0, 3_600_000, -7_200_000, 1, 0, 86_400_000, -1):
        wall.at += step * 1_000_000
        steady.at += 400_000
        found.extend(sequence.next() for _ in range(3))
    assert found == sorted(set(found))


def opened(kind: str, layout: IdLayout) -> IdSequence:
    """Return a sequence of one kind, by the machine's clock."""
    if kind == "native":
        module = native_module()
        if module is None:
            pytest.skip("the native extension is not installed")
        return NativeSequence(module, 9, layout)
    return Sequence(9, layout, AnchoredClock(), is_guarded=kind == "guarded")


@pytest.mark.parametrize("kind", ["lock-free", "guarded", "native"])
def test_threads_share_a_sequence_and_no_id_comes_twice(kind: str) -> None:
    # Few ids for each millisecond, so that threads meet at its end all the time.
    sequence = opened(kind, IdLayout(10, 9))
    found: list[list[int]] = [[] for _ in range(THREADS)]
    ready = threading.Barrier(THREADS)

    def take(mine: list[int]) -> None:
        ready.wait()
        mine.extend(sequence.next() for _ in range(IDS_EACH))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = [[trace_id for trace_id in mine if trace_id] for mine in found]
    for mine in given:
        assert mine == sorted(mine), "the ids of one thread ascend"
    everything = list(chain.from_iterable(given))
    assert len(everything) == len(set(everything))
    assert THREADS * IDS_EACH - len(everything) == sequence.missed()[NoId.EXHAUSTED]


@pytest.mark.parametrize("kind", ["lock-free", "native"])
def test_what_ends_says_so_once_and_may_go_on(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    sequence = opened(kind, IdLayout())
    before = sequence.next()
    for turn in range(1, 3):
        sequence.end(NoId.REVOKED)
        with caplog.at_level(logging.WARNING, "clew.lineage"):
            assert [sequence.next() for _ in range(3)] == [0, 0, 0]
        assert len(caplog.records) == turn
        sequence.go_on()
        assert sequence.next() > before
    assert sequence.missed() == {reason: 6 * (reason is NoId.REVOKED) for reason in NoId}


@pytest.mark.parametrize("kind", ["lock-free", "native"])
def test_a_millisecond_of_one_id_gives_that_one(kind: str) -> None:
    sequence = opened(kind, IdLayout(10, 0))
    found = [sequence.next() for _ in range(5)]
    assert found == sorted(set(found))
    assert all(trace_id & 1023 == 9 for trace_id in found)


@pytest.mark.parametrize("kind", ["lock-free", "native"])
def test_a_sequence_that_cannot_be_is_refused(kind: str) -> None:
    opened(kind, IdLayout())
    for layout in (IdLayout(2, 12), IdLayout(10, 12, 2**60)):
        with pytest.raises(ClewError) as raised:
            opened(kind, layout)
        assert raised.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_clock_that_steps_before_the_epoch_has_no_ids_yet() -> None:
    clock = Hand(1000)
    generator = TraceIdGenerator(3, epoch_offset_ms=1000, clock=clock)
    clock.at = 999
    assert generator.next() == 0
    clock.at = 1001
    assert parts(generator) == TraceIdParts(1001, 3, 0)


def test_generators_of_one_node_share_what_they_give_out() -> None:
    first, second = TraceIdGenerator(77), TraceIdGenerator(77)
    found = [generator.next() for _ in range(200) for generator in (first, second)]
    assert found == sorted(set(found))


def test_one_input_lends_its_id_and_several_make_a_new_one() -> None:
    generator = TraceIdGenerator(8)
    assert generator.reuse(42) == 42
    assert generator.from_parents([42]) == 42
    new = generator.from_parents([42, 43])
    assert new not in {0, 42, 43}
    assert generator.from_parents([42, 42]) > new, "a join has an id of its own"
    assert generator.from_parents([42, 42], reuse_single=True) == 42
    assert generator.from_parents([42, 43], reuse_single=True) > new


def test_inputs_that_were_not_traced_are_counted() -> None:
    generator = TraceIdGenerator(8)
    for untraced in ([], [0], [0, 0]):
        assert generator.from_parents(untraced) > 0, "the output is where the lineage begins"
    assert generator.from_parents([0, 42]) not in {0, 42}
    assert generator.from_parents([0, 42], reuse_single=True) == 42
    assert generator.statistics().untraced_inputs == 5


@pytest.mark.parametrize("parents", [None, 7, ["x", "y"], [[], 1], object()])
def test_what_are_no_parents_break_nothing(parents: Any) -> None:
    generator = TraceIdGenerator(8)
    for reuse_single in (False, True):
        assert generator.from_parents(parents, reuse_single=reuse_single) > 0


def test_without_a_node_id_there_is_no_generator() -> None:
    class Lease:
        node_id = 12

    with pytest.raises(ClewError) as raised:
        TraceIdGenerator()
    assert raised.value.hint is not None
    assert TraceIdGenerator(lease=Lease()).node_id == 12
    assert TraceIdGenerator(13, lease=Lease()).node_id == 13


def test_a_lease_that_ended_gives_no_ids_until_it_is_ours_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator = TraceIdGenerator(14)
    before = generator.next()
    generator.revoke()
    with caplog.at_level(logging.WARNING, "clew.lineage"):
        assert [generator.next(), generator.next()] == [0, 0]
    assert len(caplog.records) == 1
    assert generator.statistics().no_id[NoId.REVOKED] == 2
    generator.renew(14)
    assert generator.next() > before


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (" 42 ", 42), ("0x407000", 4222976), ("18446744073709551615", 2**64 - 1)],
)
def test_an_id_is_written_in_decimal_or_hexadecimal(text: str, number: int) -> None:
    assert parse_trace_id(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "0x0", "-1", "1.5", str(2**64), "abc", "\u0661", "1_0", "9" * 10**5],
)
def test_a_text_that_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ClewError) as raised:
        parse_trace_id(text)
    assert len(raised.value.message) < 200
