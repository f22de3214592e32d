"""What is asked of the tree and read from the registry: pages, and single records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from clew.access.caller import CallerKind
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_uuid
from clew.base.times import parse_duration_ns, parse_time
from clew.store.page import check_limit
from clew.tree import documents as doc
from clew.tree.cursor import Mark, read_cursor, write_cursor
from clew.tree.descriptions import (
    describe_apps,
    describe_cancel,
    describe_command,
    describe_crash,
    describe_message,
    describe_snapshot,
)
from clew.tree.machine.app import Status
from clew.tree.machine.issuing import auth_domain
from clew.tree.parameters import LIMIT_MAX
from clew.tree.registry import questions
from clew.tree.registry.questions import AppFilter
from clew.tree.registry.rows import join_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Reading
    from clew.tree import parameters as ask
    from clew.tree.machine.app import App
    from clew.tree.registry.questions import KeptCommand
    from clew.tree.sight import Sight

COUNTED_MAX: Final = 10_000
"""How far matching records are counted; beyond, an answer says `at_least`."""

ENDED_TOLD_MAX: Final = 1000
"""Of what had ended before a cancel: 150 KB of JSON; a tree of a year has a million of them."""

ENDED_COUNTED_MAX: Final = 100_000
"""How far these are counted, while somebody waits for the answer: some 20 ms."""

TEXT_CHARS_MAX: Final = 256
"""Of a name that is looked for: the longest that an app can have."""

Item = TypeVar("Item")


class Lookups:
    """Answers from the registry. Every method blocks and may be called from any thread.

    `now` gives Unix nanoseconds.
    """

    def __init__(self, database: Database, sight: Sight, now: Callable[[], int]) -> None:
        self._database = database
        self._sight = sight
        self._now = now

    def find_apps(self, caller: Caller, query: ask.AppQuery) -> doc.AppList:
        """Return one page of apps."""
        mark = _begin(query, "apps")
        active = self._since(query.active, mark)
        parent_id = None if query.parent_id is None else parse_uuid(query.parent_id)

        def work(reading: Reading) -> doc.AppList:
            within = None
            if query.within is not None:
                within = self._path_of(reading, caller, query.within)
            condition = AppFilter(
                seen=self._sight.find_seen(reading, caller),
                within=within,
                parent_id=parent_id,
                statuses=tuple(map(Status, query.status)),
                namespace=_text(query.namespace, "namespace"),
                app_name=_text(query.name, "name"),
                role_ref=_text(query.role_ref, "role_ref"),
                text=_text(query.text, "text"),
                active_since=active,
            )
            if query.order == "tree":
                return self._tree_page(reading, query, "apps", condition, mark, active or 0)
            after = None if mark is None else (mark.number, mark.text)
            apps = questions.find_apps(reading, condition, limit=query.limit + 1, after=after)
            return _app_list(
                reading,
                apps,
                query,
                lambda last: write_cursor(
                    query, "apps", Mark(last.scheduled_at, last.app_id, active or 0)
                ),
                condition,
            )

        return self._database.read(work)

    def get_app(self, caller: Caller, app_id: str) -> doc.App:
        """Return one app."""
        wanted = parse_uuid(app_id)

        def work(reading: Reading) -> doc.App:
            app = self._sight.require(reading, caller, wanted)
            return describe_apps(reading, [app], whole=True)[0]

        return self._database.read(work)

    def find_children(self, caller: Caller, app_id: str, query: ask.ChildQuery) -> doc.AppList:
        """Return one page of an app's children, or of everything below it."""
        wanted = parse_uuid(app_id)
        about = f"children of {wanted}"
        mark = _begin(query, about)

        def work(reading: Reading) -> doc.AppList:
            app = self._sight.require(reading, caller, wanted)
            condition = AppFilter(
                # A grant may end at the app itself: what is below it is looked at by itself.
                seen=self._sight.find_seen(reading, caller),
                below=join_path(app.path) if query.recursive else None,
                parent_id=None if query.recursive else wanted,
                statuses=tuple(map(Status, query.status)),
            )
            return self._tree_page(reading, query, about, condition, mark, 0)

        return self._database.read(work)

    def find_messages(
        self, caller: Caller, app_id: str, query: ask.MessageQuery
    ) -> doc.MessageList:
        """Return one page of an app's messages."""
        wanted = parse_uuid(app_id)
        about = f"messages of {wanted}"
        mark = _begin(query, about)

        def work(reading: Reading) -> doc.MessageList:
            self._sight.require(reading, caller, wanted)
            found = questions.find_messages(
                reading, wanted, limit=query.limit + 1, before=_before(mark), msg_type=query.type
            )
            counted = questions.count_messages(
                reading, wanted, most=COUNTED_MAX + 1, msg_type=query.type
            )
            shown, following = _cut(query, about, found)
            total, at_least = _totals(counted)
            return doc.MessageList(
                messages=[describe_message(each) for each in shown],
                count=len(shown),
                truncated=following is not None,
                total=total,
                at_least=at_least,
                next=following,
            )

        return self._database.read(work)

    def find_snapshots(
        self, caller: Caller, app_id: str, query: ask.PageParameters
    ) -> doc.SnapshotList:
        """Return one page of an app's snapshots."""
        wanted = parse_uuid(app_id)
        about = f"snapshots of {wanted}"
        mark = _begin(query, about)

        def work(reading: Reading) -> doc.SnapshotList:
            self._sight.require(reading, caller, wanted)
            found = questions.find_snapshots(
                reading, wanted, limit=query.limit + 1, before=_before(mark)
            )
            counted = questions.count_snapshots(reading, wanted, most=COUNTED_MAX + 1)
            shown, following = _cut(query, about, found)
            total, at_least = _totals(counted)
            return doc.SnapshotList(
                snapshots=[describe_snapshot(each) for each in shown],
                count=len(shown),
                truncated=following is not None,
                total=total,
                at_least=at_least,
                next=following,
            )

        return self._database.read(work)

    def get_last_snapshot(self, caller: Caller, app_id: str) -> doc.Snapshot:
        """Return what an app said of its state last."""
        wanted = parse_uuid(app_id)

        def work(reading: Reading) -> doc.Snapshot:
            self._sight.require(reading, caller, wanted)
            found = questions.find_snapshots(reading, wanted, limit=1)
            if not found:
                raise ClewError(
                    ErrorCode.NOT_FOUND,
                    f"the app {wanted} has said nothing of its state",
                    hint="it does so with a Status message",
                )
            return describe_snapshot(found[0])

        return self._database.read(work)

    def find_crashes(self, caller: Caller, query: ask.CrashQuery) -> doc.CrashList:
        """Return one page of crashes."""
        mark = _begin(query, "crashes")
        since = self._since(query.since, mark)
        app_id = None if query.app_id is None else parse_uuid(query.app_id)

        def work(reading: Reading) -> doc.CrashList:
            within = None
            if query.within is not None:
                within = self._path_of(reading, caller, query.within)
            if app_id is not None:
                self._sight.require(reading, caller, app_id)
            condition = questions.CrashFilter(
                seen=self._sight.find_seen(reading, caller),
                since=since,
                app_id=app_id,
                namespace=_text(query.namespace, "namespace"),
                within=within,
            )
            found = questions.find_crashes(
                reading, condition, limit=query.limit + 1, before=_before(mark)
            )
            counted = questions.count_crashes(reading, condition, most=COUNTED_MAX + 1)
            shown, following = _cut(query, "crashes", found, since or 0)
            apps = questions.get_apps(reading, {crash.app_id for crash in shown})
            total, at_least = _totals(counted)
            return doc.CrashList(
                crashes=[describe_crash(crash, apps[crash.app_id]) for crash in shown],
                count=len(shown),
                truncated=following is not None,
                total=total,
                at_least=at_least,
                next=following,
            )

        return self._database.read(work)

    def get_command(self, caller: Caller, correlation_id: str) -> doc.Command:
        """Return a command or a cancel, to whoever asked for it or may see its target."""
        return self._database.read(
            lambda reading: describe_command(*self._read_command(reading, caller, correlation_id))
        )

    def get_cancel(self, caller: Caller, correlation_id: str) -> doc.Cancelled:
        """Return a cancel as its outcomes; of a cascade, what had ended before it among them."""

        def work(reading: Reading) -> doc.Cancelled:
            root_id, targets, apps = self._read_command(reading, caller, correlation_id)
            command = describe_command(root_id, targets, apps)
            root = apps.get(root_id)
            if not command.cascade or root is None:
                return describe_cancel(command, [], 0)
            about = (reading, correlation_id, join_path(root.path), targets[0].created_at)
            ended = questions.find_ended_before(*about, limit=ENDED_TOLD_MAX)
            count = len(ended)
            if count == ENDED_TOLD_MAX:
                count = questions.count_ended_before(*about, most=ENDED_COUNTED_MAX)
            return describe_cancel(command, ended, count)

        return self._database.read(work)

    def _read_command(
        self, reading: Reading, caller: Caller, correlation_id: str
    ) -> tuple[str, list[KeptCommand], dict[str, App]]:
        """Return the app that was named, all targets of a command, and those that are kept."""
        unknown = ClewError(
            ErrorCode.NOT_FOUND,
            f"there is no command {correlation_id[:128]!r}",
            hint="give the correlation_id that the answer to the command has",
        )
        if "\0" in correlation_id:
            raise unknown
        targets = questions.find_commands(reading, correlation_id)
        if not targets:
            raise unknown
        root_id = targets[0].root_id
        if not _is_own(targets[0], caller):
            try:
                self._sight.require(reading, caller, root_id)
            except ClewError as error:
                raise unknown from error
        apps = questions.get_apps(reading, {target.app_id for target in targets})
        return root_id, targets, apps

    def _tree_page(
        self,
        reading: Reading,
        query: ask.AppQuery | ask.ChildQuery,
        about: str,
        condition: AppFilter,
        mark: Mark | None,
        anchor: int,
    ) -> doc.AppList:
        after = None if mark is None else mark.text
        apps = questions.find_subtree(reading, condition, limit=query.limit + 1, after=after)
        return _app_list(
            reading,
            apps,
            query,
            lambda last: write_cursor(query, about, Mark(0, join_path(last.path), anchor)),
            condition,
        )

    def _path_of(self, reading: Reading, caller: Caller, app_id: str) -> str:
        return join_path(self._sight.require(reading, caller, parse_uuid(app_id)).path)

    def _since(self, text: str | None, mark: Mark | None) -> int | None:
        """Return the moment from which on; that of the first page for those that follow."""
        if text is None:
            return None
        return mark.anchor if mark is not None else read_since(text, self._now())


