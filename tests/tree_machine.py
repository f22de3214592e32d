"""A tree machine with what stands around it: a registry in memory, sockets, callers and a clock.

`Kept` keeps changes as strictly as the real registry does; `World` shows the machine what it asks
to see, and lets sockets and callers take what it sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from clew.access.caller import LOCAL, Caller, CallerKind
from clew.tree.machine import changes as made
from clew.tree.machine import events
from clew.tree.machine.app import App, Orphans, Status, Tier
from clew.tree.machine.effects import Answered, Close, Refused, Send, Step
from clew.tree.machine.machine import TreeMachine
from clew.tree.machine.options import MS, SECOND, TreeOptions
from clew.tree.machine.record import CommandRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.tree.frames.outbound import Outbound
    from clew.tree.machine.outcomes import Outcome

START = 1_790_000_000 * SECOND
OPEN_STATUSES = frozenset({"accepted", "sent"})


def app_caller(app_id: str) -> Caller:
    """Return an app of the tree as a caller."""
    return Caller(CallerKind.APP, app_id, subjects=frozenset({app_id}))


@dataclass
class Kept:
    """What a registry holds: it refuses what was not made from what it holds."""

    apps: dict[str, App] = field(default_factory=dict)
    messages: dict[tuple[str, int, bool, int], made.MessageAdded] = field(default_factory=dict)
    crashes: list[made.CrashAdded] = field(default_factory=list)
    recovered: list[made.CrashRecovered] = field(default_factory=list)
    commands: dict[tuple[str, str], CommandRecord] = field(default_factory=dict)
    audits: list[made.AuditAdded] = field(default_factory=list)
    happened: list[made.Happened] = field(default_factory=list)
    told: set[tuple[str, int, bool, int]] = field(default_factory=set)

    def keep(self, changes: Iterable[made.Change]) -> None:
        for change in changes:
            self._keep(change)

    def _keep(self, change: made.Change) -> None:
        match change:
            case made.AppAdded(app=app):
                assert app.app_id not in self.apps
                assert app.version == 1
                self.apps[app.app_id] = app
            case made.AppChanged(over=over, app=app):
                assert self.apps[app.app_id].version == over
                assert app.version == over + 1
                self.apps[app.app_id] = app
            case made.AppRemoved(app_id=app_id, over=over):
                assert self.apps.pop(app_id).version == over
                self.messages = {k: v for k, v in self.messages.items() if k[0] != app_id}
                self.told = {key for key in self.told if key[0] != app_id}
                self.crashes = [each for each in self.crashes if each.app_id != app_id]
                self.commands = {k: v for k, v in self.commands.items() if k[1] != app_id}
            case made.MessageAdded():
                key = (change.app_id, change.epoch, change.is_agent, change.seq)
                self.messages.setdefault(key, change)
                msgspec.json.decode(change.payload)
            case made.CrashAdded():
                self.crashes.append(change)
            case made.CrashRecovered():
                assert any(
                    each.app_id == change.app_id and each.epoch == change.epoch
                    for each in self.crashes
                )
                self.recovered.append(change)
            case made.CommandAdded():
                self._add_command(change)
            case made.CommandChanged():
                self._change_command(change)
            case made.AuditAdded():
                self.audits.append(change)
            case made.Happened():
                msgspec.json.decode(change.document)
                if change.message is not None and (change.app_id, *change.message) in self.told:
                    return
                self._note_told(change)
                self.happened.append(change)
            case _:
                raise AssertionError(f"nobody keeps {change}")

    def _note_told(self, change: made.Happened) -> None:
        """Take note of a message that watchers hear of: of each they hear once."""
        if change.kind == "message":
            told = msgspec.json.decode(change.document)
            key = (change.app_id, told["epoch"], told["source"] == "agent", told["seq"])
            assert key not in self.told
            self.told.add(key)

    def _add_command(self, change: made.CommandAdded) -> None:
        key = (change.correlation_id, change.app_id)
        assert key not in self.commands
        told = msgspec.structs.asdict(change)
        told.pop("is_late")
        self.commands[key] = CommandRecord(**told, changed_at=change.at)

    def _change_command(self, change: made.CommandChanged) -> None:
        key = (change.correlation_id, change.app_id)
        told = msgspec.structs.asdict(change)
        fields = {name: told[name] for name in ("result", "error", "phase", "confirmed")}
        self.commands[key] = msgspec.structs.replace(
            self.commands[key],
            status=change.status,
            changed_at=change.at,
            **{name: value for name, value in fields.items() if value is not None},
        )

    def open_commands(self) -> list[CommandRecord]:
        """Return all targets of each command that is not over, in the order of their issue."""
        open_ids = {each.correlation_id for each in self.commands.values() if is_open(each)}
        return [each for each in self.commands.values() if each.correlation_id in open_ids]

    def machine(self, options: TreeOptions, now: int) -> TreeMachine:
        """Return a machine as a server makes it when it starts."""
        since = now - options.recovery_window_ms * MS
        apps = [
            app
            for app in self.apps.values()
            if not app.is_terminal
            or (
                app.status is Status.CRASHED
                and ((app.ended_at or 0) >= since or app.deadline is not None)
            )
        ]
        return TreeMachine(options, apps, self.open_commands())


def is_open(record: CommandRecord) -> bool:
    return record.status in OPEN_STATUSES


class World:
    """A machine at work. Sockets are numbers; `sent` is what each got, `closed` with what code."""

    def __init__(self, **options: Any) -> None:
        self.options = TreeOptions(server_pub_key="ed25519:server", **options)
        self.now = START
        self.kept = Kept()
        self.machine = self.kept.machine(self.options, self.now)
        self.sent: list[tuple[int, Outbound]] = []
        self.closed: dict[int, int] = {}
        self.dropped: set[int] = set()
        self.answers: dict[int, Outcome | Refused] = {}
        self.seqs: dict[tuple[str, int, bool], int] = {}
        self._links = count(1)
        self._tickets = count(1)
        self._names = count(1)

    # The world around it.

    def do(self, event: events.Event) -> Step:
        """Let something happen now."""
        while ids := self.machine.unknown(event):
            for app_id in ids:
                app = self.kept.apps.get(app_id)
                if app is None:
                    self.machine.learn_absent(app_id)
                else:
                    self.machine.learn(app)
        for correlation_id in self.machine.unknown_commands(event):
            self.machine.learn_command(
                correlation_id,
                [e for e in self.kept.commands.values() if e.correlation_id == correlation_id],
            )
        step = self.machine.handle(event, self.now)
        self.kept.keep(step.changes)
        for effect in step.effects:
            match effect:
                case Send(link=link, frame=frame):
                    assert link not in self.closed
                    assert link not in self.dropped
                    msgspec.json.encode(frame)
                    self.sent.append((link, frame))
                case Close(link=link, code=code):
                    assert link not in self.closed
                    assert link not in self.dropped
                    self.closed[link] = code
                case Answered(ticket=ticket, outcome=outcome):
                    assert ticket not in self.answers
                    self.answers[ticket] = outcome
                case Refused(ticket=ticket):
                    assert ticket not in self.answers
                    self.answers[ticket] = effect
                case _:
                    raise AssertionError(f"nobody carries out {effect}")
        return step

    def wait_s(self, seconds: float) -> None:
        """Let time pass; the server ticks whenever it has something to do."""
        self.wait_until(self.now + int(seconds * SECOND))

    def wait_until(self, end: int) -> None:
        while (due := self.machine.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.do(events.Tick())
        self.now = end

    def restart(self) -> None:
        """Kill the server and start another: all sockets and whoever waited are gone."""
        self.dropped |= {link for link, _ in self.sent}
        self.machine = self.kept.machine(self.options, self.now)
        self.do(events.Started())

    def link(self) -> int:
        return next(self._links)

    def ticket(self) -> int:
        return next(self._tickets)

    def name(self, word: str) -> str:
        return f"{word}-{next(self._names)}"

    # What apps do.

    def register(self, app_id: str, parent_id: str | None = None, **given: Any) -> int:
        """Let an app register on a socket of its own, or on `link`; return the socket."""
        link: int = given.pop("link", 0) or self.link()
        self.do(
            events.Register(
                link=link,
                app_id=app_id,
                parent_id=parent_id,
                app_name=given.pop("app_name", app_id),
                pub_key=given.pop("pub_key", f"key of {app_id}"),
                is_proved=given.pop("is_proved", False),
                **given,
            )
        )
        return link

    def resume(self, app_id: str, **given: Any) -> int:
        link: int = given.pop("link", 0) or self.link()
        self.do(
            events.Resume(
                link=link,
                app_id=app_id,
                last_seq=0,
                pub_key=given.pop("pub_key", f"key of {app_id}"),
                is_proved=given.pop("is_proved", False),
                **given,
            )
        )
        return link

    def say(self, link: int, app_id: str, msg_type: str = "Status", **given: Any) -> int:
        """Send the next message of an app, or one with the number `seq`; return its number."""
        is_agent: bool = given.get("is_agent", False)
        key = (app_id, self.epoch(app_id), is_agent)
        seq: int = given.pop("seq", 0) or self.seqs.get(key, 0) + 1
        self.seqs[key] = max(seq, self.seqs.get(key, 0))
        self.do(
            events.Received(
                link=link,
                app_id=app_id,
                msg_type=msg_type,
                seq=seq,
                payload=given.pop("payload", b"{}"),
                **given,
            )
        )
        return seq

    def ack(self, link: int, app_id: str, correlation_id: str, **given: Any) -> None:
        self.do(
            events.Acked(
                link=link,
                app_id=app_id,
                correlation_id=correlation_id,
                action=given.pop("action", "cancel"),
                ack=given.pop("ack", True),
                **given,
            )
        )

    def leave(self, link: int, app_id: str, reason: str = "completed") -> None:
        self.do(events.Left(link=link, app_id=app_id, reason=reason))

    def drop(self, link: int, cause: str = "connection_drop") -> None:
        self.do(events.Dropped(link=link, cause=cause))
        self.dropped.add(link)

    def attach(self, app_id: str, token: str | None = None, **given: Any) -> int:
        link: int = given.pop("link", 0) or self.link()
        self.do(events.Attach(link=link, app_id=app_id, token=token, process=None))
        return link

    def exit(
        self, link: int, app_id: str, exit_code: int | None = None, signal: int | None = None
    ) -> None:
        self.do(events.Exited(link=link, app_id=app_id, exit_code=exit_code, signal=signal))

    # What callers do.

    def schedule(self, app_id: str, parent_id: str | None = None, **given: Any) -> Any:
        """Announce a child whose token is ``token of`` its id; return the answer."""
        ticket = self.ticket()
        self.do(
            events.Schedule(
                ticket=ticket,
                caller=given.pop("caller", LOCAL),
                app_id=app_id,
                parent_id=parent_id,
                app_name=given.pop("app_name", app_id),
                tier=given.pop("tier", Tier.OPEN),
                token=given.pop("token", f"token of {app_id}"),
                **given,
            )
        )
        return self.answers[ticket]

    def spawn(self, app_id: str, parent_id: str, **orphans: Any) -> int:
        """Announce a child with orphan policies and let it join; return its socket."""
        self.schedule(app_id, parent_id, orphans=msgspec.convert(orphans, Orphans))
        return self.register(app_id, parent_id)

    def unschedule(self, app_id: str, caller: Caller = LOCAL) -> Any:
        ticket = self.ticket()
        self.do(events.Unschedule(ticket=ticket, caller=caller, app_id=app_id))
        return self.answers[ticket]

    def command(self, app_id: str, action: str = "pause", **given: Any) -> Any:
        ticket = self.ticket()
        self.do(
            events.Command(
                ticket=ticket,
                caller=given.pop("caller", LOCAL),
                correlation_id=given.pop("correlation_id", None) or self.name("command"),
                app_id=app_id,
                action=action,
                payload=given.pop("payload", b"{}"),
                ttl_ms=given.pop("ttl_ms", 300_000),
                **given,
            )
        )
        return self.answers[ticket]

    def cancel(self, app_id: str, *, cascade: bool = True, **given: Any) -> Any:
        ticket = self.ticket()
        self.do(
            events.Cancel(
                ticket=ticket,
                caller=given.pop("caller", LOCAL),
                correlation_id=given.pop("correlation_id", None) or self.name("cancel"),
                app_id=app_id,
                reason="enough",
                cascade=cascade,
                grace_ms=given.pop("grace_ms", 30_000),
                **given,
            )
        )
        return self.answers[ticket]

    def await_end(self, correlation_id: str, caller: Caller = LOCAL) -> int:
        ticket = self.ticket()
        self.do(events.Await(ticket=ticket, caller=caller, correlation_id=correlation_id))
        return ticket

    # What is to be seen.

    def app(self, app_id: str) -> App:
        return self.kept.apps[app_id]

    def status(self, app_id: str) -> Status:
        return self.app(app_id).status

    def epoch(self, app_id: str) -> int:
        app = self.kept.apps.get(app_id)
        return app.epoch if app is not None else 0

    def frames(self, link: int, kind: type[Any] | None = None) -> list[Any]:
        return [
            frame
            for to, frame in self.sent
            if to == link and (kind is None or isinstance(frame, kind))
        ]

    def target(self, correlation_id: str, app_id: str) -> CommandRecord:
        return self.kept.commands[correlation_id, app_id]

    def ms(self, milliseconds: int) -> int:
        return milliseconds * MS
