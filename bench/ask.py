"""Ask a store each question: first of all in a fresh process, or again and again.

``python -m bench.ask`` prints one JSON object (`Asked`) as its last line. Questions take turns,
each time about something else, so that a change in the machine's mood hits all of them. Our answers
are the documents that REST sends; the exporter's are rows in Arrow, which is less work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bench.processes import memory_mib, run_child
from bench.questions import OURS, PEERS, targets
from bench.store import CLEW, LAYOUTS, PEER, engine_path, open_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.questions import Target

WARM_UP: Final = 2
"""Rounds that are not counted: plans, marks and the pages of the files get warm."""

QUESTIONS: Final = {CLEW: tuple(OURS), PEER: tuple(PEERS)}


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One question's times, in the order asked: wall and process CPU, and what came back."""

    wall_ms: list[float]
    cpu_ms: list[float]
    rows: list[int]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """All questions' times, how long opening took, and the most memory ever resident."""

    timings: dict[str, Timing]
    open_ms: float
    rss_max_mib: float


def ask(layout: str, folder: Path, spans: int, rounds: int, only: str = "") -> Asked:
    """Ask in a fresh child process; `only` one question without warming up, when it is given."""
    arguments = [
        *(f"--layout={layout}", f"--folder={folder}", f"--spans={spans}"),
        *(f"--rounds={rounds}", f"--only={only}"),
    ]
    return msgspec.convert(run_child("bench.ask", arguments, timeout_s=600), Asked)


def _open(layout: str, folder: Path, stack: ExitStack) -> dict[str, Callable[[Target], int]]:
    """Open a store and return its questions; the stack closes it."""
    if layout == CLEW:
        from bench.service import open_services

        services = stack.enter_context(open_services(folder))
        return {
            name: lambda target, question=question: question(target).ask(services)  # type: ignore[misc]
            for name, question in OURS.items()
        }
    client = open_raw(engine_path(layout, folder))
    stack.callback(client.close)
    return {
        name: lambda target, question=question: client.query_arrow(question(target)).num_rows  # type: ignore[misc]
        for name, question in PEERS.items()
    }


def _time(question: Callable[[Target], int], asked_about: list[Target]) -> Timing:
    wall, cpu, rows = [], [], []
    for target in asked_about:
        cpu_before, before = time.process_time(), time.perf_counter()
        rows.append(question(target))
        wall.append((time.perf_counter() - before) * 1000)
        cpu.append((time.process_time() - cpu_before) * 1000)
    return Timing(wall_ms=wall, cpu_ms=cpu, rows=rows)


def _ask_all(
    questions: dict[str, Callable[[Target], int]], asked_about: list[Target]
) -> dict[str, Timing]:
    timings = {name: Timing(wall_ms=[], cpu_ms=[], rows=[]) for name in questions}
    for number, target in enumerate(asked_about):
        for name, question in questions.items():
            timing = _time(question, [target])
            if number >= WARM_UP:
                timings[name].wall_ms.extend(timing.wall_ms)
                timings[name].cpu_ms.extend(timing.cpu_ms)
                timings[name].rows.extend(timing.rows)
    return timings


def main() -> None:
    """Read the command line, ask, print, and leave as chDB wants to be left."""
    parser = argparse.ArgumentParser(prog="bench.ask")
    parser.add_argument("--layout", choices=LAYOUTS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--spans", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    asked_about = targets(given.spans, given.rounds + (0 if given.only else WARM_UP))
    with ExitStack() as stack:
        before = time.perf_counter()
        questions = _open(given.layout, given.folder, stack)
        open_ms = (time.perf_counter() - before) * 1000
        if given.only:
            timings = {given.only: _time(questions[given.only], asked_about)}
        else:
            timings = _ask_all(questions, asked_about)
        _, rss_max = memory_mib(os.getpid())
    done = Asked(timings=timings, open_ms=open_ms, rss_max_mib=rss_max)
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
