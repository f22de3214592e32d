"""The tree of what runs: seen, commanded and cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.mcp.answers import TEXT_CHARS, Answer, Call, Draft, Table, table, whole
from clew.surfaces.mcp.tool import Asked, Cursor, TextChars, Tool, call, pick
from clew.surfaces.mcp.tools.find import draft_page
from clew.tree import documents as doc
from clew.tree.parameters import (
    LIMIT_MAX,
    AppQuery,
    CancelParameters,
    NewCommand,
    StatusName,
)

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

COLUMNS: Final = ("app_id", "parent_id", "name", "status", "state", "since", "host", "why")

ACTIVE: Final = "15m"
"""Trees that ended longer ago are shown to who asks for one."""

LIMIT: Final = 100
"""Apps of a page: those of a tree that one agent looks after."""

WAIT_S_DEFAULT: Final = 5
WAIT_S_MAX: Final = 25
"""How long a tool waits for the end: clients give a tool half a minute or more."""

AppId = Annotated[str, Meta(description="UUID, as `tree` shows it")]
Wait = Annotated[
    int,
    Meta(
        description="Seconds to wait for the end; then the answer says how far it is",
        extra_json_schema={"minimum": 0, "maximum": WAIT_S_MAX},
    ),
]


class TreeAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which apps; the trees that live, or have ended lately, when nothing is given."""

    app_id: Annotated[str | None, Meta(description="Only this app and what is below it")] = None
    status: list[StatusName] = msgspec.field(default_factory=list)
    text: Annotated[str | None, Meta(description="Part of the name, or an end of the id")] = None
    all: Annotated[bool, Meta(description="Trees that ended long ago too")] = False
    limit: Annotated[int, Meta(description="Apps at most")] = LIMIT
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class AppAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which app."""

    app_id: AppId


class SendAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to tell whom."""

    app_id: AppId
    action: Annotated[str, Meta(description="A word of the app's: pause, resume, drain …")]
    payload: Annotated[Any, Meta(description="Any JSON value")] = None
    cascade: Annotated[bool, Meta(description="To all live apps below it as well")] = False
    name_filter: Annotated[str | None, Meta(description="With cascade: worker-*")] = None
    wait_s: Wait = WAIT_S_DEFAULT


class CancelAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to cancel."""

    app_id: AppId
    cascade: Annotated[bool, Meta(description="Everything below it as well")] = False
    grace_ms: Annotated[int, Meta(description="How long each has to end by itself")] = 30_000
    reason: Annotated[str, Meta(description="Told to the apps, and kept")] = ""
    wait_s: Wait = WAIT_S_DEFAULT


class TreeAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Apps, each before what is below it. `state` is what it said last, `since` when it began."""

    total: int | None = None
    at_least: int | None = None
    apps: Table


class AppAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One app as it stands."""

    app: dict[str, Any]


class SendAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What each app did with a command: `ack` is its answer; `over` when none is awaited."""

    correlation_id: str
    over: bool
    targets: Table


class CancelAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What became of each app; final once it is `over`."""

    correlation_id: str
    over: bool
    outcomes: Table
    ended_before: int = 0


def _tree(questions: Questions, asked: TreeAsked) -> Draft:
    def fetch(limit: int) -> doc.AppList:
        is_narrow = asked.app_id or asked.text or asked.all
        query = AppQuery(
            within=asked.app_id,
            status=asked.status,
            text=asked.text,
            active=None if is_narrow else ACTIVE,
            order="tree",
            limit=min(limit, LIMIT_MAX),
            next=asked.cursor,
        )
        return questions.ask("/apps", doc.AppList, query)

    def write(found: doc.AppList, items: int, page: dict[str, Any]) -> TreeAnswer:
        shown = found.apps[:items]
        return TreeAnswer(apps=table(COLUMNS, map(_row, shown)), next=_steps(shown), **page)

    return draft_page("tree", asked, fetch, write, "apps", text_chars=asked.text_chars)


def _row(app: doc.App) -> list[Any]:
    said = app.last_snapshot
    state = None
    if said is not None and said.payload is not msgspec.UNSET:
        state = bytes(said.payload).decode(errors="replace")
    begun = app.started_at or app.connected_at or app.scheduled_at
    host = app.process.get("node_name") or app.process.get("hostname")
    pid = app.process.get("pid")
    where = f"{host}:{pid}" if host and pid is not None else host
    return [
        *(app.app_id, app.parent_id, app.app_name, app.status, state, begun[:23], where),
        _why(app),
    ]


def _why(app: doc.App) -> str | None:
    """Return why an app stands as it does, where that is worth a word."""
    if app.status in {"connected", "running", "done", "scheduled"}:
        return None
    why = app.crash.crash_type if app.status == "crashed" and app.crash is not None else app.reason
    return why if app.exit_code is None else f"{why}, exit {app.exit_code}"


def _steps(apps: list[doc.App]) -> list[Call]:
    failed = [app for app in apps if app.status in {"crashed", "error", "start_failed"}]
    return [call("app", "what it said last", app_id=app.app_id) for app in (*failed, *apps)[:1]]


def _app(questions: Questions, asked: AppAsked) -> Draft:
    app = questions.ask("/apps/{app_id}", doc.App, None, {"app_id": asked.app_id})
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app))
    shown = {name: value for name, value in told.items() if value not in (None, [], {}, "")}
    steps = [call("tree", "what is below it", app_id=app.app_id)]
    return whole(AppAnswer(app=shown, next=steps))


def _send(questions: Questions, asked: SendAsked) -> Draft:
    command = NewCommand(
        action=asked.action,
        payload=msgspec.Raw(msgspec.json.encode(asked.payload)),
        cascade=asked.cascade,
        name_filter=asked.name_filter,
    )
    sent = questions.send_command(asked.app_id, command, _wait(asked.wait_s))
    rows = [
        [
            *(each.app_id, each.app_name, each.status, each.ack),
            *(each.error or _plain(each.result), each.app_status),
        ]
        for each in sent.targets
    ]
    steps = [call("app", "how it stands now", app_id=asked.app_id)]
    columns = ("app_id", "name", "command", "ack", "answer", "status")

    def write(items: int) -> Answer:
        return SendAnswer(
            correlation_id=sent.correlation_id,
            over=sent.over,
            targets=table(columns, rows[:items]),
            next=steps,
        )

    return Draft(most=len(rows), write=write, least=0)


def _cancel(questions: Questions, asked: CancelAsked) -> Draft:
    given = pick(asked, CancelParameters)
    done = questions.cancel_app(asked.app_id, given, _wait(asked.wait_s))
    rows = [
        [each.app_id, each.app_name, each.status, each.phase, each.confirmed]
        for each in done.outcomes
    ]
    steps = [call("tree", "how they stand now", app_id=asked.app_id)]
    columns = ("app_id", "name", "status", "phase", "confirmed")

    def write(items: int) -> Answer:
        return CancelAnswer(
            correlation_id=done.correlation_id,
            over=done.over,
            outcomes=table(columns, rows[:items]),
            ended_before=done.ended_before,
            next=steps,
        )

    return Draft(most=len(rows), write=write, least=0)


def _plain(result: msgspec.Raw) -> Any:
    return msgspec.json.decode(result)


def _wait(seconds: int) -> int:
    if 0 <= seconds <= WAIT_S_MAX:
        return seconds
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"wait_s is not between 0 and {WAIT_S_MAX}",
        hint="what is not over goes on; ask with the tool app how it stands",
    )


TREE: Final = Tool(
    name="tree",
    title="Tree of what runs",
    description=(
        "Processes and agents that run, each before what is below it: status, what it said last, "
        "host, why it failed."
    ),
    parameters=TreeAsked,
    answer=TreeAnswer,
    run=_tree,
    example={},
)
APP: Final = Tool(
    name="app",
    title="One app of the tree",
    description="Everything known of one app: status, last state and result in full, crash.",
    parameters=AppAsked,
    answer=AppAnswer,
    run=_app,
    example={"app_id": "{app_id}"},
)
SEND: Final = Tool(
    name="send",
    title="Command an app",
    description="Give an app a command of its own vocabulary, durably; waits for its answer.",
    parameters=SendAsked,
    answer=SendAnswer,
    run=_send,
    example={"app_id": "{app_id}", "action": "pause", "wait_s": 0},
    is_read_only=False,
)
CANCEL: Final = Tool(
    name="cancel",
    title="Cancel an app",
    description=(
        "End an app, with cascade all below it too: asked first, after the grace by force where "
        "an agent supervises it. Cannot be undone."
    ),
    parameters=CancelAsked,
    answer=CancelAnswer,
    run=_cancel,
    example={"app_id": "{app_id}", "reason": "no longer needed", "wait_s": 1},
    is_read_only=False,
    is_destructive=True,
)
