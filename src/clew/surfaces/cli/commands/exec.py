"""`clew exec`: run a command as an app of the tree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.surfaces.cli.flags import ServerFlags, Switch, read_tags
from clew.surfaces.cli.text import escape
from clew.tree.frames.fields import NAME_CHARS_MAX
from clew.tree.frames.info import VARIABLE, read_environment
from clew.tree.machine.app import OrphanPolicy, Orphans

if TYPE_CHECKING:
    from clew.tree.agent.announcing import Announcement
    from clew.tree.agent.progress import ProgressReader

COMMAND = Group("Command", sort_key=1)
TREE = Group("In the tree", sort_key=2)
PROGRESS = Group(
    "Its progress",
    help="Read from what it writes, which goes on unchanged. Its stdout and stderr are pipes then, "
    "no terminal.",
    sort_key=3,
)
END = Group("Its end", sort_key=4)

# Between TERM and KILL: what TRAILS gives a cancel.
GRACE = "30s"

# A day of grace is no grace, and a command that may take longer than a month needs no bound.
GRACE_S_MAX = 86_400.0
TIMEOUT_S_MAX = 31 * 86_400.0

Contained = Literal["cgroup", "process_group"]

Orphaned = Literal["adopt", "request_cancel", "terminate", "wait"]


def exec_(
    *command: Annotated[
        str, Parameter(group=COMMAND, allow_leading_hyphen=True, help="What to run, after --.")
    ],
    name: Annotated[
        str | None,
        Parameter(group=TREE, help="What it is called. [default: the name of its program]"),
    ] = None,
    tag: Annotated[
        list[str] | None, Parameter(group=TREE, negative=(), help="Repeatable: key=value.")
    ] = None,
    on_orphan: Annotated[
        Orphaned | None,
        Parameter(
            group=TREE,
            help="What becomes of it when its parent ends in any way; wait is for done alone.",
        ),
    ] = None,
    detached: Annotated[
        Switch, Parameter(group=TREE, help="Stay out of cancels of what is above it.")
    ] = False,
    join: Annotated[
        Switch,
        Parameter(group=TREE, help=f"Be the app that {VARIABLE} names, not a child of it."),
    ] = False,
    required: Annotated[
        Switch, Parameter(group=TREE, help="Do not run it while no server answers.")
    ] = False,
    grace: Annotated[
        str,
        Parameter(
            group=END,
            help="Between TERM and KILL, where no cancel gives the time: 30s, or seconds.",
        ),
    ] = GRACE,
    timeout: Annotated[
        str | None, Parameter(group=END, help="End it after so long: 10m, or bare seconds.")
    ] = None,
    survive: Annotated[
        Switch, Parameter(group=END, help="Let it live on when this process is killed.")
    ] = False,
    containment: Annotated[
        Contained | None,
        Parameter(
            group=END,
            help="What keeps together all that it starts. [default: a cgroup, where permitted]",
        ),
    ] = None,
    progress_pattern: Annotated[
        str | None,
        Parameter(
            group=PROGRESS,
            help="A regular expression for lines that it writes, with named groups: progress "
            "(0 to 1, or percent), current and total, phase, message.",
        ),
    ] = None,
    progress_json: Annotated[
        Switch,
        Parameter(
            group=PROGRESS, help='Take a line that is an object {"progress": 0.4, …} as a status.'
        ),
    ] = False,
    server: ServerFlags | None = None,
) -> int:
    """Run a command as an app of the tree, and exit as it does."""
    if not command:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "no command to run", hint="clew exec -- COMMAND ARGUMENTS"
        )
    if name is not None and not 1 <= len(name) <= NAME_CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--name has {len(name)} characters, not 1 to {NAME_CHARS_MAX}",
        )
    grace_s = _seconds("--grace", grace, GRACE_S_MAX)
    timeout_s = None if timeout is None else _seconds("--timeout", timeout, TIMEOUT_S_MAX)
    flags = server or ServerFlags()
    from clew.tree.agent.process import Containment
    from clew.tree.agent.supervisor import Plan, run_command

    return run_command(
        Plan(
            arguments=command,
            announcement=_announcement(
                name or Path(command[0]).name[:NAME_CHARS_MAX],
                flags,
                read_tags(tag),
                _orphans(on_orphan, detached=detached),
                joins=join,
            ),
            warn=_warn,
            grace_s=grace_s,
            timeout_s=timeout_s,
            is_required=required,
            survives=survive,
            progress=_progress(progress_pattern, reads_json=progress_json),
            containment=None if containment is None else Containment(containment),
            server_url=flags.open().url,
        )
    )


def _announcement(
    name: str,
    flags: ServerFlags,
    tags: dict[str, str] | None,
    orphans: Orphans | None,
    *,
    joins: bool,
) -> Announcement:
    from clew.tree.agent.announcing import Announcement

    surrounding = read_environment()
    if joins and surrounding is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--join without {VARIABLE}: there is no app to be",
            hint="leave it out, and the command becomes an app of its own",
        )
    announcement = Announcement(
        name=name,
        server_url=flags.open().url,
        api_key=flags.api_key,
        tags=tags,
        orphans=orphans,
        parent=surrounding,
    )
    if joins and surrounding is not None:
        announcement.join(surrounding)
    return announcement


def _progress(pattern: str | None, *, reads_json: bool) -> ProgressReader | None:
    if pattern is None and not reads_json:
        return None
    from clew.tree.agent.progress import ProgressReader, compile_pattern

    compiled = None if pattern is None else compile_pattern(pattern)
    return ProgressReader(compiled, reads_json=reads_json)


def _orphans(policy: Orphaned | None, *, detached: bool) -> Orphans | None:
    if policy is None:
        return Orphans(detached=True) if detached else None
    chosen = OrphanPolicy(policy)
    if chosen is OrphanPolicy.WAIT:
        return Orphans(done=chosen, detached=detached)
    return Orphans(done=chosen, error=chosen, crashed=chosen, detached=detached)


def _seconds(flag: str, text: str, most: float) -> float:
    """Return a duration in seconds.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none, or out of bounds.
    """
    try:
        seconds = parse_duration_ns(text, bare=NS_PER_S) / NS_PER_S
    except ClewError as error:
        raise ClewError(error.code, f"{flag}: {error.message}", hint=error.hint) from error
    if not 0 <= seconds <= most:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"{flag} {text} is not between 0 and {most:g} s"
        )
    return seconds


def _warn(text: str) -> None:
    """Say something beside the command, whose stderr it is as well."""
    sys.stderr.write(f"clew: {escape(text)}\n")
    sys.stderr.flush()
