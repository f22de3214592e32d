"""The demo's tree: real processes that join it, fail, are killed, and are cancelled as a whole."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.demo.chance import Chance
from clew.demo.crew import WORKERS
from clew.demo.system import environment
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.tree.parameters import AppQuery, CancelParameters, NewChild
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.remote.reply import Reply
    from clew.telemetry.documents import LogRecord, Trace
    from clew.telemetry.remote import TelemetryClient
    from clew.tree.documents import App, AppList

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


@dataclass(frozen=True, slots=True)
class Told:
    """A command that was given from the command line, its answer and its trace."""

    command: str
    answer: Any
    trace: Trace | None
    logs: list[LogRecord]


@dataclass(frozen=True, slots=True)
class Sight:
    """The tree as it stood at a moment, in Unix nanoseconds."""

    apps: list[App]
    at: int = field(default_factory=time.time_ns)


@dataclass(slots=True)
class Crew:
    """What became of the tree."""

    app_id: str
    killed: str
    failed: str
    before: Sight = field(default_factory=lambda: Sight([]))
    between: Sight = field(default_factory=lambda: Sight([]))
    after: Sight = field(default_factory=lambda: Sight([]))
    told: list[Told] = field(default_factory=list)
    seconds: float = 0.0


def run_crew(client: TelemetryClient, *, seed: int, api_key: str | None = None) -> Crew | None:
    """Start the tree, let things happen to it, cancel it; None when the server lets no apps in.

    Raises:
        ClewError: what the server says, or TIMEOUT when something does not come to pass.
    """
    tree = TreeClient(client.server)
    started = time.monotonic()
    scheduled = tree.schedule(NewChild(app_name="planner", tags={"demo": str(seed)})).document()
    app_id = scheduled.app.app_id
    if scheduled.trails_info is None:
        tree.unschedule(app_id)
        return None
    chance = Chance(seed, "crew")
    killed = chance.pick("killed", WORKERS)
    failed = chance.pick("failed", tuple(name for name in WORKERS if name != killed))
    crew = Crew(app_id, killed, failed)
    environ = environment(client.server.url, "planner", api_key)
    environ |= {"TRAILS_INFO": scheduled.trails_info, "CLEW_SERVER": client.server.url}
    if api_key:
        environ["CLEW_API_KEY"] = api_key
    with _planner(tree, app_id, environ) as planner:
        crew.before = _await(tree, planner, app_id, _is_up)
        _tell(planner, killed, "die")
        _tell(planner, failed, "fail")
        crew.between = _await(tree, planner, app_id, _has_settled)
        asked = ("send", app_id, "checkpoint", "--cascade", "--filter", "worker-*", "--wait", "10s")
        sent = _run_clew(environ, *asked)
        cancelled = _run_clew(environ, "cancel", app_id, "--cascade", "--wait", "--grace", "2s")
        crew.after = Sight(_find(tree, app_id).document().apps)
    crew.told = [_trace(client, *each) for each in (sent, cancelled)]
    crew.seconds = time.monotonic() - started
    return crew


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


def _find(tree: TreeClient, app_id: str) -> Reply[AppList]:
    return tree.find_apps(AppQuery(within=app_id, order="tree"))


def _await(
    tree: TreeClient,
    planner: subprocess.Popen[bytes],
    app_id: str,
    condition: Callable[[list[App]], bool],
) -> Sight:
    """Return the apps of the tree as soon as a condition holds of them.

    Raises:
        ClewError: INTERNAL when the planner has ended, TIMEOUT when it does not come to pass.
    """
    deadline = time.monotonic() + READY_S_MAX
    while True:
        apps = _find(tree, app_id).document().apps
        if condition(apps):
            return Sight(apps)
        if planner.poll() is not None:
            raise ClewError(
                ErrorCode.INTERNAL, f"the demo's planner ended early, with {planner.returncode}"
            )
        if time.monotonic() > deadline:
            raise ClewError(
                ErrorCode.TIMEOUT, "the demo's tree is not as it was to be", hint="clew tree --all"
            )
        # No event tells of it: a feed of the tree would not say that the planner's process is gone.
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


def _run_clew(environ: dict[str, str], *arguments: str) -> tuple[str, Any]:
    """Run a command of the command line; return it as a person would type it, and its answer."""
    # What runs here is no app of the tree: it acts as whoever started the demo.
    clean = {name: value for name, value in environ.items() if name != "TRAILS_INFO"}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "clew.app.main", *arguments, "--format", "json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean,
        check=False,
    )
    command = f"clew {' '.join(arguments)}"
    if not done.stdout:
        raise ClewError(ErrorCode.INTERNAL, f"{command} failed: {done.stderr.strip()}")
    return command, json.loads(done.stdout)


def _trace(client: TelemetryClient, command: str, answer: dict[str, Any]) -> Told:
    """Return a command with the trace that the server's journal has written of it."""
    wanted = f"trails.correlation_id={answer['correlation_id']}"
    targets = len(answer.get("outcomes") or answer.get("targets") or ())
    deadline = time.monotonic() + JOURNAL_S_MAX
    while True:
        spans = client.find_spans(SpanQuery(service="trails", attribute=[wanted])).document().spans
        if len(spans) >= targets or time.monotonic() > deadline:
            break
        # No event tells that the journal has come so far, or will not.
        time.sleep(LOOK_S)
    if not spans:
        return Told(command, answer, None, [])
    trace = client.get_trace(spans[0].trace_id).document()
    logs = client.find_logs(LogQuery(trace_id=trace.trace_id)).document().logs
    return Told(command, answer, trace, logs)
