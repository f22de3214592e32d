"""Everything that the machine knows, and the step that is being made over it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.frames.codes import CLOSE_OF, CloseCode
from clew.tree.frames.inbound import CAN_HEAR_NOTICES
from clew.tree.frames.outbound import Error, Notice
from clew.tree.machine import changes
from clew.tree.machine.app import Status
from clew.tree.machine.denials import Denials
from clew.tree.machine.effects import Answered, Close, Refused, Send, Step
from clew.tree.machine.forest import Forest
from clew.tree.machine.happenings import DeniedDocument, TransitionDocument, tell
from clew.tree.machine.lifecycle import RECOVERABLE, check_move
from clew.tree.machine.links import Links
from clew.tree.machine.options import MS, TreeOptions
from clew.tree.machine.orders import Orders
from clew.tree.machine.permissions import Permissions
from clew.tree.machine.timers import Timer, Timers

if TYPE_CHECKING:
    from typing import Any

    from clew.access.authority import Decision
    from clew.access.caller import Caller, Verb
    from clew.base.errors import ErrorCode
    from clew.tree.frames.codes import FrameError
    from clew.tree.frames.outbound import Outbound
    from clew.tree.machine.app import App
    from clew.tree.machine.effects import Effect
    from clew.tree.machine.lifecycle import Reason
    from clew.tree.machine.outcomes import Outcome

SERVER_ACTOR: Final = "server"
AGENT_ACTOR: Final = "agent"

ADOPTED: Final = "adopted"
"""Why an app that stays as it is has another path."""


class Tree:
    """The whole state: apps, sockets, commands, grants and timers."""

    def __init__(self, options: TreeOptions) -> None:
        self.options = options
        self.now = 0
        self.links = Links()
        self.orders = Orders()
        self.permissions = Permissions()
        self.forest = Forest(self.is_needed, self.forget_numbers)
        self.timers = Timers(self._is_valid)
        self.denials = Denials()
        self.gaps: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        """Numbers of messages that were skipped in this epoch: a late one is none that was kept."""
        self.floors: dict[tuple[str, bool], int] = {}
        """Up to which number the registry alone knows which messages of this epoch are kept."""

    def put(self, app: App) -> None:
        """Hold an app as it stands, with the timer for its deadline."""
        before = self.forest.find(app.app_id)
        self.forest.put(app)
        if app.deadline is not None and (before is None or before.deadline != app.deadline):
            self.timers.put(app.deadline, app.app_id)

    def forget_numbers(self, app_id: str) -> None:
        """Forget what is remembered of the numbers of an app's messages."""
        self.gaps.pop((app_id, False), None)
        self.floors.pop((app_id, False), None)
        self.gaps.pop((app_id, True), None)
        self.floors.pop((app_id, True), None)

    def is_recoverable(self, app: App, now: int) -> bool:
        """Whether a crash may still turn out to have been none."""
        return (
            app.status is Status.CRASHED
            and app.reason in RECOVERABLE
            and app.exit_code is None
            and app.cancel_id is None
            and now < self.recovery_end(app)
        )

    def recovery_end(self, app: App) -> int:
        """Return until when the crash of an app may turn out to have been none."""
        return (app.ended_at or 0) + self.options.recovery_window_ms * MS

    def resume_window(self, app: App) -> int:
        """Return how long a lost connection may take to come back, in nanoseconds."""
        window = app.resume_window_ms
        return (self.options.resume_window_ms if window is None else window) * MS

    def is_needed(self, app: App) -> bool:
        """Whether an ended app must stay in memory: somebody speaks for it, or it may return."""
        return (
            app.deadline is not None
            or self.links.is_reached(app.app_id)
            or self.is_recoverable(app, self.now)
        )

    def _is_valid(self, timer: Timer) -> bool:
        if timer.is_order:
            return self.orders.deadline(timer.key) == timer.when
        app = self.forest.find(timer.key)
        return app is not None and app.deadline == timer.when


