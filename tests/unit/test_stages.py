"""Stages of pipelines: what their outputs are said to be made of, and that they never notice."""

from __future__ import annotations

import asyncio
import pickle
import queue
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from clew import lineage
from clew.base.errors import ClewError, ErrorCode
from clew.lineage import Traced
from clew.lineage.publisher import Drop
from clew.lineage.stages.carrier import LOOKED_INTO_MAX
from tests.lineage_pipes import NODE_ID, Told, traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator


@pytest.fixture
def told() -> Iterator[Told]:
    with traced() as told:
        yield told


@lineage.stage
def read(value: int = 0) -> int:
    return value


@lineage.stage("double")
def double(value: int) -> int:
    return value * 2


@lineage.stage("add", stream_id=3)
def add(left: int, right: int) -> int:
    return left + right


@lineage.stage
def merge(values: list[int] | tuple[int, ...] | dict[str, int]) -> int:
    return sum(values.values() if isinstance(values, dict) else values)


def ids_of(*values: Traced[Any]) -> tuple[int, ...]:
    return tuple(value.trace_id for value in values)


# What an output is made of.


def test_a_source_begins_a_lineage_with_each_output(told: Told) -> None:
    first, second = read(1), read(1)
    assert first.trace_id not in (0, second.trace_id)
    assert [item.trace_id for item in told.items] == [first.trace_id, second.trace_id]
    assert [item.seq for item in told.items] == [1, 2]
    assert not told.links


def test_an_output_of_one_input_goes_on_with_its_id(told: Told) -> None:
    first = read(4)
    second = double(first)
    assert (second.value, second.trace_id) == (8, first.trace_id)
    assert [item.stream_id for item in told.items] == [zlib.crc32(b"read"), zlib.crc32(b"double")]
    assert not told.links


def test_an_output_of_several_inputs_has_a_set_that_names_them_in_order(told: Told) -> None:
    left, right = read(1), read(2)
    out = add(right, left)
    (link,) = told.links
    assert link.trace_id == out.trace_id
    assert link.parents == ids_of(right, left)
    assert (link.stream_id, link.seq, link.epoch) == (3, 1, told.tracing.epoch)
    assert out.value == 3


def test_a_diamond_is_one_lineage_that_is_tagged_anew(told: Told) -> None:
    origin = read(1)
    out = add(double(origin), double(origin))
    assert out.trace_id != origin.trace_id
    assert told.edges == {(out.trace_id, origin.trace_id)}


def test_a_diamond_goes_on_with_its_id_where_that_is_wished() -> None:
    with traced(reuse_single=True) as told:
        origin = read(1)
        assert add(double(origin), double(origin)).trace_id == origin.trace_id
        assert not told.links


def test_a_stage_that_splits_gives_each_part_an_id_and_a_set_of_one(told: Told) -> None:
    @lineage.stage(new_id=True)
    def split(text: str) -> Iterator[str]:
        yield from text.split()

    whole = lineage.join([], stage="text")
    with whole:
        text = whole.carry("a b")
    parts = list(split(text))
    assert [part.value for part in parts] == ["a", "b"]
    assert told.edges == {(part.trace_id, text.trace_id) for part in parts}
    assert len({*ids_of(*parts)}) == 2


@pytest.mark.parametrize("kind", [list, tuple, lambda values: dict(enumerate(values))])
def test_inputs_in_lists_tuples_and_dictionaries_count(told: Told, kind: Any) -> None:
    values = [read(1), read(2), read(3)]
    out = merge(kind(values))
    assert out.value == 6
    (link,) = told.links
    assert link.parents == ids_of(*values)


def test_arguments_that_carry_nothing_are_no_inputs(told: Told) -> None:
    first = read(1)
    assert add(first, 5).trace_id == first.trace_id
    assert told.tracing.statistics().generator.untraced_inputs == 0


def test_inputs_that_were_not_traced_are_left_out_and_counted(told: Told) -> None:
    first, second = read(1), read(2)
    out = merge([first, Traced(5), second])
    assert out.value == 8
    assert told.edges == {(out.trace_id, each) for each in ids_of(first, second)}
    assert told.tracing.statistics().generator.untraced_inputs == 1


