"""The demo's tree: real processes that join it, fail, are killed, and are cancelled as a whole."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.demo.chance import Chance
from clew.demo.crew import WORKERS
from clew.demo.system import environment
from clew.sdk.tree import VARIABLE
from clew.surfaces.cli.naming import short_id
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.tree.documents import Cancelled, Command
from clew.tree.parameters import AppQuery, CancelParameters, NewChild
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.telemetry.documents import LogRecord, Trace
    from clew.telemetry.remote import TelemetryClient
    from clew.tree.documents import App

# Nine processes start within three seconds here, within ten on a busy machine.
READY_S_MAX: Final = 60.0

# Looking is one question of a millisecond.
LOOK_S: Final = 0.1

# The journal writes every second or so; without it there is just no trace to show.
JOURNAL_S_MAX: Final = 10.0

# What is told to end by the cancel has that long; the command line waits for it.
END_S_MAX: Final = 30.0

_GONE: Final = frozenset({"done", "error", "crashed", "cancelled", "start_failed"})

APPS: Final = 1 + 2 * len(WORKERS)
"""The planner, the workers, and a tool of each."""


class Moment(StrEnum):
    """When the tree is looked at."""

    BEFORE = "before"
    BETWEEN = "between"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Sight:
    """The tree as it stood `at` a time in Unix nanoseconds, and the command that shows it."""

    moment: Moment
    command: str
    apps: list[App]
    at: int = field(default_factory=time.time_ns)


@dataclass(frozen=True, slots=True)
class Told:
    """A command that was given from the command line, and its answer: as written, and as read."""

    command: str
    document: Any
    answer: Command | Cancelled


@dataclass(frozen=True, slots=True)
class Written:
    """What the server's journal has written of a command; no trace when it did not come in time."""

    told: Told
    trace: Trace | None = None
    logs: list[LogRecord] = field(default_factory=list)


Step: TypeAlias = Sight | Told | Written


@dataclass(slots=True)
class Crew:
    """A tree that was started, and what became of it."""

    client: TelemetryClient
    planner: subprocess.Popen[bytes]
    environ: dict[str, str]
    app_id: str
    killed: str
    failed: str
    started: float
    seconds: float = 0.0
    sights: dict[Moment, Sight] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)


@contextlib.contextmanager
def start_crew(
    client: TelemetryClient, *, seed: int, api_key: str | None = None
) -> Iterator[Crew | None]:
    """Start the tree, and at the end see that nothing of it runs any more.

    It comes up while others are asked to work. None when the server lets no apps in.

    Raises:
        ClewError: what the server says.
    """
    started = time.monotonic()
    joined = join_tree(client, "planner", seed=seed)
    if joined is None:
        yield None
        return
    chance = Chance(seed, "crew")
    killed = chance.pick("killed", WORKERS)
    failed = chance.pick("failed", tuple(name for name in WORKERS if name != killed))
    app_id, membership = joined
    environ = environment(client.server.url, "planner", api_key) | membership
    with _planner(TreeClient(client.server), app_id, environ) as planner:
        yield Crew(client, planner, environ, app_id, killed, failed, started)


def join_tree(
    client: TelemetryClient, name: str, *, seed: int
) -> tuple[str, dict[str, str]] | None:
    """Make an app at the root of the tree; None when the server lets no apps in.

    Returns its id, and what its process needs in its environment.

    Raises:
        ClewError: what the server says.
    """
    tree = TreeClient(client.server)
    scheduled = tree.schedule(NewChild(app_name=name, tags={"demo": str(seed)})).document()
    app_id = scheduled.app.app_id
    if scheduled.trails_info is None:
        tree.unschedule(app_id)
        return None
    return app_id, {VARIABLE: scheduled.trails_info}


def play(crew: Crew) -> Iterator[Step]:
    """Let things happen to the tree; each step is given as soon as it is there, and kept.

    Raises:
        ClewError: what the server says, or TIMEOUT when something does not come to pass.
    """
    yield _await(crew, Moment.BEFORE, _is_up)
    _tell(crew.planner, crew.killed, "die")
    _tell(crew.planner, crew.failed, "fail")
    yield (between := _await(crew, Moment.BETWEEN, _has_settled))
    left = next(app for app in between.apps if app.app_name in WORKERS and app.status == "running")
    asked = _give(crew, Command, "send", short_id(left.app_id), "checkpoint", "--wait", "10s")
    yield asked
    planner = short_id(crew.app_id)
    ended = _give(crew, Cancelled, "cancel", planner, "--cascade", "--wait", "--grace", "2s")
    yield ended
    yield _look(crew, Moment.AFTER)
    for told in (asked, ended):
        crew.written.append(_find_trace(crew.client, told))
        yield crew.written[-1]
    crew.seconds = time.monotonic() - crew.started


