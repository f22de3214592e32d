"""Anchors: which object the code is about, in functions of every kind, tasks, threads and pools."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry.baggage import get_baggage
from opentelemetry.context import attach, detach, get_current

from clew.twin.anchoring.context import CHAIN_MAX
from clew.twin.context import (
    AnchoredExecutor,
    AnchorStack,
    anchor,
    anchored,
    get_current_anchor,
    get_current_obj_id,
    get_current_obj_type,
    propagate,
)
from clew.twin.dsl import Integer, Object

DEADLINE_S = 60.0


class Basket(Object):
    """What is carried."""

    count = Integer(default=0)


def here() -> str | None:
    """Return who the code is about, as both contexts say it; they must agree."""
    said = get_current_obj_id()
    assert get_baggage("trilog.obj.id") == said
    return said


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    assert here() is None
    yield
    assert here() is None


def test_an_anchor_says_who_it_is_about_and_nobody_after_it() -> None:
    with anchor("b1", Basket, tenant="north") as opened:
        assert here() == "b1"
        assert get_current_obj_type() == "Basket"
        assert get_current_anchor() is opened
        assert (opened.type_name, opened.otel_prefix, opened.depth) == ("Basket", "basket", 0)
        assert opened.metadata == {"tenant": "north"}
        assert opened.created_at.tzinfo is not None
    assert get_current_anchor() is None


def test_anchors_nest_and_the_outer_one_comes_back() -> None:
    with anchor("outer", Basket) as outer:
        with anchor("inner", "Parcel") as inner:
            assert here() == "inner"
            assert inner.parent is outer
            assert [each.obj_id for each in AnchorStack.get_stack()] == ["outer", "inner"]
            assert AnchorStack.get_depth() == 2
            assert AnchorStack.get_root() is outer
        assert here() == "outer"
        assert get_baggage("trilog.obj.type") == "Basket"
    assert AnchorStack.get_stack() == []
    assert AnchorStack.get_root() is None


def test_an_inner_anchor_without_a_type_does_not_have_that_of_the_outer_one() -> None:
    with anchor("outer", Basket), anchor("inner"):
        assert get_current_obj_type() is None
        assert get_baggage("trilog.obj.type") is None


def test_an_exception_passes_through_and_the_outer_anchor_comes_back() -> None:
    with anchor("outer"):
        with pytest.raises(KeyError, match="gone"), anchor("inner"):
            raise KeyError("gone")
        assert here() == "outer"


def test_an_anchor_needs_an_id_and_takes_what_names_one() -> None:
    with pytest.raises(ValueError, match="not None"):
        anchor(None)
    for given, said in ((7, "7"), ("ä b", "ä b"), (Basket("b9"), "b9")):
        with anchor(given) as opened:
            assert opened.obj_id == said
    with anchor("") as nobody:
        assert nobody.obj_id == ""


def test_an_object_brings_its_type_and_itself() -> None:
    basket = Basket("b1")
    with anchor(basket) as opened:
        assert opened.entity is basket
        assert get_current_obj_type() == "Basket"


def test_a_type_may_be_named_by_a_text_and_is_found_where_one_class_bears_the_name() -> None:
    with anchor("b1", "Basket") as opened:
        assert opened.obj_type == "Basket"
        assert opened.kind.entity is Basket
    with anchor("x", "HTTPServer") as unknown:
        assert (unknown.type_name, unknown.otel_prefix) == ("HTTPServer", "http_server")


def test_a_class_that_only_an_anchor_knew_can_end() -> None:
    seen: list[int] = []

    def define() -> None:
        import weakref

        class Fleeting(Object):
            """Defined in a function."""

        with anchor("f", Fleeting) as opened:
            assert opened.kind.entity is Fleeting
        weakref.finalize(Fleeting, seen.append, 1)

    define()
    gc.collect()
    assert seen == [1]


def test_one_anchor_serves_again_and_within_itself() -> None:
    again = anchor("b1")
    with again, again:
        assert AnchorStack.get_depth() == 2
    with again:
        assert here() == "b1"


def test_a_decorated_function_runs_inside_and_keeps_its_name() -> None:
    @anchor("b1", Basket)
    def work(count: int, *, extra: int = 0) -> tuple[str | None, int]:
        """Do something."""
        return here(), count + extra

    assert work(1, extra=2) == ("b1", 3)
    assert (work.__name__, work.__doc__) == ("work", "Do something.")


def test_a_decorated_coroutine_is_anchored_over_its_waits_and_alone() -> None:
    @anchor("b1")
    async def work(turn: asyncio.Event, other: asyncio.Event) -> list[str | None]:
        seen = [here()]
        other.set()
        await turn.wait()
        return [*seen, here()]

    async def main() -> list[str | None]:
        turn, other = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(work(turn, other))
        await other.wait()
        assert here() is None
        turn.set()
        return await task

    assert asyncio.run(main()) == ["b1", "b1"]


def test_a_decorated_generator_is_anchored_in_its_own_code_alone() -> None:
    ended: list[str | None] = []

    @anchor("b1")
    def steps() -> Iterator[Any]:
        try:
            sent = yield here()
            try:
                yield (sent, here())
            except KeyError:
                yield ("caught", here())
        finally:
            ended.append(here())

    made: Any = steps()
    assert next(made) == "b1"
    assert here() is None
    assert made.send(5) == (5, "b1")
    with anchor("other"):
        assert made.throw(KeyError("x")) == ("caught", "b1")
        assert here() == "other"
    made.close()
    assert ended == ["b1"]


def test_a_decorated_generator_gives_back_what_it_returns_and_raises() -> None:
    @anchor("b1")
    def steps(fails: bool) -> Generator[Any, Any, str]:
        yield 1
        if fails:
            raise ValueError("wrong")
        return "done"

    def outer(fails: bool) -> Iterator[Any]:
        result = yield from steps(fails)
        yield result

    assert list(outer(False)) == [1, "done"]
    with pytest.raises(ValueError, match="wrong"):
        list(outer(True))


def test_a_decorated_asynchronous_generator_is_anchored_in_its_own_code_alone() -> None:
    ended: list[str | None] = []

    @anchor("b1")
    async def steps() -> AsyncIterator[str | None]:
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                yield here()
        finally:
            ended.append(here())

    async def main() -> list[str | None]:
        seen = []
        async with contextlib.aclosing(steps()) as made:  # type: ignore[type-var]
            async for each in made:
                seen += [each, here()]
                if len(seen) == 4:
                    break
        return seen

    assert asyncio.run(main()) == ["b1", None, "b1", None]
    assert ended == ["b1"]


def test_a_generator_that_another_task_throws_away_does_no_harm() -> None:
    async def steps() -> AsyncIterator[int]:
        async with anchor("left"):
            yield 1
            yield 2

    async def main() -> str | None:
        made = steps()

        async def take() -> None:
            await anext(made)

        await asyncio.create_task(take())
        await asyncio.create_task(made.aclose())  # type: ignore[attr-defined]
        return here()

    assert asyncio.run(main()) is None


def test_who_shares_an_anchor_does_not_close_it_for_another() -> None:
    shared = anchor("shared")

    async def abandoned() -> AsyncIterator[int]:
        with shared:
            yield 1

    async def holder(open_: asyncio.Event, over: asyncio.Event) -> str | None:
        with shared:
            open_.set()
            await over.wait()
        return here()

    async def main() -> str | None:
        open_, over = asyncio.Event(), asyncio.Event()
        made = abandoned()

        async def take() -> None:
            await anext(made)

        await asyncio.create_task(take())
        held = asyncio.create_task(holder(open_, over))
        await open_.wait()
        await asyncio.create_task(made.aclose())  # type: ignore[attr-defined]
        over.set()
        return await held

    assert asyncio.run(main()) is None


def test_generators_that_hold_anchors_and_take_turns_leave_none_open() -> None:
    def steps(name: str, count: int) -> Iterator[str | None]:
        with anchor(name):
            for _ in range(count):
                yield here()

    for lengths in ((1, 2), (2, 1), (2, 2)):
        first, second = steps("a", lengths[0]), steps("b", lengths[1])
        with anchor("outer"):
            for made in (first, second) * 3:
                next(made, None)
            assert here() == "outer"


def test_what_is_closed_out_of_order_is_not_gone_back_to() -> None:
    one, two, three = anchor("one"), anchor("two"), anchor("three")
    one.__enter__()
    two.__enter__()
    three.__enter__()
    two.__exit__()
    assert here() == "three"
    one.__exit__()
    assert here() == "three"
    three.__exit__()
    assert here() is None


def test_tasks_have_their_own_anchors_at_once() -> None:
    async def work(name: str) -> list[str | None]:
        seen = []
        async with anchor(name):
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append(here())
        return [*seen, here()]

    async def main() -> list[list[str | None]]:
        return await asyncio.gather(*(work(f"t{i}") for i in range(20)))

    assert asyncio.run(main()) == [[f"t{i}"] * 5 + [None] for i in range(20)]


def test_a_task_stays_with_the_object_that_it_was_started_for() -> None:
    async def main() -> str | None:
        go = asyncio.Event()

        async def work() -> str | None:
            await go.wait()
            return here()

        with anchor("b1"):
            task = asyncio.create_task(work())
        with anchor("other"):
            go.set()
            return await task

    assert asyncio.run(main()) == "b1"


def test_to_thread_takes_the_anchor_along_and_run_in_executor_does_not() -> None:
    async def main() -> tuple[str | None, str | None, str | None]:
        loop = asyncio.get_running_loop()
        with anchor("b1"), ThreadPoolExecutor(1) as pool:
            return (
                await asyncio.to_thread(here),
                await loop.run_in_executor(pool, here),
                await loop.run_in_executor(pool, propagate(here)),
            )

    assert asyncio.run(main()) == ("b1", None, "b1")


def in_thread(target: Callable[[], object]) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_thread_begins_with_no_anchor_unless_it_is_given_one() -> None:
    seen: list[str | None] = []

    def look() -> None:
        seen.append(here())

    with anchor("b1"):
        in_thread(look)
        in_thread(propagate(look))
    assert seen == [None, "b1"]


def test_an_anchored_executor_runs_each_call_for_who_submitted_it() -> None:
    with ThreadPoolExecutor(4) as pool:
        executor = AnchoredExecutor(pool)
        futures = []
        for i in range(20):
            with anchor(f"b{i}"):
                futures.append(executor.submit(here))
        assert [each.result(DEADLINE_S) for each in futures] == [f"b{i}" for i in range(20)]
        with anchor("all"):
            assert list(executor.map(lambda _: here(), range(3))) == ["all"] * 3
        assert pool.submit(here).result(DEADLINE_S) is None


def test_an_anchored_executor_closes_the_one_behind_it() -> None:
    executor = AnchoredExecutor(ThreadPoolExecutor(1))
    with executor:
        assert executor.submit(here).result(DEADLINE_S) is None
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(here)


def test_threads_that_share_one_anchor_each_open_and_close_their_own() -> None:
    shared = anchor("shared")
    wrong: list[str | None] = []
    begin = threading.Barrier(8)

    def work() -> None:
        begin.wait(DEADLINE_S)
        for _ in range(50):
            with shared:
                wrong.extend(x for x in [here()] if x != "shared")
            wrong.extend(x for x in [here()] if x is not None)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(DEADLINE_S)
    assert wrong == []


def test_an_instrumentation_that_carries_the_context_of_opentelemetry_carries_the_anchor() -> None:
    seen: list[str | None] = []
    with anchor("b1", Basket):
        context = get_current()

    def work() -> None:
        token = attach(context)
        seen.append(here())
        detach(token)
        seen.append(here())

    in_thread(work)
    assert seen == ["b1", None]


def test_an_anchor_that_is_closed_in_another_context_raises_nothing() -> None:
    opened = anchor("b1")
    copy_context().run(opened.__enter__)
    opened.__exit__()
    assert here() is None


def test_anchored_takes_the_id_from_a_parameter_by_place_by_name_and_by_default() -> None:
    @anchored("basket_id", Basket, tenant="n")
    def check_out(count: int, basket_id: Any = "default") -> tuple[str | None, str | None]:
        assert count == 1
        opened = get_current_anchor()
        assert opened is not None
        assert opened.metadata == {"tenant": "n"}
        return here(), get_current_obj_type()

    assert check_out(1, "b1") == ("b1", "Basket")
    assert check_out(count=1, basket_id="b2") == ("b2", "Basket")
    assert check_out(1) == ("default", "Basket")
    assert check_out(1, Basket("b3")) == ("b3", "Basket")
    with pytest.raises(ValueError, match="not None"):
        check_out(1, None)
    with pytest.raises(TypeError):
        check_out()  # type: ignore[call-arg]


def test_anchored_serves_coroutines_and_refuses_a_parameter_that_is_none() -> None:
    @anchored("basket_id")
    async def work(basket_id: str) -> str | None:
        await asyncio.sleep(0)
        return here()

    assert asyncio.run(work("b1")) == "b1"
    with pytest.raises(ValueError, match="no parameter 'nope'"):
        anchored("nope")(here)


def test_a_callable_object_is_served_as_what_its_call_is() -> None:
    class Worker:
        async def __call__(self) -> str | None:
            await asyncio.sleep(0)
            return here()

    run = anchor("b1")(Worker())
    assert asyncio.run(run()) == "b1"


def test_a_chain_of_tasks_does_not_keep_every_anchor_before_it() -> None:
    async def work(left: int) -> int:
        with anchor(f"t{left}"):
            if left == 0:
                return len(AnchorStack.get_stack())
            return await asyncio.create_task(work(left - 1))

    assert asyncio.run(work(3 * CHAIN_MAX)) <= CHAIN_MAX
