"""`clew wait`: until apps have ended, with exit codes that say how.

The feed is opened first and the apps are read second, so an end between the two is heard of; what
the feed says is then read once more from the apps themselves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, assert_never

import msgspec
from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.remote.answer import Answer
from clew.remote.events import Interruption
from clew.remote.reply import Reply
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import print_error, print_note
from clew.surfaces.cli.flags import AnswerFlags, Switch
from clew.surfaces.cli.happenings import Happenings
from clew.surfaces.cli.naming import find_app, find_apps, short_id
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.text import show_percent
from clew.surfaces.cli.views.apps import app_table
from clew.surfaces.cli.views.progress import read_progress
from clew.tree.documents import AppList, Said, WatchLagged
from clew.tree.machine.app import TERMINAL
from clew.tree.parameters import LIMIT_MAX, AppQuery, WatchParameters
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.tree.documents import App, WatchEvent
    from clew.tree.parameters import Kind

WAITING: Final = Group("Wait", sort_key=1)

LOOK_UP_S: Final = 0.5
"""How often a wait without an end looks up, so that Ctrl-C is felt at once on every platform."""


class WaitCode(IntEnum):
    """What the end of `clew wait` says; beyond 4 as in sysexits.h, since 3 to 5 mean an end."""

    DONE = 0
    ERROR = 1
    CRASHED = 2
    TIMEOUT = 3
    CANCELLED = 4
    FAILED = 70
    USAGE = 64
    NO_APP = 66
    UNREACHABLE = 69
    NOT_ALLOWED = 77


CODES: Final = {
    "done": WaitCode.DONE,
    "error": WaitCode.ERROR,
    "crashed": WaitCode.CRASHED,
    "start_failed": WaitCode.CRASHED,
    "cancelled": WaitCode.CANCELLED,
}
"""How an app ended, as a code."""

WORST: Final = (WaitCode.CRASHED, WaitCode.ERROR, WaitCode.CANCELLED, WaitCode.DONE)
"""Of several apps the first of these is told."""

_ENDED: Final = frozenset(status.value for status in TERMINAL)


@Parameter(name="*", group=WAITING)
@dataclass(frozen=True, kw_only=True)
class WaitFlags:
    """What to wait for, and for how long."""

    parent: Annotated[str | None, Parameter(completer=complete_apps)] = None
    """Wait for the children of this app, those that come meanwhile among them."""

    any: Switch = False
    """Until the first has ended."""

    all: Switch = False
    """Until all have ended; this is the default."""

    timeout: str | None = None
    """For so long at the most: 10m, or bare seconds. [default: for ever]"""

    progress: Switch = False
    """Tell on stderr what happens meanwhile."""


def wait(
    *apps: Annotated[
        str,
        Parameter(
            help="Apps: an id, the beginning or end of it, or a name.", completer=complete_apps
        ),
    ],
    flags: WaitFlags | None = None,
    answer: AnswerFlags | None = None,
) -> int:
    """Wait until apps have ended."""
    try:
        return _wait(apps, flags or WaitFlags(), answer or AnswerFlags())
    except ClewError as error:
        print_error(error)
        return wait_code(error.code)


def wait_code(code: ErrorCode) -> WaitCode:
    """Translate an error's code."""
    match code:
        case ErrorCode.INVALID_ARGUMENT | ErrorCode.UNSUPPORTED | ErrorCode.TOO_LARGE:
            return WaitCode.USAGE
        case ErrorCode.NOT_FOUND:
            return WaitCode.NO_APP
        case ErrorCode.UNAVAILABLE | ErrorCode.OVERLOADED | ErrorCode.TIMEOUT:
            return WaitCode.UNREACHABLE
        case ErrorCode.UNAUTHENTICATED | ErrorCode.FORBIDDEN:
            return WaitCode.NOT_ALLOWED
        case ErrorCode.ALREADY_EXISTS | ErrorCode.CONFLICT | ErrorCode.INTERNAL:
            return WaitCode.FAILED
    assert_never(code)