def stay_up(crew: Crew, seconds: float) -> Iterator[Step]:
    """Leave the tree running until somebody ends its planner, for so many seconds at the most.

    Raises:
        ClewError: what the server says, or TIMEOUT when the tree does not come up.
    """
    yield _await(crew, Moment.BEFORE, _is_up)
    try:
        crew.planner.wait(seconds)
    except subprocess.TimeoutExpired:
        planner = short_id(crew.app_id)
        yield _give(crew, Cancelled, "cancel", planner, "--cascade", "--wait", "--grace", "2s")
    yield _look(crew, Moment.AFTER)
    crew.seconds = time.monotonic() - crew.started


@contextlib.contextmanager
def _planner(
    tree: TreeClient, app_id: str, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the planner; whatever happens, at the end nothing of the tree runs any more."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "clew.app.main", "exec", "--join", "--grace", "2s", "--"),
            *(sys.executable, "-m", "clew.demo.crew", "planner"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    assert process.stdin is not None
    try:
        yield process
        process.wait(END_S_MAX)
    finally:
        if process.poll() is None:
            # The demo has failed or was interrupted: everything below is ended by its own agent.
            with contextlib.suppress(ClewError):
                tree.cancel(app_id, CancelParameters(cascade=True, grace_ms=0, wait="20s"))
            process.terminate()
            process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _look(crew: Crew, moment: Moment) -> Sight:
    query = AppQuery(within=crew.app_id, order="tree")
    apps = TreeClient(crew.client.server).find_apps(query).document().apps
    crew.sights[moment] = Sight(moment, f"clew tree {short_id(crew.app_id)}", apps)
    return crew.sights[moment]


def _await(crew: Crew, moment: Moment, condition: Callable[[list[App]], bool]) -> Sight:
    """Return the tree as soon as a condition holds of its apps.

    Raises:
        ClewError: INTERNAL when the planner has ended, TIMEOUT when it does not come to pass.
    """
    deadline = time.monotonic() + READY_S_MAX
    while True:
        sight = _look(crew, moment)
        if condition(sight.apps):
            return sight
        if crew.planner.poll() is not None:
            raise ClewError(
                ErrorCode.INTERNAL,
                f"the demo's planner ended early, with {crew.planner.returncode}",
            )
        if time.monotonic() > deadline:
            raise ClewError(
                ErrorCode.TIMEOUT, "the demo's tree is not as it was to be", hint="clew tree --all"
            )
        time.sleep(LOOK_S)


def _is_up(apps: list[App]) -> bool:
    """Whether all of them are there, and the workers are at work."""
    if len(apps) < APPS:
        return False
    workers = [app for app in apps if app.app_name in WORKERS]
    tools = [app for app in apps if app.app_name == "tool"]
    return all(app.status == "running" and app.last_snapshot for app in workers) and all(
        app.status == "connected" for app in tools
    )


def _has_settled(apps: list[App]) -> bool:
    """Whether one worker lives with its tool, and the others have ended, and their tools too."""
    return sum(app.status in _GONE for app in apps) == APPS - 3


def _tell(planner: subprocess.Popen[bytes], worker: str, what: str) -> None:
    assert planner.stdin is not None
    planner.stdin.write(json.dumps({"to": worker, "do": what}).encode() + b"\n")
    planner.stdin.flush()


def _give(crew: Crew, kind: type[Command | Cancelled], *arguments: str) -> Told:
    """Run a command of the command line, and keep it as a person would type it."""
    # What runs here is no app of the tree: it acts as whoever started the demo.
    clean = {name: value for name, value in crew.environ.items() if name != VARIABLE}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "clew.app.main", *arguments, "--format", "json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=clean,
        check=False,
    )
    command = f"clew {' '.join(arguments)}"
    if not done.stdout:
        reason = done.stderr.decode(errors="replace").strip()
        raise ClewError(ErrorCode.INTERNAL, f"{command} failed: {reason}")
    return Told(command, json.loads(done.stdout), msgspec.json.decode(done.stdout, type=kind))


def _find_trace(client: TelemetryClient, told: Told) -> Written:
    """Return a command with the trace that the journal writes of it, if it comes in time."""
    answer = told.answer
    wanted = f"trails.correlation_id={answer.correlation_id}"
    query = SpanQuery(service="trails", attribute=[wanted])
    targets = answer.targets if isinstance(answer, Command) else answer.outcomes
    deadline = time.monotonic() + JOURNAL_S_MAX
    while True:
        spans = client.find_spans(query).document().spans
        # An app that had ended before is told of in the answer, and has no span.
        if len(spans) >= len(targets) or time.monotonic() > deadline:
            break
        time.sleep(LOOK_S)
    if not spans:
        return Written(told)
    trace = client.get_trace(spans[0].trace_id).document()
    logs = client.find_logs(LogQuery(trace_id=trace.trace_id)).document().logs
    return Written(told, trace, logs)