def _is_own(command: KeptCommand, caller: Caller) -> bool:
    """Whether it was this caller who asked for it.

    A key and an app may have one name; and who only names an app, with a key that is bound to a
    part of the tree, sees no more than that part.
    """
    is_same = (command.auth_domain, command.requested_by) == (auth_domain(caller), caller.name)
    return is_same and (caller.kind is not CallerKind.APP or caller.scope is None)


def read_since(text: str, now: int) -> int:
    """Return a moment, or that of a duration ago.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if text.isascii() and text.isdigit() and len(text) < len("1000000000"):
        return max(0, now - parse_duration_ns(f"{text}s"))
    return parse_time(text, now=now)


def _app_list(
    reading: Reading,
    apps: list[App],
    query: ask.PageParameters,
    write: Callable[[App], str],
    condition: AppFilter,
) -> doc.AppList:
    shown = apps[: query.limit]
    is_cut = len(apps) > query.limit
    total, at_least = _totals(questions.count_apps(reading, condition, most=COUNTED_MAX + 1))
    return doc.AppList(
        apps=describe_apps(reading, shown),
        count=len(shown),
        truncated=is_cut,
        total=total,
        at_least=at_least,
        next=write(shown[-1]) if is_cut else None,
    )


def _begin(query: ask.PageParameters, about: str) -> Mark | None:
    """Check what every list is asked with, and return where its page begins."""
    check_limit(query.limit, LIMIT_MAX)
    return read_cursor(query.next, query, about)


def _before(mark: Mark | None) -> int | None:
    return None if mark is None else mark.number


def _cut(
    query: ask.PageParameters, about: str, found: Sequence[Item], anchor: int = 0
) -> tuple[Sequence[Item], str | None]:
    """Return the items of a page, and the cursor of the next one if there is any."""
    shown = found[: query.limit]
    if len(found) <= query.limit:
        return shown, None
    last: int = shown[-1].id  # type: ignore[attr-defined]
    return shown, write_cursor(query, about, Mark(last, "", anchor))


def _totals(counted: int) -> tuple[int | None, int | None]:
    return (counted, None) if counted <= COUNTED_MAX else (None, COUNTED_MAX)


def _text(text: str | None, name: str) -> str | None:
    if text is not None and (len(text) > TEXT_CHARS_MAX or "\0" in text):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{name} is no text to look for",
            hint=f"give up to {TEXT_CHARS_MAX} characters",
        )
    return text