def _wait(names: tuple[str, ...], flags: WaitFlags, answer: AnswerFlags) -> WaitCode:
    if bool(names) == (flags.parent is not None):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "wait for what?" if not names else "apps and --parent are two ways to say it",
            hint="name apps, or give --parent APP",
        )
    if flags.any and flags.all:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "--any and --all exclude each other")
    timeout_s = None
    if flags.timeout is not None:
        timeout_s = parse_duration_ns(flags.timeout, bare=NS_PER_S) / NS_PER_S
    session = Session(answer)
    client = TreeClient(session.client.server)
    parent_id = None if flags.parent is None else find_app(client, flags.parent)
    waiting = _Waiting(client, find_apps(client, names), parent_id, flags)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    code = waiting.run(Happenings(answer, waiting.question()), deadline)
    found = AppList(apps=waiting.apps(), count=len(waiting.states), truncated=False)
    told = Reply(Answer(msgspec.json.encode(found), {}), AppList)
    session.show(Listing(told, "apps", "app", app_table))
    return code


class _Waiting:
    """Which apps are waited for, and how each stands."""

    def __init__(
        self, client: TreeClient, app_ids: Iterable[str], parent_id: str | None, flags: WaitFlags
    ) -> None:
        self._client = client
        self._parent_id = parent_id
        self._is_any = flags.any
        self._is_told = flags.progress
        self.states: dict[str, str] = dict.fromkeys(app_ids, "")
        self._ended_at: dict[str, str] = {}

    def question(self) -> WatchParameters:
        """Return what to hear of."""
        kinds: list[Kind] = ["transition", "message"] if self._is_told else ["transition"]
        if self._parent_id is not None:
            return WatchParameters(parent_id=self._parent_id, kind=kinds)
        return WatchParameters(app_id=list(self.states), kind=kinds)

    def run(self, happenings: Happenings, deadline: float | None) -> WaitCode:
        """Wait, and return how it ended."""
        self._read()
        if not self.states:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"the app {self._parent_id} has no children",
                hint="announce one: clew spawn",
            )
        while not self._is_over():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return WaitCode.TIMEOUT
            said = happenings.hear(LOOK_UP_S if left is None else min(LOOK_UP_S, left))
            if isinstance(said, Interruption):
                print_note(f"{said.error.message}; trying again in {said.wait_s:.1f} s")
            elif isinstance(said, WatchLagged):
                self._read()
            elif said:
                for event in said:
                    self._take(event)
        return self._code()

    def apps(self) -> list[App]:
        """Return the apps as they stand now, those that have ended with how."""
        return [self._client.get_app(app_id).document() for app_id in self.states]

    def _read(self) -> None:
        if self._parent_id is not None:
            query = AppQuery(parent_id=self._parent_id, limit=LIMIT_MAX)
            found = self._client.find_apps(query).document()
            if found.truncated:
                raise ClewError(ErrorCode.TOO_LARGE, f"the app has more than {LIMIT_MAX} children")
            apps = found.apps
        else:
            apps = self.apps()
        for app in apps:
            self._note(app.app_id, app.status, app.ended_at)

    def _note(self, app_id: str, state: str, at: str | None) -> None:
        self.states[app_id] = state
        # A crash may turn out to have been none.
        self._ended_at.pop(app_id, None)
        if state in _ENDED and at is not None:
            self._ended_at[app_id] = at

    def _take(self, event: WatchEvent) -> None:
        document: dict[str, Any] = msgspec.json.decode(event.document)
        if event.kind == "transition":
            self._note(event.app_id, str(document.get("to", "")), event.at)
        if self._is_told:
            self._tell(event, document)

    def _tell(self, event: WatchEvent, document: dict[str, Any]) -> None:
        name = f"{document.get('app_name', '')} {short_id(event.app_id)}"
        details = {"at": event.at, "app_id": event.app_id, "kind": event.kind}
        if event.kind == "transition":
            print_note(f"{name}: {document.get('to')} ({document.get('reason')})", **details)
            return
        said = Said(
            msg_type=str(document.get("msg_type", "")),
            seq=0,
            epoch=0,
            at=event.at,
            payload_bytes=0,
            payload=msgspec.Raw(msgspec.json.encode(document.get("payload"))),
        )
        progress = read_progress(said)
        share = "" if progress.share is None else show_percent(progress.share)
        words = " ".join(part for part in (share, progress.words) if part)
        print_note(f"{name}: {words or said.msg_type}", **details)

    def _is_over(self) -> bool:
        ended = [state in _ENDED for state in self.states.values()]
        return any(ended) if self._is_any else all(ended)

    def _code(self) -> WaitCode:
        if self._is_any and self._ended_at:
            # Times of one form are in order as texts.
            first = min(self._ended_at, key=self._ended_at.__getitem__)
            return CODES[self.states[first]]
        codes = {CODES[state] for state in self.states.values() if state in CODES}
        return next(code for code in WORST if code in codes)