def test_an_output_of_nothing_that_was_traced_begins_a_lineage(told: Told) -> None:
    out = add(Traced(1), Traced(2))
    assert out.trace_id
    assert not told.links
    assert told.tracing.statistics().generator.untraced_inputs == 2


def test_the_same_input_twice_is_one(told: Told) -> None:
    first, second = read(1), read(2)
    merge([first, second, first])
    (link,) = told.links
    assert link.parents == ids_of(first, second)


def test_a_long_list_is_judged_by_its_first_values(told: Told) -> None:
    plain: list[Any] = [0] * LOOKED_INTO_MAX
    first = read(1)
    with pytest.raises(TypeError):
        merge([*plain, first])
    assert merge([first, *plain]).trace_id == first.trace_id
    assert not told.links


def test_more_inputs_than_a_set_can_name_are_counted_and_harm_nobody(told: Told) -> None:
    inputs = [Traced(1, trace_id) for trace_id in range(1, 400)]
    assert merge(inputs).value == 399
    assert not told.links
    dropped = told.tracing.open_stream(zlib.crc32(b"merge")).publisher.statistics().dropped
    assert {str(reason) for reason, count in dropped.items() if count} == {"too_many_parents"}


def test_what_a_function_raises_is_raised_and_no_output_is_told(told: Told) -> None:
    @lineage.stage
    def fail(_value: int) -> int:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        fail(read(1))
    with pytest.raises(KeyError), lineage.join([read(1), read(2)]):
        raise KeyError
    assert not told.links
    assert len(told.items) == 3


# Generators, asyncio, threads.


def test_a_generator_joins_what_it_draws_for_each_value(told: Told) -> None:
    @lineage.stage
    def pairs(values: Iterator[int]) -> Iterator[int]:
        for left in values:
            yield left + next(values)

    inputs = [read(n) for n in range(4)]
    first, second = pairs(iter(inputs))
    assert [first.value, second.value] == [1, 5]
    assert [link.parents for link in told.links] == [ids_of(*inputs[:2]), ids_of(*inputs[2:])]
    assert ids_of(first, second) == tuple(link.trace_id for link in told.links)


def test_a_generator_that_yields_twice_of_one_input_says_so_of_both(told: Told) -> None:
    @lineage.stage
    def twice(values: Iterator[int]) -> Iterator[int]:
        for value in values:
            yield value
            yield -value

    one, other = read(1), read(2)
    out = list(twice(each for each in (one, other)))
    assert [each.value for each in out] == [1, -1, 2, -2]
    assert ids_of(*out) == ids_of(one, one, other, other)
    assert not told.links


def test_what_is_zipped_is_joined(told: Told) -> None:
    @lineage.stage
    def fuse(pairs: Iterator[tuple[int, int]]) -> Iterator[int]:
        for left, right in pairs:
            yield left * right

    lefts, rights = [read(2), read(3)], [read(5), read(7)]
    assert [each.value for each in fuse(zip(lefts, rights, strict=True))] == [10, 21]
    pairs = zip(lefts, rights, strict=True)
    assert [link.parents for link in told.links] == [ids_of(*pair) for pair in pairs]


def test_a_function_that_draws_is_made_of_all_that_it_drew(told: Told) -> None:
    @lineage.stage
    def total(values: Iterator[int]) -> int:
        return sum(values)

    inputs = [read(n) for n in range(5)]
    assert total(iter(inputs)).value == 10
    (link,) = told.links
    assert link.parents == ids_of(*inputs)


def test_a_generator_is_sent_to_thrown_at_and_returns_as_it_was_written(told: Told) -> None:
    @lineage.stage
    def talk(first: int) -> Generator[int, int, str]:
        try:
            second = yield first
            yield first + second
        except ValueError:
            yield -1
        return "end"

    one, two = read(1), read(2)
    talking: Any = talk(one)
    assert next(talking).value == 1
    answer = talking.send(two)
    assert answer.value == 3
    assert talking.throw(ValueError()).value == -1
    with pytest.raises(StopIteration) as end:
        next(talking)
    assert end.value.value == "end"
    assert (answer.trace_id, two.trace_id) in told.edges


def test_a_generator_that_is_thrown_away_is_closed(told: Told) -> None:
    closed = []

    @lineage.stage
    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    values: Any = endless()
    next(values)
    values.close()
    assert closed == [True]
    assert len(told.items) == 1


