"""`clew skill`: the page that tells an agent how to work with clew, where clients look for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli import output
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ANSWER, Format
from clew.surfaces.cli.grid import Style
from clew.surfaces.cli.text import escape
from clew.surfaces.mcp.pages import SKILL_NAME, read_skill

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line

FOLDER: Final = Path(".claude") / "skills" / "clew"
"""Where Claude Code looks for skills, below the home folder or below a project; others follow."""

Project = Annotated[
    bool,
    Parameter(
        negative=(), show_default=False, help="For this project alone: ./.claude/skills/clew."
    ),
]
Force = Annotated[
    bool,
    Parameter(negative=(), show_default=False, help="Replace a file that says something else."),
]
AnswerFormat = Annotated[Format | None, Parameter(group=ANSWER, help="How the answer is written.")]


class SkillPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the skill: whether it is there, and whether it says what this clew would write."""

    path: str
    scope: str
    installed: bool
    current: bool


class SkillPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """The places where a client looks for the skill."""

    skills: list[SkillPlace]
    count: int
    total: int
    truncated: bool


def install(
    *,
    project: Project = False,
    force: Force = False,
    format: AnswerFormat = None,  # noqa: A002 - the name of the flag
) -> ExitCode:
    """Write the skill where an agent's client finds it."""
    path = _path(is_project=project)
    text = read_skill()
    found = _read(path)
    if found is not None and found != text and not force:
        raise ClewError(
            ErrorCode.ALREADY_EXISTS,
            f"{path} is there and says something else",
            hint="--force replaces it",
        )
    if found != text:
        _write(path, text)
    _show([_place(is_project=project)], format)
    return ExitCode.OK


def where(*, format: AnswerFormat = None) -> ExitCode:  # noqa: A002 - the name of the flag
    """Show where the skill is installed, and whether it is current."""
    _show([_place(is_project=False), _place(is_project=True)], format)
    return ExitCode.OK


def show() -> ExitCode:
    """Write the skill to stdout."""
    output.write(read_skill())
    return ExitCode.OK


def _path(*, is_project: bool) -> Path:
    return (Path.cwd() if is_project else Path.home()) / FOLDER / SKILL_NAME


def _place(*, is_project: bool) -> SkillPlace:
    path = _path(is_project=is_project)
    found = _read(path)
    return SkillPlace(
        path=str(path),
        scope="project" if is_project else "user",
        installed=found is not None,
        current=found == read_skill(),
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _explain(path, error) from error


def _write(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old text or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: OSError) -> ClewError:
    reason = (error.strerror or str(error)).lower()
    return ClewError(ErrorCode.FORBIDDEN, f"cannot use {path}: {reason}", hint="clew skill show")


def _show(places: list[SkillPlace], wished: Format | None) -> None:
    screen = output.find_screen()
    document = SkillPlaces(skills=places, count=len(places), total=len(places), truncated=False)
    match output.choose_format(wished, screen):
        case "json":
            output.write(output.json_text(document, screen))
        case "ndjson":
            output.write("".join(f"{line}\n" for line in output.item_lines(places, screen)))
        case "table":
            screen.write_lines([_line(place) for place in places])


def _line(place: SkillPlace) -> Line:
    state = (
        "current" if place.current else "says something else" if place.installed else "not there"
    )
    style = Style.CYAN if place.current else Style.DIM
    return [(f"{state:<19} ", style), (escape(place.path), Style.PLAIN)]
