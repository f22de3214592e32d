"""`clew send`, `cancel` and `spawn`: acting on what runs."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_MS, NS_PER_S, parse_duration_ns
from clew.remote.http import Server
from clew.surfaces.cli import output
from clew.surfaces.cli.commands.apps import AppName
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import AnswerFlags, Switch, read_tags
from clew.surfaces.cli.naming import find_app, short_id
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.text import escape, plural
from clew.surfaces.cli.views.outcomes import cancel_lines, child_lines, command_lines
from clew.tree.frames.info import VARIABLE
from clew.tree.machine.app import LIVE, Orphans, Tier
from clew.tree.machine.options import KILL_GRACE
from clew.tree.parameters import (
    LIMIT_MAX,
    AppQuery,
    CancelParameters,
    NewChild,
    NewCommand,
    StatusName,
)
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.tree import documents as doc

STEERING: Final = Group("What is done", sort_key=1)

WAIT_MARGIN_S: Final = 15.0
"""How much longer than the server may take its answer is waited for."""

NAMES_SHOWN_MAX: Final = 10
"""Of those who are hit, told before it is asked whether to go on."""


@Parameter(name="*", group=STEERING)
@dataclass(frozen=True, kw_only=True)
class SendFlags:
    """`NewCommand`, and how long to wait for its answer."""

    payload: str | None = None
    """Any JSON value; @FILE reads it from a file, - from standard input."""

    cascade: Switch = False
    """To all live apps below it as well."""

    filter: str | None = None
    """With --cascade: only apps whose name matches, as in worker-*."""

    filter_status: StatusName | None = None
    """With --cascade: only apps of this status."""

    ttl: str | None = None
    """How long it waits for an app that is away. [default: 5m]"""

    wait: str | None = None
    """Wait so long for the answer: 30s, or bare seconds."""

    correlation_id: str | None = None
    """An id of yours: the same command with the same id is given once."""


@Parameter(name="*", group=STEERING)
@dataclass(frozen=True, kw_only=True)
class CancelFlags:
    """`CancelParameters`."""

    cascade: Switch = False
    """Everything below it as well."""

    grace: str | None = None
    """How long each has to end by itself: 30s, or bare seconds. [default: 30s]"""

    kill_after: str | None = None
    """How long after the TERM that follows the KILL comes. [default: 10s]"""

    wait: Switch = False
    """Wait until it is over, and show what became of each."""

    reason: str | None = None
    """Told to the apps, and kept."""

    include_detached: Switch = False
    """Apps that were started as detached, too."""

    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False)] = False
    """Do not ask."""

    correlation_id: str | None = None
    """An id of yours: the same cancel with the same id is given once."""


@Parameter(name="*", group=STEERING)
@dataclass(frozen=True, kw_only=True)
class SpawnFlags:
    """`NewChild`."""

    parent: Annotated[str | None, Parameter(completer=complete_apps)] = None
    """The app that it will run under. [default: none, it is a root]"""

    id: str | None = None
    """A UUID of yours: the same child with the same id is announced once."""

    tag: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)] = None
    """Repeatable: NAME=VALUE."""

    start_deadline: str | None = None
    """When it counts as failed to start: 5m, or bare seconds. [default: the server's]"""

    resume_window: str | None = None
    """How long it may be without a connection before it counts as crashed."""

    tier: Literal["open", "signed", "full"] = "open"
    """How it proves who it is: open, signed, full; never less than the server asks for."""

    role_ref: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)] = None
    """Repeatable: who may reach it, in place of its parent's role refs."""

    detached: Switch = False
    """Keep it out of its ancestors' cancels."""

    export: Switch = False
    """Write a line for the shell to evaluate, and nothing else."""


