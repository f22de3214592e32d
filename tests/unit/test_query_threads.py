"""The line in front of the query threads: bounded, and left by those who give up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.rest.threads import QueryThreads


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