class Draft:
    """A step in the making: every rule writes what it decides here, and the state follows at once.

    `ended` are apps whose end, and `recovered` ids of apps whose return to life, has consequences
    that are still to be drawn; `final` are ids of crashed ones that will not return any more. One
    draft serves all steps, one after the other.
    """

    __slots__ = ("_changes", "_effects", "ended", "final", "now", "recovered", "tree")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.now = 0
        self.ended: deque[App] = deque()
        self.recovered: deque[str] = deque()
        self.final: deque[str] = deque()
        self._changes: list[changes.Change] = []
        self._effects: list[Effect] = []

    def begin(self, now: int) -> None:
        """Begin a step; all consequences of the one before have been drawn."""
        self.now = now
        self._changes = []
        self._effects = []

    def step(self) -> Step:
        """Return what it came to."""
        return Step(tuple(self._changes), tuple(self._effects))

    @property
    def has_consequences(self) -> bool:
        """Whether anything of the step means something for others: of nearly none it does."""
        return bool(self.ended or self.recovered or self.final)

    def keep(self, change: changes.Change) -> None:
        """Keep something that is not an app."""
        self._changes.append(change)

    def add(self, app: App) -> App:
        """Keep a new app."""
        self._changes.append(changes.AppAdded(app=app))
        self._tell_move(app, None)
        self.tree.put(app)
        return app

    def change(self, app: App, **fields: Any) -> App:
        """Keep an app with some fields changed, but not its status."""
        changed: App = msgspec.structs.replace(app, version=app.version + 1, **fields)
        self._changes.append(
            changes.AppChanged(over=app.version, app=changed, fields=tuple(fields))
        )
        self.tree.put(changed)
        return changed

    def move(self, app: App, to: Status, reason: Reason, actor: str, **fields: Any) -> App:
        """Keep an app in another status; `deadline` and `before` go unless they are given."""
        check_move(app.status, to, reason)
        given = {"deadline": None, "before": None, **fields}
        moved = self.change(app, status=to, reason=reason.value, actor=actor, **given)
        self._tell_move(moved, app.status)
        if moved.is_terminal:
            self.ended.append(moved)
        return moved

    def end(self, app: App, to: Status, reason: Reason, actor: str, **fields: Any) -> App:
        """Keep an app as ended now."""
        return self.move(app, to, reason, actor, ended_at=self.now, held=None, **fields)

    def send(self, link: int | None, frame: Outbound) -> None:
        """Send a frame, unless there is nobody to send it to."""
        if link is not None and not self.tree.links.is_closed(link):
            self._effects.append(Send(link=link, frame=frame))

    def close(self, link: int, code: CloseCode, reason: str) -> None:
        """Close a socket; nothing more is sent to it."""
        if not self.tree.links.is_closed(link):
            self._effects.append(Close(link=link, code=code, reason=reason))
            self.tree.links.close(link)

    def refuse_frame(
        self,
        link: int,
        app_id: str,
        code: FrameError,
        message: str,
        *,
        seq: int | None = None,
        hint: str | None = None,
    ) -> None:
        """Answer a frame with an error."""
        frame = Error(code=code, message=message, app_id=app_id, seq=seq, hint=hint)
        self.send(link, frame)

    def turn_away(
        self,
        link: int,
        app_id: str,
        code: FrameError,
        message: str,
        *,
        seq: int | None = None,
        hint: str | None = None,
    ) -> None:
        """Refuse an app on a socket, and close it where nobody else speaks on it."""
        self.refuse_frame(link, app_id, code, message, seq=seq, hint=hint)
        if self.tree.links.is_empty(link):
            self.close(link, CLOSE_OF.get(code, CloseCode.TERMINAL), message)

    def answer(self, ticket: int, outcome: Outcome) -> None:
        """Answer whoever waits with a ticket."""
        self._effects.append(Answered(ticket=ticket, outcome=outcome))

    def refuse(self, ticket: int, code: ErrorCode, message: str, hint: str | None = None) -> None:
        """Tell whoever waits with a ticket that it cannot be."""
        self._effects.append(Refused(ticket=ticket, code=code, message=message, hint=hint))

    def decide(self, caller: Caller, verb: Verb, path: tuple[str, ...]) -> Decision:
        """Ask whether a caller may do something."""
        tree = self.tree
        return tree.permissions.decide(tree.forest, caller, verb, path, self.now)

    def audit(
        self,
        caller: Caller,
        action: str,
        app: App | None,
        detail: str = "",
        *,
        is_allowed: bool = True,
        cascade: bool = False,
        correlation_id: str | None = None,
    ) -> None:
        """Keep who asked for what; a denial is told to watchers as well, in bounds."""
        self._changes.append(
            changes.AuditAdded(
                at=self.now,
                action=action,
                app_id=app.app_id if app is not None else None,
                caller_kind=caller.kind,
                caller=caller.name,
                is_allowed=is_allowed,
                detail=detail,
                cascade=cascade,
                correlation_id=correlation_id,
                source_ip=caller.origin.address,
                user_agent=caller.origin.user_agent,
            )
        )
        if not is_allowed and app is not None:
            document = DeniedDocument(
                action=action, caller_kind=caller.kind, caller=caller.name, detail=detail
            )
            self._changes += self.tree.denials.take(app, document, self.now)

    def tell_adopted(self, app: App) -> None:
        """Tell watchers that an app hangs elsewhere now."""
        self._tell(app, app.status, ADOPTED, SERVER_ACTOR)

    def has_listener(self, app: App) -> bool:
        """Whether the parent of an app wants to hear what becomes of it."""
        return app.parent_id is not None and self.tree.links.can(app.parent_id, CAN_HEAR_NOTICES)

    def notice(self, app: App, kind: str, **fields: Any) -> None:
        """Tell the parent of an app what became of it, if it wants to hear."""
        links = self.tree.links
        if app.parent_id is not None and self.has_listener(app):
            frame = Notice(
                app_id=app.parent_id,
                child_id=app.app_id,
                kind=kind,
                status=app.status.value,
                **fields,
            )
            self.send(links.of_app(app.parent_id), frame)

    def _tell_move(self, app: App, source: Status | None) -> None:
        self._tell(app, source, app.reason, app.actor)
        if source is not None:
            self.notice(app, "transition", reason=app.reason, at=self.now // MS)

    def _tell(self, app: App, source: Status | None, reason: str, actor: str) -> None:
        document = TransitionDocument(
            app_name=app.app_name,
            parent_id=app.parent_id,
            from_=source,
            to=app.status,
            reason=reason,
            actor=actor,
            epoch=app.epoch,
            version=app.version,
            confirmed=app.confirmed,
            exit_code=app.exit_code,
        )
        self._changes.append(tell(app, self.now, "transition", document))
