"""`clew tree`: what runs, as a tree, once or drawn anew whenever something happens."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.remote.events import Interruption
from clew.surfaces.cli import output
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.errors import ExitCode, print_note
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, Switch
from clew.surfaces.cli.grid import Style, render, styled
from clew.surfaces.cli.happenings import Happenings
from clew.surfaces.cli.naming import find_app, nothing_found
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.views.app_tree import TreeShape, count_statuses, tree_lines
from clew.tree.documents import WatchLagged
from clew.tree.parameters import LIMIT_MAX, AppQuery, StatusName, WatchParameters
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.remote.reply import Reply
    from clew.surfaces.cli.grid import Line
    from clew.tree.documents import AppList

ACTIVE: Final = "15m"
"""Trees that have ended are shown for so long: who looks after lunch sees what runs."""

FOLD: Final = 20
"""Children of one app that are drawn; a screen has twice as many lines."""

REDRAW_SECONDS: Final = 1.0
"""How often the runtimes are drawn anew when nothing happens."""

READ_SHARE_MAX: Final = 0.2
"""The part of the time for which a drawing may keep the server busy with its questions."""

PAUSE_SECONDS_MIN: Final = 0.2
"""Between two questions at least: people do not read faster."""

App = Annotated[
    str | None,
    Parameter(help="Only this app and what is below it.", completer=complete_apps),
]


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class TreeFlags:
    """What of the tree is drawn."""

    status: Annotated[list[StatusName] | None, Parameter(negative=(), consume_multiple=False)] = (
        None
    )
    """Repeatable: only apps of this status, and all that stand above them."""

    depth: int | None = None
    """So many levels below the top."""

    all: Switch = False
    """Trees that ended long ago too."""

    namespace: str | None = None
    """Only apps of this namespace."""

    fold: Annotated[int, Parameter(show_default=True)] = FOLD
    """Sum up what is beyond so many children of one app; 0 draws them all."""

    watch: Annotated[bool, Parameter(name=("--watch", "-w"), negative=(), show_default=False)] = (
        False
    )
    """Draw it anew whenever something happens; piped, write what happens as it does."""


def tree(
    app: App = None, /, *, flags: TreeFlags | None = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """Draw the tree of what runs."""
    flags = flags or TreeFlags()
    answer = answer or AnswerFlags()
    _check(flags)
    session = Session(answer)
    client = TreeClient(session.client.server)
    within = None if app is None else find_app(client, app)
    query = AppQuery(
        within=within,
        namespace=flags.namespace,
        active=ACTIVE if within is None and not flags.all else None,
        order="tree",
        limit=LIMIT_MAX,
    )
    if flags.watch:
        return _watch(answer, session, client, query, flags)

    def find() -> Reply[AppList]:
        # A picture needs all that stands above; a program asked for these apps alone.
        wanted = flags.status if session.format != "table" else None
        return client.find_apps(msgspec.structs.replace(query, status=wanted or []))

    def table(document: AppList, width: int) -> list[Line]:
        return tree_lines(document.apps, width, _shape(flags), time.time_ns())

    listing = Listing(
        find(),
        "apps",
        "app",
        table,
        how="raise --max-tokens, or name an app",
        legend=lambda document: count_statuses(document.apps),
    )
    return session.show(listing, lambda: _nothing(client, within, flags))


def _check(flags: TreeFlags) -> None:
    if (flags.depth is not None and flags.depth < 0) or flags.fold < 0:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "--depth and --fold are 0 or more", hint="0 folds nothing"
        )


def _shape(flags: TreeFlags) -> TreeShape:
    return TreeShape(statuses=frozenset(flags.status or ()), depth=flags.depth, fold=flags.fold)


def _nothing(client: TreeClient, within: str | None, flags: TreeFlags) -> ClewError:
    if within is None and not flags.all:
        said = "nothing runs, and nothing has ended lately"
        return nothing_found(client, said, "see what ran before: clew tree --all")
    return nothing_found(client, "no app matched", "see what there is: clew apps")


def _watch(
    answer: AnswerFlags, session: Session, client: TreeClient, query: AppQuery, flags: TreeFlags
) -> ExitCode:
    asked = WatchParameters(within=query.within, namespace=query.namespace)
    try:
        happenings = Happenings(answer, asked)
        if session.format != "table":
            return _write_happenings(happenings, session.screen)
        return _Picture(client, query, flags).run(happenings)
    except KeyboardInterrupt:
        # Ending what has no end is how it is meant to be used.
        return ExitCode.OK


def _write_happenings(happenings: Happenings, screen: output.Screen) -> ExitCode:
    while True:
        said = happenings.hear(None)
        if isinstance(said, Interruption):
            print_note(f"{said.error.message}; trying again in {said.wait_s:.1f} s")
        elif isinstance(said, WatchLagged):
            output.write(output.json_line(said, screen))
        else:
            output.write("".join(f"{line}\n" for line in output.item_lines(said or [], screen)))


_PASSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED})
"""What goes away by itself: a server that is restarted, or has too much to do."""


class _Picture:
    """The tree on a terminal, drawn over itself."""

    def __init__(self, client: TreeClient, query: AppQuery, flags: TreeFlags) -> None:
        self._client = client
        self._query = query
        self._shape = _shape(flags)
        self._apps: AppList | None = None
        self._trouble = ""
        self._read_at = 0.0
        self._read_cost = 0.0

    def run(self, happenings: Happenings) -> ExitCode:
        """Draw until Ctrl-C; leave the last picture on the screen."""
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
        try:
            self._read()
            is_stale = False
            while True:
                self._draw()
                said = happenings.hear(self._pause() if is_stale else REDRAW_SECONDS)
                if isinstance(said, Interruption):
                    self._trouble = f"{said.error.message}; trying again"
                elif said is not None:
                    self._trouble = ""
                    is_stale = True
                if is_stale and self._pause() <= 0:
                    self._read()
                    is_stale = False
        finally:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            self._draw_last()

    def _pause(self) -> float:
        """Return for how long the server is not asked again."""
        rest = max(PAUSE_SECONDS_MIN, self._read_cost / READ_SHARE_MAX)
        return self._read_at + rest - time.monotonic()

    def _read(self) -> None:
        begun = time.monotonic()
        try:
            self._apps = self._client.find_apps(self._query).document()
        except ClewError as error:
            if self._apps is None or error.code not in _PASSING:
                raise
            self._trouble = error.message
        self._read_at = time.monotonic()
        self._read_cost = self._read_at - begun

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        lines = self._lines(max(output.WIDTH_MIN, size.columns), max(4, size.lines - 2))
        screen = output.find_screen()
        text = "".join(f"{render(line, colour=screen.colour)}\x1b[K\r\n" for line in lines)
        output.write(f"\x1b[H{text}\x1b[J")

    def _draw_last(self) -> None:
        screen = output.find_screen()
        screen.write_lines(self._lines(screen.width, None))

    def _lines(self, width: int, rows_max: int | None) -> list[Line]:
        found = self._apps
        if found is None:
            return []
        lines = tree_lines(found.apps, width, self._shape, time.time_ns(), rows_max=rows_max)
        if not lines:
            lines = [styled("nothing runs, and nothing has ended lately", Style.DIM)]
        parts: list[Any] = [count_statuses(found.apps)]
        if found.truncated:
            parts.append(f"the first {found.count} of {found.total or found.at_least} apps")
        lines += [[], *output.footer(width, *parts)]
        if self._trouble:
            lines.append(styled(self._trouble, Style.YELLOW))
        return lines
