"""The line in front of the query threads: bounded, and left by those who give up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from clew.base.deadline import seconds_left
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.mcp.sdk import answer_call
from clew.surfaces.mcp.tools.table import BY_NAME
from clew.surfaces.rest.threads import LEFT_MAX, QueryThreads


def test_one_more_than_the_line_holds_is_told_to_come_back() -> None:
    async def fill() -> tuple[ClewError, list[int]]:
        threads = QueryThreads(1, name="test", waiting_max=2)
        go = threading.Event()
        running = [asyncio.create_task(threads.run(lambda: go.wait() and 1)) for _ in range(3)]
        await asyncio.wait(running, timeout=0)
        with pytest.raises(ClewError) as caught:
            await threads.run(lambda: 2)
        go.set()
        answers = [int(answer) for answer in await asyncio.gather(*running)]
        # There is room again.
        answers.append(await threads.run(lambda: 3))
        await threads.close()
        return caught.value, answers

    error, answers = asyncio.run(fill())
    assert error.code is ErrorCode.OVERLOADED
    assert error.retry_after_ms
    assert answers == [1, 1, 1, 3]


def test_who_gives_up_before_its_turn_is_never_begun() -> None:
    async def give_up() -> list[str]:
        threads = QueryThreads(1, name="test")
        go = threading.Event()
        begun: list[str] = []

        def begin_and_wait() -> None:
            begun.append("first")
            go.wait()

        first = asyncio.create_task(threads.run(begin_and_wait))
        second = asyncio.create_task(threads.run(lambda: begun.append("second")))
        await asyncio.wait([first, second], timeout=0)
        second.cancel()
        await asyncio.wait([second])
        go.set()
        await first
        await threads.run(lambda: begun.append("third"))
        assert threads.waiting == 0
        await threads.close()
        return begun

    assert asyncio.run(give_up()) == ["first", "third"]


def test_an_error_comes_to_the_one_who_asked() -> None:
    async def fail() -> None:
        threads = QueryThreads(1, name="test")
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        await threads.close()

    asyncio.run(fail())


class Held:
    """Work that does not end by itself, whatever anybody says: as an engine that hangs."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self) -> str:
        self.begun.release()
        self.go.wait()
        return "at last"


async def leave_threads(threads: QueryThreads, held: Held) -> None:
    """Ask until as many threads are left to questions as may be: not every question is begun."""
    while threads.left < LEFT_MAX:
        with pytest.raises(ClewError):
            await threads.run(held)


def test_who_asks_is_told_at_the_deadline_whatever_the_threads_are_doing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang() -> list[object]:
        threads = QueryThreads(1, name="test", seconds_max=0.2)
        held = Held()
        said: list[object] = []
        running = [asyncio.create_task(threads.run(held)) for _ in range(3)]
        for answer in asyncio.as_completed(running):
            with pytest.raises(ClewError) as caught:
                await answer
            said.append(caught.value.code)
        # Each that had begun has its thread yet; another one is there for what comes next.
        assert threads.left == held.begun._value
        said.append(await threads.run(lambda: "well", seconds=60))
        assert threads.waiting == threads.busy == 0
        held.go.set()
        await threads.close()
        return said

    assert asyncio.run(hang()) == [ErrorCode.TIMEOUT] * 3 + ["well"]
    # What it was at is known afterwards.
    assert "__call__" in caplog.text


def test_no_more_threads_are_left_than_may_be_and_all_who_ask_are_answered() -> None:
    async def hang() -> None:
        threads = QueryThreads(2, name="test", seconds_max=0.05)
        held = Held()
        more = iter(range(3))
        # A question that no thread has begun when its time is over leaves none behind.
        while threads.left < LEFT_MAX or next(more, None) is not None:
            answers = await asyncio.gather(
                threads.run(held), threads.run(held), return_exceptions=True
            )
            assert [getattr(each, "code", each) for each in answers] == [ErrorCode.TIMEOUT] * 2
        assert threads.left == LEFT_MAX
        held.go.set()
        # They come back, and those whose place was taken end.
        while threads.left:
            await threads.run(lambda: None, seconds=60)
        assert await threads.run(lambda: 7, seconds=60) == 7
        await threads.close()

    asyncio.run(hang())


def test_what_hangs_does_not_keep_a_server_from_its_end() -> None:
    async def end() -> None:
        # So long that it has begun by then.
        threads = QueryThreads(1, name="test", seconds_max=2)
        held = Held()
        asking = asyncio.create_task(threads.run(held))
        waiting = asyncio.create_task(threads.run(lambda: None))
        await asyncio.to_thread(held.begun.acquire)
        await threads.close()
        with pytest.raises(ClewError):
            await asking
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(ClewError) as caught:
            await threads.run(lambda: None)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        held.go.set()

    asyncio.run(end())


def test_more_questions_that_hang_than_may_be_left_do_not_keep_it_from_its_end() -> None:
    async def end() -> None:
        threads = QueryThreads(1, name="test", seconds_max=0.02)
        held = Held()
        await leave_threads(threads, held)
        with pytest.raises(ClewError):
            await threads.run(held)
        assert threads.left == LEFT_MAX
        await threads.close()
        held.go.set()

    asyncio.run(end())


def test_the_place_of_a_question_that_could_not_be_left_is_taken_later() -> None:
    async def come_back() -> None:
        threads = QueryThreads(1, name="test", seconds_max=0.02)
        first, last = Held(), Held()
        await leave_threads(threads, first)
        while not last.begun.acquire(blocking=False):
            with pytest.raises(ClewError):
                await threads.run(last)
        first.go.set()
        assert await threads.run(lambda: 7, seconds=60) == 7
        last.go.set()
        await threads.close()

    asyncio.run(come_back())


def test_an_end_of_an_iterator_that_nobody_caught_is_told_too() -> None:
    async def ask() -> None:
        threads = QueryThreads(1, name="test", seconds_max=60)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(lambda: next(iter(())))
        await threads.close()

    asyncio.run(ask())


def test_what_a_question_asks_in_turn_has_no_longer_than_it_has_itself() -> None:
    async def ask() -> tuple[float, float]:
        threads = QueryThreads(1, name="test", seconds_max=60)
        left = await threads.run(lambda: seconds_left(1000))
        short = await threads.run(lambda: seconds_left(0.5))
        await threads.close()
        return left, short

    left, short = asyncio.run(ask())
    assert 0 < left <= 60
    assert short == 0.5
    # Where no question is being answered there is no end.
    assert seconds_left(1000) == 1000


@pytest.mark.parametrize(
    ("name", "said"), [("find_logs", "shorter time range"), ("session_note", "is not known")]
)
def test_of_a_tool_that_does_something_the_outcome_is_not_known(name: str, said: str) -> None:
    async def call() -> str:
        threads = QueryThreads(1, name="test", seconds_max=0.05)
        go = threading.Event()
        result = await answer_call(BY_NAME[name], go.wait, threads.run)
        go.set()
        await threads.close()
        assert result.is_error
        return str(result)

    assert said in asyncio.run(call())
