"""`clew demo`."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time, parse_duration_ns
from clew.demo.blueprint import tell_server
from clew.demo.pictures import end_lines, stay_lines, step_lines
from clew.demo.questions import ask_all
from clew.demo.system import run_system
from clew.demo.tree import Moment, Sight, join_tree, play, start_crew, stay_up
from clew.surfaces.cli import output
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ANSWER, Format, ServerFlags, read_whole_number
from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import plural, show_duration
from clew.telemetry.remote import TelemetryClient
from clew.twin.remote import TwinClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.demo.questions import Asked
    from clew.demo.system import Outcome
    from clew.demo.tree import Crew, Step
    from clew.surfaces.cli.grid import Line
    from clew.surfaces.cli.output import Screen

# Some seconds on two cores, a third of the whole demo, and enough of every kind of trouble to be
# worth a question.
REQUESTS = 90

# A demo, not a load test: the bench is for that.
REQUESTS_MAX = 5000

SEED_MAX = 10_000

# Less than what the tools of the tree stay at the most.
STAY_S_MAX = 1200

DEMO = Group("Demo", sort_key=1)


def demo(
    *,
    requests: Annotated[
        int, Parameter(group=DEMO, converter=read_whole_number, help="How much happens.")
    ] = REQUESTS,
    seed: Annotated[
        int | None,
        Parameter(
            group=DEMO,
            converter=read_whole_number,
            help="The same seed brings the same trouble. [default: a new one]",
        ),
    ] = None,
    stay: Annotated[
        str | None,
        Parameter(
            group=DEMO,
            help="Leave the tree running until somebody cancels it, for so long at the most: 10m.",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the flag
        Format | None, Parameter(group=ANSWER, help="How the answers are written.")
    ] = None,
    server: ServerFlags | None = None,
) -> ExitCode:
    """Run a small real system and a tree of processes, and show what the server knows of them."""
    if not 1 <= requests <= REQUESTS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--requests {requests} is not between 1 and {REQUESTS_MAX}",
            hint="make bench is for load",
        )
    stay_s = None if stay is None else _read_stay(stay)
    chosen = secrets.randbelow(SEED_MAX) if seed is None else seed
    flags = server or ServerFlags()
    target = flags.open()
    client = TelemetryClient(target)
    # Asked before anything starts: without a server there is nothing to show.
    client.get_ingest_status()
    tell_server(TwinClient(target))
    screen = output.find_screen()
    is_table = output.choose_format(format, screen) == "table"
    since = format_time(time.time_ns())
    if is_table:
        screen.write_lines(_introduction(target.url, chosen))
    # The tree comes up while the system works: both mostly wait.
    with start_crew(client, seed=chosen, api_key=flags.api_key) as crew:
        with _progress(requests, shown=is_table and screen.is_terminal) as progress:
            outcome = run_system(
                target.url,
                requests=requests,
                seed=chosen,
                progress=progress,
                api_key=flags.api_key,
                join=lambda name: _membership(client, name, chosen),
            )
        answers = ask_all(client, since, outcome.answer_id)
        if is_table:
            screen.write_lines(_summary(outcome))
            for number, asked in enumerate(answers, start=1):
                screen.write_lines(_answer(number, asked, screen))
        if crew is not None:
            steps = play(crew) if stay_s is None else stay_up(crew, stay_s)
            for number, step in enumerate(steps, start=len(answers) + 1):
                if is_table:
                    screen.write_lines(step_lines(number, step, crew, screen.width))
                    if stay_s is not None and _is_up(step):
                        screen.write_lines(stay_lines(crew, stay_s, screen.width))
    if not is_table:
        document = _document(outcome, chosen, answers) | {"tree": _crew_document(crew)}
        output.write(output.json_text(document, screen))
    elif crew is None:
        note = "the server lets no apps in, so there is no tree: it was started with --trails off"
        screen.write_lines([[], [(note, Style.YELLOW)]])
    else:
        screen.write_lines(end_lines(crew, screen.width))
    return ExitCode.OK


def _read_stay(text: str) -> float:
    """Return for how many seconds the tree may go on.

    Raises:
        ClewError: INVALID_ARGUMENT when it is no duration, or too long a one.
    """
    seconds = parse_duration_ns(text, bare=NS_PER_S) / NS_PER_S
    if not 0 < seconds <= STAY_S_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--stay {text} is not between 1s and {show_duration(STAY_S_MAX * 1000)}",
            hint="a tree that stays: clew exec -- COMMAND",
        )
    return seconds


def _is_up(step: Step) -> bool:
    return isinstance(step, Sight) and step.moment is Moment.BEFORE


def _membership(client: TelemetryClient, name: str, seed: int) -> dict[str, str]:
    """Return what a process needs in its environment to be an app of the tree, if there is one."""
    joined = join_tree(client, name, seed=seed)
    return {} if joined is None else joined[1]


def _introduction(url: str, seed: int) -> list[Line]:
    note = f"seed {seed}; every kind of metric but summaries, which OpenTelemetry's SDK lacks"
    return [
        [("shop, payments and assistant send to ", Style.PLAIN), (url, Style.CYAN)],
        [(note, Style.DIM)],
    ]


def _summary(outcome: Outcome) -> list[Line]:
    parts = [
        plural(outcome.requests, "request"),
        plural(outcome.conversations, "conversation"),
        f"{outcome.refused} refused",
        f"{outcome.failed} failed",
        show_duration(outcome.seconds * 1000),
    ]
    lines: list[Line] = [[(output.SEPARATOR.join(parts), Style.PLAIN)]]
    if outcome.dropped:
        lines.append([(f"{plural(outcome.dropped, 'record')} could not be sent", Style.YELLOW)])
    return lines


def _answer(number: int, asked: Asked, screen: Screen) -> list[Line]:
    first, *rest = asked.command.split("\n")
    lines: list[Line] = [
        [],
        [(f"{number}. {asked.question}", Style.BOLD)],
        [(f"$ {first}", Style.CYAN)],
        *([(f"  {row}", Style.CYAN)] for row in rest),
        [],
        *asked.draw(screen.width),
    ]
    if asked.server_ms is not None:
        spent = f"the server took {show_duration(asked.server_ms)}"
        lines.append([(spent, Style.DIM)])
    return lines


def _document(outcome: Outcome, seed: int, answers: list[Asked]) -> dict[str, Any]:
    return {
        "seed": seed,
        "requests": outcome.requests,
        "conversations": outcome.conversations,
        "refused": outcome.refused,
        "failed": outcome.failed,
        "dropped": outcome.dropped,
        "seconds": round(outcome.seconds, 3),
        "questions": [
            {
                "question": asked.question,
                "command": asked.command,
                "server_ms": asked.server_ms,
                "answer": asked.document,
            }
            for asked in answers
        ],
        "count": len(answers),
        "total": len(answers),
        "truncated": False,
    }


def _crew_document(crew: Crew | None) -> dict[str, Any] | None:
    if crew is None:
        return None
    return {
        "app_id": crew.app_id,
        "killed": crew.killed,
        "failed": crew.failed,
        **{moment: sight.apps for moment, sight in crew.sights.items()},
        "commands": [
            {
                "command": written.told.command,
                "answer": written.told.document,
                "trace_id": written.trace.trace_id if written.trace is not None else None,
            }
            for written in crew.written
        ],
        "seconds": round(crew.seconds, 3),
    }


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Give a function that moves a bar on the terminal, or does nothing where there is none."""
    if not shown:
        yield lambda _steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("running"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda steps: bar.advance(task, steps)