def test_coroutines_and_asynchronous_generators_are_stages(told: Told) -> None:
    @lineage.stage
    async def ask(question: int) -> int:
        await asyncio.sleep(0)
        return question + 1

    @lineage.stage
    async def listen(answers: AsyncIterator[int]) -> AsyncIterator[int]:
        kept = []
        async for answer in answers:
            kept.append(answer)
            if len(kept) == 2:
                yield sum(kept)
                kept.clear()

    async def run() -> tuple[list[Traced[int]], list[Traced[int]]]:
        questions = [read(n) for n in range(4)]
        answers = await asyncio.gather(*map(ask, questions))

        async def stream() -> AsyncIterator[Traced[int]]:
            for answer in answers:
                yield answer

        return answers, [each async for each in listen(stream())]

    answers, heard = asyncio.run(run())
    assert [each.value for each in heard] == [3, 7]
    assert [link.parents for link in told.links] == [ids_of(*answers[:2]), ids_of(*answers[2:])]


def test_ids_go_with_the_values_through_threads_and_queues(told: Told) -> None:
    waiting: queue.Queue[Traced[int]] = queue.Queue()
    threads = [threading.Thread(target=lambda n=n: waiting.put(double(read(n)))) for n in range(4)]
    for thread in threads:
        thread.start()
    inputs = [waiting.get(timeout=60) for _ in threads]
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(merge, inputs).result()
    assert told.edges == {(out.trace_id, each) for each in ids_of(*inputs)}
    assert len({*ids_of(*inputs)}) == 4


def test_stages_of_many_threads_number_their_outputs_through(told: Told) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(read, range(200)))
    assert sorted(item.seq for item in told.items) == list(range(1, 201))
    assert len({*ids_of(*made)}) == 200


# Joining by hand.


def test_a_join_tells_of_its_inputs_when_it_ends(told: Told) -> None:
    left, right = read(1), read(2)
    with lineage.join([left, right], stage="fusion", stream_id=9) as out:
        result = out.carry(left.value + right.value)
        assert not told.links
    assert told.edges == {(result.trace_id, each) for each in ids_of(left, right)}
    assert told.links[0].stream_id == 9


def test_inputs_may_come_while_the_output_is_made(told: Told) -> None:
    inputs = [read(n) for n in range(3)]
    with lineage.join(stage="agent") as answer:
        for each in inputs:
            answer.add(each)
    assert told.links[0].parents == ids_of(*inputs)
    assert told.links[0].trace_id == answer.trace_id


def test_an_input_that_comes_when_the_id_is_settled_is_told_or_counted(told: Told) -> None:
    one, two, three = read(1), read(2), read(3)
    with lineage.join([one, two]) as out:
        assert out.trace_id
        out.add(three)
    assert told.links[0].parents == ids_of(one, two, three)
    with lineage.join([one]) as out:
        assert out.trace_id == one.trace_id
        out.add(two)
    assert told.tracing.statistics().late_inputs == 1


def test_the_caller_may_say_how_the_item_went_out(told: Told) -> None:
    with lineage.join([read(1), read(2)]) as out:
        out.seq, out.epoch = 77, 5
    assert (told.links[0].seq, told.links[0].epoch) == (77, 5)


def test_what_is_discarded_is_not_told(told: Told) -> None:
    with lineage.join([read(1), read(2)]) as out:
        out.discard()
    assert not told.links


def test_an_item_that_a_join_does_not_know_was_not_traced(told: Told) -> None:
    with lineage.join([read(1), "plain", read(2)]) as out:
        assert out.parents[1] == 0
    assert len(told.links[0].parents) == 2


# Written by hand, under the names of the specification.


def test_a_stage_that_is_written_by_hand_says_the_same(told: Told) -> None:
    generator = told.tracing.generator
    left, right = generator.next(), generator.next()
    out = lineage.trace_id_for_output(told.tracing, [left, right])
    publisher = told.tracing.open_stream(4).publisher
    assert lineage.emit_tracelink(publisher, 1, out, [left, right])
    assert told.links[0].parents == (left, right)
    assert lineage.trace_id_for_output(generator, [left]) == left