def send(
    app: AppName,
    action: Annotated[str, Parameter(help="A word of the app's: pause, drain, checkpoint …")],
    /,
    *,
    flags: SendFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Give an app a command."""
    flags = flags or SendFlags()
    if (flags.filter or flags.filter_status) and not flags.cascade:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a filter chooses among many", hint="add --cascade"
        )
    wait_s = _seconds(flags.wait)
    session, client = _open(answer, wait_s or 0.0)
    given: dict[str, Any] = {}
    if flags.payload is not None:
        given["payload"] = msgspec.Raw(_read_payload(flags.payload))
    if flags.ttl is not None:
        given["ttl_ms"] = parse_duration_ns(flags.ttl, bare=NS_PER_S) // NS_PER_MS
    command = NewCommand(
        action=action,
        cascade=flags.cascade,
        name_filter=flags.filter,
        status_filter=flags.filter_status,
        # An id of our own: when the connection breaks, sending again does not do it twice.
        correlation_id=flags.correlation_id or new_uuid(time.time_ns()),
        **given,
    )
    reply = client.command(find_app(client, app), command, wait=flags.wait)
    document = reply.document()
    session.show_sheet(
        Sheet(
            reply,
            command_lines,
            lambda document, kept: msgspec.structs.replace(
                document, targets=document.targets[:kept]
            ),
            longest=len(document.targets),
        )
    )
    if not document.targets:
        raise ClewError(ErrorCode.NOT_FOUND, "no app matched the filter", hint="see: clew tree")
    if wait_s is not None and not document.over:
        print_note(f"not answered within {flags.wait}; it stays in force until it expires")
    is_refused = any(target.status in _NOT_DONE for target in document.targets)
    is_late = wait_s is not None and not document.over
    return ExitCode.FAILED if is_refused or is_late else ExitCode.OK


_NOT_DONE: Final = frozenset({"failed", "expired", "cancelled"})


def cancel(
    app: AppName, /, *, flags: CancelFlags | None = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """Cancel an app."""
    flags = flags or CancelFlags()
    times = {"grace_ms": _seconds(flags.grace), "kill_after_ms": _seconds(flags.kill_after)}
    given = {name: round(each * 1000) for name, each in times.items() if each is not None}
    asked = CancelParameters(
        cascade=flags.cascade,
        reason=flags.reason or "",
        include_detached=flags.include_detached,
        wait="true" if flags.wait else None,
        **given,
    )
    longest_s = (asked.grace_ms + asked.kill_after_ms) / 1000 + KILL_GRACE / NS_PER_S
    session, client = _open(answer, longest_s if flags.wait else 0.0)
    app_id = find_app(client, app)
    if not flags.yes and sys.stdin.isatty() and sys.stderr.isatty():
        _confirm(client, app_id, asked)
    correlation_id = flags.correlation_id or new_uuid(time.time_ns())
    reply = client.cancel(app_id, asked, correlation_id=correlation_id)
    document = reply.document()
    session.show_sheet(
        Sheet(
            reply,
            cancel_lines,
            lambda document, kept: msgspec.structs.replace(
                document, outcomes=document.outcomes[:kept]
            ),
            longest=len(document.outcomes),
        )
    )
    if flags.wait and not document.over:
        print_note("not over in time; what is left goes on", correlation_id=correlation_id)
        return ExitCode.FAILED
    return ExitCode.OK


def spawn(
    name: Annotated[str, Parameter(help="What it is called; others may be called the same.")],
    /,
    *,
    flags: SpawnFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Announce a child."""
    flags = flags or SpawnFlags()
    session, client = _open(answer, 0.0)
    deadline_s = _seconds(flags.start_deadline)
    window_s = _seconds(flags.resume_window)
    child = NewChild(
        app_name=name,
        app_id=flags.id or new_uuid(time.time_ns()),
        parent_id=None if flags.parent is None else find_app(client, flags.parent),
        sec_level=Tier(flags.tier),
        start_deadline=None if deadline_s is None else max(1, round(deadline_s)),
        resume_window_ms=None if window_s is None else round(window_s * 1000),
        orphans=Orphans(detached=True) if flags.detached else None,
        role_refs=None if flags.role_ref is None else tuple(flags.role_ref),
        tags=read_tags(flags.tag),
    )
    reply = client.schedule(child)
    document = reply.document()
    if flags.export:
        _write_export(document)
    else:
        session.show_sheet(Sheet(reply, child_lines, lambda document, _: document, longest=0))
    return ExitCode.OK


def _open(answer: AnswerFlags | None, wait_s: float) -> tuple[Session, TreeClient]:
    """Return a session, and a client that waits as long as the server may take."""
    flags = answer or AnswerFlags()
    session = Session(flags)
    server = session.client.server
    if wait_s:
        server = Server(flags.server, api_key=flags.api_key, read_timeout_s=wait_s + WAIT_MARGIN_S)
    return session, TreeClient(server)


def _confirm(client: TreeClient, app_id: str, asked: CancelParameters) -> None:
    """Show who is hit, and ask.

    Raises:
        ClewError: the answer is not yes.
    """
    query = AppQuery(within=app_id, order="tree", limit=LIMIT_MAX if asked.cascade else 1)
    found = client.find_apps(query).document()
    live = [app for app in found.apps if app.status in LIVE]
    if not live:
        return
    names = [f"{app.app_name} {short_id(app.app_id)} ({app.status})" for app in live]
    for each in names[:NAMES_SHOWN_MAX]:
        sys.stderr.write(f"  {escape(each)}\n")
    if len(names) > NAMES_SHOWN_MAX:
        sys.stderr.write(f"  … and {plural(len(names) - NAMES_SHOWN_MAX, 'app')} more\n")
    more = " or more" if found.truncated and asked.cascade else ""
    sys.stderr.write(f"cancel {plural(len(live), 'app')}{more}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ClewError(ErrorCode.CONFLICT, "nothing was cancelled", hint="--yes does not ask")


def _write_export(document: doc.ChildScheduled) -> None:
    if document.trails_info is None:
        why = (
            "it was announced before, and its token was told then"
            if not document.created
            else "the server has no door for apps (--trails)"
        )
        raise ClewError(
            ErrorCode.CONFLICT, f"there is nothing to export: {why}", hint="announce another one"
        )
    output.write(f"export {VARIABLE}={shlex.quote(document.trails_info)}\n")


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_duration_ns(text, bare=NS_PER_S) / NS_PER_S


def _read_payload(text: str) -> bytes:
    if text == "-":
        octets = sys.stdin.buffer.read()
    elif text.startswith("@"):
        try:
            with open(text[1:], "rb") as stream:  # noqa: PTH123 - a name as it was given
                octets = stream.read()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, f"cannot read {text[1:]}: {reason}"
            ) from error
    else:
        octets = text.encode()
    try:
        msgspec.json.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the payload is not JSON: {error}",
            hint="""quote it for the shell: --payload '{"workers": 4}'""",
        ) from error
    return octets
