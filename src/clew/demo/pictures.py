"""What happened to the demo's tree, step by step, for a terminal: each with its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.demo.tree import Moment, Sight, Told, Written
from clew.surfaces.cli.grid import Style, cut_line
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import plural, show_duration
from clew.surfaces.cli.views.app_tree import TreeShape, tree_lines
from clew.surfaces.cli.views.outcomes import cancel_lines, command_lines
from clew.surfaces.cli.views.trace import trace_lines
from clew.tree.documents import Command

if TYPE_CHECKING:
    from clew.demo.tree import Crew, Step
    from clew.surfaces.cli.grid import Line

_NEXT: Final = (
    ("clew crashes", "what was killed"),
    ("clew logs --app {app} --subtree", "what was said of each app"),
    ("clew traces --app {app} --subtree --limit 5", "what the apps did"),
    ("clew exec --name mine -- sleep 60", "an app of your own"),
    ("clew tree --watch", "meanwhile, elsewhere"),
)
"""Commands to go on with; `app` is the short id of the planner."""


def step_lines(number: int, step: Step, crew: Crew, width: int) -> list[Line]:
    """Return a heading, the command that a person would type, and what it shows."""
    return [
        [],
        cut_line([(f"{number}. {_title(step, crew)}", Style.BOLD)], width),
        [(f"$ {_command(step)}", Style.CYAN)],
        [],
        *_picture(step, width),
    ]


def stay_lines(crew: Crew, seconds: float, width: int) -> list[Line]:
    """Return where the tree that goes on can be watched, and how it is ended."""
    most = show_duration(seconds * 1000)
    told = f"it goes on until somebody ends the planner, for {most} at the most: stop it"
    return [
        [],
        [(told, Style.BOLD)],
        cut_line([("  ", Style.PLAIN), (f"{crew.client.server.url}/#/tree", Style.CYAN)], width),
        cut_line(
            [
                ("  ", Style.PLAIN),
                (f"clew cancel {short_id(crew.app_id)} --cascade --wait", Style.CYAN),
            ],
            width,
        ),
    ]


def end_lines(crew: Crew, width: int) -> list[Line]:
    """Return how it ended, and what to try next."""
    apps = len(crew.sights[Moment.AFTER].apps)
    spent = show_duration(crew.seconds * 1000)
    told = f"{plural(apps, 'app')}, none of them runs any more; the tree lived {spent}"
    commands = [(text.format(app=short_id(crew.app_id)), why) for text, why in _NEXT]
    wide = max(len(text) for text, _ in commands)
    return [
        [],
        [(told, Style.DIM)],
        [("go on with", Style.BOLD)],
        *(
            cut_line(
                [("  ", Style.PLAIN), (text.ljust(wide), Style.CYAN), (f"  {why}", Style.DIM)],
                width,
            )
            for text, why in commands
        ),
    ]


def _title(step: Step, crew: Crew) -> str:
    match step:
        case Sight(moment=Moment.BEFORE):
            return "A tree of processes: a planner, three workers, a tool of each; by clew exec"
        case Sight(moment=Moment.BETWEEN):
            return f"{crew.killed} was killed, {crew.failed} failed: their tools are cancelled"
        case Sight():
            return "The tree at the end"
        case Told(answer=Command()):
            return "The worker that is left makes a checkpoint, and answers"
        case Told():
            return "All is cancelled: asked to end; after two seconds SIGTERM, then SIGKILL"
        case Written(told=Told(answer=Command())):
            return "What the server wrote down of the checkpoint: a trace"
        case _:
            return "And of the cancel: a span for each app"


def _command(step: Step) -> str:
    if isinstance(step, Written):
        return step.told.command if step.trace is None else f"clew trace {step.trace.trace_id}"
    return step.command


def _picture(step: Step, width: int) -> list[Line]:
    if isinstance(step, Sight):
        return tree_lines(step.apps, width, TreeShape(), step.at)
    if isinstance(step, Told):
        answer = step.answer
        if isinstance(answer, Command):
            return command_lines(answer, width)
        return cancel_lines(answer, width)
    if step.trace is None:
        return [[("its trace has not arrived yet", Style.YELLOW)]]
    return trace_lines(step.trace, step.logs, width)