def test_by_hand_nothing_is_told_without_tracing() -> None:
    assert lineage.trace_id_for_output(lineage.current_tracing(), [1, 2]) == 0
    assert not lineage.emit_tracelink(None, 1, 3, [1, 2])


# Values that carry ids by themselves.


def test_arrays_carry_an_id_into_views_and_copies_and_not_into_results() -> None:
    numpy = pytest.importorskip("numpy")
    array = lineage.carry(numpy.arange(6.0), 42)
    for same in (
        array,
        array[2:],
        array.reshape(2, 3),
        array.copy(),
        pickle.loads(pickle.dumps(array)),
    ):
        assert lineage.trace_id_of(same) == 42
    other = lineage.carry(numpy.ones(6), 43)
    for made in (array + other, array * 2, array.mean(), numpy.concatenate([array, other])):
        assert lineage.trace_id_of(made) == 0
    array += 1
    assert lineage.trace_id_of(array) == 42
    assert array.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    masked = numpy.ma.masked_array([1, 2], [False, True])
    assert lineage.carry(masked, 42) is masked


def test_batches_of_arrow_carry_an_id_in_the_metadata_of_their_schema() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"x": [1, 2]}).replace_schema_metadata({"mine": "kept"})
    for batch in (lineage.carry(table, 42), lineage.carry(table.to_batches()[0], 42)):
        assert lineage.trace_id_of(batch) == lineage.trace_id_of(batch.slice(1)) == 42
        assert batch.schema.metadata[b"mine"] == b"kept"
    sink = arrow.BufferOutputStream()
    sent = lineage.carry(table, 2**64 - 1)
    with arrow.ipc.new_stream(sink, sent.schema) as writer:
        writer.write(sent)
    assert lineage.trace_id_of(arrow.ipc.open_stream(sink.getvalue()).read_all()) == 2**64 - 1


def test_outputs_that_are_batches_have_the_id_of_the_output(told: Told) -> None:
    numpy = pytest.importorskip("numpy")
    arrow = pytest.importorskip("pyarrow")

    @lineage.stage
    def features(image: Any) -> object:
        return arrow.table({"sum": [image.sum()]})

    @lineage.stage
    def shoot() -> object:
        return numpy.ones(4)

    # Without our hand: as what went through a queue of somebody else's.
    image = shoot().value
    table = features(image).value
    assert lineage.trace_id_of(table) == lineage.trace_id_of(image) == told.items[0].trace_id


@dataclass
class Frame:
    trace_id: Any


def test_objects_and_documents_may_carry_their_id_themselves() -> None:
    assert lineage.trace_id_of(Frame(42)) == 42
    assert lineage.trace_id_of({"tracelink.trace_id": "42", "body": 1}) == 42
    assert lineage.trace_id_of(Traced("x", 42)) == 42
    nones: list[Any] = [7, "42", None, [], {}, Frame(None), Frame(-1), Frame(2**64), Frame(True)]
    for none in nones:
        assert lineage.trace_id_of(none) == 0
    for text in ("", "-1", "x", "9" * 21, str(2**64)):
        assert lineage.trace_id_of({"tracelink.trace_id": text}) == 0


class Hostile:
    """An object that nothing may be asked of."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_values_that_raise_when_they_are_looked_at_reach_the_function(told: Told) -> None:
    @lineage.stage
    def take(value: object) -> object:
        return value

    hostile = Hostile()
    assert take(hostile).value is hostile
    with lineage.join([hostile, read(1)]) as out:
        assert out.carry(hostile).value is hostile
    assert told.tracing.statistics().failures == 0


class Unbound:
    """A proxy that stands for nothing now, such as those of web frameworks outside a request."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...


def test_proxies_that_stand_for_nothing_reach_the_function(told: Told) -> None:
    @lineage.stage
    def take(values: list[object]) -> object:
        return values[0]

    unbound = Unbound()
    assert take([unbound, read(1)]).value is unbound
    with lineage.join([unbound, read(1)]):
        assert told.tracing.statistics().failures == 0


def test_inputs_that_are_no_collection_are_counted_and_harm_nobody(told: Told) -> None:
    wrong: Any = 5
    with lineage.join(wrong) as out:
        assert out.carry(1).value == 1
    assert told.tracing.statistics().failures == 1


def test_a_carrier_goes_to_another_process(told: Told) -> None:
    first = read(1)
    sent = pickle.loads(pickle.dumps(first))
    assert (sent.value, sent.trace_id) == (1, first.trace_id)
    assert add(sent, read(2)).trace_id != first.trace_id
    assert first.trace_id in told.links[0].parents


# Off, on, and off again.


def test_types_are_the_same_while_tracing_is_off() -> None:
    assert lineage.current_tracing() is None
    for out in (read(3), add(Traced(1), 2), merge([Traced(1), Traced(2)])):
        assert (out.value, out.trace_id) == (3, 0)
    assert merge({"a": Traced(3)}).value == 3
    with lineage.join([Traced(1), Traced(2)]) as joined:
        assert joined.carry(5).trace_id == 0
    assert (joined.trace_id, joined.seq, joined.is_traced) == (0, 0, False)


def test_generators_work_while_tracing_is_off() -> None:
    @lineage.stage
    def negate(values: Iterator[int]) -> Iterator[int]:
        for value in values:
            yield -value

    @lineage.stage
    def total(values: Iterator[int]) -> int:
        return sum(values)

    assert [each.value for each in negate(iter([Traced(1), Traced(2)]))] == [-1, -2]
    assert total(each for each in [Traced(1), Traced(2)]).value == 3


def test_tracing_may_be_switched_in_the_middle_of_a_generator() -> None:
    @lineage.stage
    def count(values: Iterator[int]) -> Iterator[int]:
        yield from values

    values = count(iter([Traced(n, n) for n in range(1, 7)]))
    assert next(values).trace_id == 0
    with traced() as told:
        assert [next(values).trace_id, next(values).trace_id] == [2, 3]
        assert [item.trace_id for item in told.items] == [2, 3]
    assert [each.value for each in values] == [4, 5, 6]


def test_values_of_a_traced_pipeline_go_on_when_tracing_is_off() -> None:
    with traced():
        first = read(2)
    assert double(first).value == 4


def test_tracing_is_enabled_once(told: Told) -> None:
    with pytest.raises(ClewError) as caught:
        lineage.enable_tracing(NODE_ID)
    assert caught.value.code is ErrorCode.CONFLICT
    lineage.disable_tracing()
    assert lineage.current_tracing() is None
    lineage.disable_tracing()
    assert told.tracing.generator.next()


def test_tracing_needs_a_node_id() -> None:
    with pytest.raises(ClewError) as caught:
        lineage.enable_tracing(to=lineage.LinkRing())
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert lineage.current_tracing() is None


def test_a_stream_that_cannot_be_is_counted_and_harms_nobody(told: Told) -> None:
    @lineage.stage(stream_id=-1)
    def wrong() -> int:
        return 1

    assert wrong().value == 1
    assert told.tracing.statistics().failures


def test_a_ring_that_is_full_harms_nobody() -> None:
    with lineage.enable_tracing(NODE_ID, to=lineage.LinkRing(slots=1)) as tracing:
        made = [read(n) for n in range(5)]
        told = tracing.open_stream(zlib.crc32(b"read")).publisher.statistics()
    assert [each.value for each in made] == list(range(5))
    assert (told.accepted, told.dropped[Drop.FULL]) == (1, 4)


def test_streams_share_one_way_and_end_with_it() -> None:
    with lineage.DatagramReceiver("127.0.0.1:0") as receiver:
        with lineage.enable_tracing(NODE_ID, to=str(receiver.address)) as tracing:
            before = set(threading.enumerate())
            out = add(read(1), double(read(2)))
            assert set(threading.enumerate()) <= before
        assert tracing.statistics().failures == 0
        links: list[Any] = []
        poller = lineage.TraceLinkPoller(receiver, links.append)
        poller.poll(timeout_s=120)
        while not links:
            assert poller.poll(timeout_s=120)
    assert links[0].trace_id == out.trace_id
    assert not tracing.open_stream(5).publisher.emit(1, 2, [3])


def test_the_default_epoch_is_no_other_process_of_the_deployment(told: Told) -> None:
    read(1)
    assert told.items[0].epoch == told.tracing.epoch
    parts = told.tracing.generator.layout.decode(told.tracing.epoch)
    assert parts.node_id == NODE_ID
