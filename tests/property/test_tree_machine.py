"""The machine of the tree against whatever happens in whatever order.

Hypothesis plays apps, agents, callers, the network, the clock and the kill of the server. A model
that knows nothing of the machine's code keeps what anybody outside could know: what was said on
which socket, who asked for what, and the promises. After every event all promises are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clew.access.caller import LOCAL
from clew.tree.frames.outbound import Ack, Control, Registered
from clew.tree.machine import events
from clew.tree.machine.app import LIVE, TERMINAL, OrphanPolicy, Orphans, Status
from clew.tree.machine.effects import Refused
from clew.tree.machine.options import SECOND
from clew.tree.machine.outcomes import Retired
from tests.tree_machine import World, app_caller, is_open

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.access.caller import Caller
    from clew.tree.machine.machine import TreeMachine

APPS = ("a", "b", "c", "d", "e", "f", "g")

UP = frozenset({Status.CONNECTED, Status.RUNNING})
AWAY = frozenset({Status.RECONNECTING, Status.LOST_CONTACT, Status.CRASHED})

ORPHANS = st.builds(
    Orphans,
    done=st.sampled_from(OrphanPolicy),
    error=st.sampled_from([OrphanPolicy.ADOPT, OrphanPolicy.REQUEST_CANCEL]),
    crashed=st.sampled_from([OrphanPolicy.ADOPT, OrphanPolicy.TERMINATE]),
    detached=st.sampled_from([False, False, True]),
)

# Where an app may go from each status, as the specification tells it.
MOVES = {
    "scheduled": {"connected", "start_failed", "cancelled"},
    "connected": {"running", "reconnecting", "done", "error", "crashed", "cancelled"},
    "running": {"connected", "reconnecting", "done", "error", "crashed", "cancelled"},
    "reconnecting": {
        *("connected", "running", "lost_contact"),
        *("done", "error", "crashed", "cancelled"),
    },
    "lost_contact": {"connected", "running", "done", "error", "crashed", "cancelled"},
    "crashed": {"connected", "running"},
    "done": set(),
    "error": set(),
    "cancelled": set(),
    "start_failed": set(),
}

# What a cancel may take at the most beyond its grace: TERM and KILL.
ESCALATION = 15 * SECOND


@dataclass
class CancelModel:
    """What a caller knows of a cancel it asked for."""

    covered: frozenset[str]
    until: int


@dataclass
class Model:
    """What the world outside knows."""

    said: dict[tuple[str, int, bool, int], tuple[str, bytes]] = field(default_factory=dict)
    acked: set[tuple[str, int, bool, int]] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    cancels: dict[str, CancelModel] = field(default_factory=dict)
    has_restarted: bool = False


def digest(machine: TreeMachine) -> dict[str, Any]:
    """Return what a machine knows that must outlive the server."""
    tree = machine._tree
    orders = {
        order.correlation_id: (
            order.kind,
            order.root_id,
            order.phase,
            order.deadline,
            order.open_count,
            {
                app_id: (item.status, item.phase, item.confirmed, item.error, item.result)
                for app_id, item in order.items.items()
            },
        )
        for order in tree.orders.open_orders()
    }
    live = {app.app_id: app for app in tree.forest.live()}
    return {
        "live": live,
        "count": tree.forest.live_count,
        "orders": orders,
        "order": list(orders),
        "below": {
            app_id: {each.app_id for each in tree.forest.subtree(app)}
            for app_id, app in live.items()
        },
        "next": tree.timers.next(),
    }


class TreeStory(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(hold_s=40, restart_window_ms=20_000, children_max=5, depth_max=4)
        self.model = Model()
        self.links: list[int] = []
        self._seen = 0
        self._statuses: dict[str, Status] = {}
        self._ended_parents: dict[str, bool] = {}

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Begin with a tree of some shape, so that there is something to go wrong."""
        world = self.world
        world.do(events.Started())
        for number, app_id in enumerate(APPS[:5]):
            parent_id = data.draw(st.sampled_from([None, *APPS[:number]]), label="parent")
            how = data.draw(st.sampled_from(["unannounced", "announced", "watched"]), label="how")
            if how != "unannounced":
                orphans = data.draw(ORPHANS, label="orphans")
                world.schedule(app_id, parent_id, orphans=orphans)
            if how == "watched":
                link = self._pick_link(data)
                world.attach(app_id, f"token of {app_id}", link=link)
            if how == "unannounced" or data.draw(st.booleans(), label="joins"):
                self._join(data, app_id, parent_id)

    def _join(self, data: st.DataObject, app_id: str, parent_id: str | None) -> None:
        link = self._pick_link(data)
        self.world.register(app_id, parent_id, link=link, pub_key=f"right key of {app_id}")

    def _pick_app(self, data: st.DataObject, statuses: Collection[Status]) -> str:
        """Return an app for which it makes sense, mostly, and any other sometimes."""
        fitting = [each.app_id for each in self.world.kept.apps.values() if each.status in statuses]
        is_any = not fitting or data.draw(st.integers(0, 7), label="any") == 7
        app_id: str = data.draw(st.sampled_from(APPS if is_any else fitting), label="app")
        return app_id

    # Who is where.

    def _open_links(self) -> list[int]:
        gone = self.world.closed.keys() | self.world.dropped
        return [link for link in self.links if link not in gone]

    def _pick_link(self, data: st.DataObject, *, may_be_new: bool = True) -> int:
        links = self._open_links()
        if may_be_new:
            links = [0, *links]
        link = data.draw(st.sampled_from(links), label="link")
        if link == 0:
            link = self.world.link()
            self.links.append(link)
        return link

    def _link_of(self, app_id: str) -> int | None:
        """Return the newest socket on which an app was welcomed, if it is open."""
        for link, frame in reversed(self.world.sent):
            if isinstance(frame, Registered) and frame.app_id == app_id:
                return link if link in self._open_links() else None
        return None

    # The rules.

    @rule(
        data=st.data(),
        app_id=st.sampled_from(APPS),
        key=st.sampled_from(["right"] * 4 + ["wrong"]),
    )
    def register(self, data: st.DataObject, app_id: str, key: str) -> None:
        known = self.world.kept.apps.get(app_id)
        if known is not None and data.draw(st.integers(0, 3), label="as it is kept"):
            parent_id = known.adopted_from or known.parent_id
        else:
            parent_id = self._pick_parent(data)
        link = self._pick_link(data)
        self.world.register(app_id, parent_id, link=link, pub_key=f"{key} key of {app_id}")

    def _pick_parent(self, data: st.DataObject) -> str | None:
        parent_id: str | None = data.draw(
            st.sampled_from([None, *self.world.kept.apps, *APPS[-2:]]), label="parent"
        )
        return parent_id

    @rule(
        data=st.data(),
        key=st.sampled_from(["right"] * 5 + ["wrong"]),
        age=st.sampled_from([0, 0, 0, 1]),
    )
    def resume(self, data: st.DataObject, key: str, age: int) -> None:
        app_id = self._pick_app(data, AWAY)
        epoch = max(0, self.world.epoch(app_id) - age)
        link = self._pick_link(data)
        self.world.resume(app_id, link=link, pub_key=f"{key} key of {app_id}", epoch=epoch)

    @rule(
        data=st.data(), app_id=st.sampled_from(APPS), is_right=st.sampled_from([True, True, False])
    )
    def attach(self, data: st.DataObject, app_id: str, *, is_right: bool) -> None:
        link = self._pick_link(data)
        self.world.attach(app_id, f"token of {app_id}" if is_right else "x", link=link)

    @rule(
        data=st.data(),
        app_id=st.sampled_from(APPS),
        caller=st.sampled_from([None, None, *APPS]),
        orphans=ORPHANS,
        start_deadline_s=st.sampled_from([5, 300]),
        resume_window_ms=st.sampled_from([None, 0, 20_000]),
    )
    def schedule(
        self,
        data: st.DataObject,
        app_id: str,
        caller: str | None,
        orphans: Orphans,
        start_deadline_s: int,
        resume_window_ms: int | None,
    ) -> None:
        self.world.schedule(
            app_id,
            self._pick_parent(data),
            caller=self._caller(caller),
            orphans=orphans,
            start_deadline_s=start_deadline_s,
            resume_window_ms=resume_window_ms,
        )

    @rule(data=st.data())
    def unschedule(self, data: st.DataObject) -> None:
        self.world.unschedule(self._pick_app(data, {Status.SCHEDULED}))

    @rule(
        data=st.data(),
        msg_type=st.sampled_from(["Status"] * 4 + ["Result", "Error"]),
        skip=st.sampled_from([0, 0, 0, 2]),
    )
    def say(self, data: st.DataObject, msg_type: str, skip: int) -> None:
        app_id = self._pick_app(data, UP)
        links = self.world.machine._tree.links
        is_agent = links.of_app(app_id) is None
        link = links.of_agent(app_id) if is_agent else links.of_app(app_id)
        if link is None:
            if not self._open_links():
                return
            link, is_agent = self._pick_link(data, may_be_new=False), False
        epoch = self.world.epoch(app_id)
        highest = self.world.seqs.get((app_id, epoch, is_agent), 0)
        self._say(link, app_id, is_agent, highest + 1 + skip, msg_type)

    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        app_id = self._pick_app(data, UP)
        link = self.world.machine._tree.links.of_app(app_id)
        epoch = self.world.epoch(app_id)
        seqs = [key[3] for key in self.model.said if key[:3] == (app_id, epoch, False)]
        if link is None or not seqs:
            return
        # A number that was left out may come late; of one that was said, it is what was said.
        seq = data.draw(st.integers(1, max(seqs)), label="seq")
        self._say(link, app_id, False, seq, "Status")

    def _say(self, link: int, app_id: str, is_agent: bool, seq: int, msg_type: str) -> None:
        epoch = self.world.epoch(app_id)
        key = (app_id, epoch, is_agent, seq)
        payload = msgspec.json.encode([app_id, epoch, seq])
        msg_type, payload = self.model.said.setdefault(key, (msg_type, payload))
        before = self.world.kept.apps.get(app_id)
        was_kept = key in self.world.kept.messages
        was_cancelled = before is not None and self._open_cancels(app_id)
        count = len(self.world.sent)
        self.world.say(link, app_id, msg_type, seq=seq, payload=payload, is_agent=is_agent)
        acks = [frame for _, frame in self.world.sent[count:] if isinstance(frame, Ack)]
        if not acks:
            assert was_kept or key not in self.world.kept.messages
            return
        [ack] = acks
        assert (ack.app_id, ack.seq) == (app_id, seq)
        self.model.acked.add(key)
        assert before is not None
        self._check_said(app_id, before, msg_type, was_kept=was_kept, was_cancelled=was_cancelled)

    def _check_said(
        self, app_id: str, before: Any, msg_type: str, *, was_kept: bool, was_cancelled: bool
    ) -> None:
        """Check that a message did to its app what the specification says."""
        after = self.world.app(app_id)
        if was_kept or before.status in TERMINAL or before.held is not None:
            assert after.status is before.status
        elif msg_type == "Status":
            up = {Status.CONNECTED: Status.RUNNING}
            assert after.status is up.get(before.status, before.status)
        elif was_cancelled:
            assert (after.status, after.confirmed) == (Status.CANCELLED, True)
        elif msg_type == "Error":
            assert after.status is Status.ERROR
        else:
            assert after.status is Status.DONE or after.held is Status.DONE

    @rule(data=st.data(), reason=st.sampled_from(["done", "error"]))
    def leave(self, data: st.DataObject, reason: str) -> None:
        app_id = self._pick_app(data, UP)
        link = self._link_of(app_id)
        if link is None:
            return
        self.world.leave(link, app_id, reason)

    @rule(
        data=st.data(),
        cause=st.sampled_from(["connection_drop", "heartbeat_timeout", "slow_consumer"]),
    )
    def drop(self, data: st.DataObject, cause: str) -> None:
        links = [link for link in self.links if link not in self.world.dropped]
        if links:
            self.world.drop(data.draw(st.sampled_from(links), label="link"), cause)

    @rule(data=st.data(), end=st.sampled_from([(0, None), (1, None), (None, 9)]))
    def exit(self, data: st.DataObject, end: tuple[int | None, int | None]) -> None:
        links = self.world.machine._tree.links
        watched = [app_id for app_id in APPS if links.of_agent(app_id) is not None]
        if not watched:
            return
        app_id = data.draw(st.sampled_from(watched), label="app")
        link = links.of_agent(app_id)
        assert link is not None
        before = self.world.app(app_id)
        was_cancelled = self._open_cancels(app_id)
        self.world.exit(link, app_id, *end)
        after = self.world.app(app_id)
        if before.status not in TERMINAL and was_cancelled:
            assert (after.status, after.confirmed) == (Status.CANCELLED, True)
        if before.status is Status.CANCELLED:
            assert after.confirmed

    @rule(
        data=st.data(),
        caller=st.sampled_from([None, None, *APPS]),
        cascade=st.booleans(),
        ttl_ms=st.sampled_from([1_000, 60_000]),
    )
    def command(
        self, data: st.DataObject, caller: str | None, *, cascade: bool, ttl_ms: int
    ) -> None:
        app_id = self._pick_app(data, LIVE)
        who = self._caller(caller)
        answer = self.world.command(app_id, caller=who, cascade=cascade, ttl_ms=ttl_ms)
        if caller is not None:
            self._check_authority(caller, app_id, answer)

    @rule(
        data=st.data(),
        caller=st.sampled_from([None] * len(APPS) + [*APPS]),
        cascade=st.sampled_from([True, True, False]),
        grace_ms=st.sampled_from([0, 3_000, 30_000]),
        kill_after_ms=st.sampled_from([0, 10_000]),
        include_detached=st.booleans(),
    )
    def cancel(
        self,
        data: st.DataObject,
        caller: str | None,
        *,
        cascade: bool,
        grace_ms: int,
        kill_after_ms: int,
        include_detached: bool,
    ) -> None:
        app_id = self._pick_app(data, LIVE)
        covered = self._covered(app_id, cascade=cascade, include_detached=include_detached)
        ended = {
            each
            for each in covered
            if self.world.status(each) in TERMINAL or self.world.app(each).held
        }
        answer = self.world.cancel(
            app_id,
            caller=self._caller(caller),
            cascade=cascade,
            grace_ms=grace_ms,
            kill_after_ms=kill_after_ms,
            include_detached=include_detached,
        )
        if caller is not None:
            self._check_authority(caller, app_id, answer)
        if isinstance(answer, Refused):
            return
        assert {each.app_id for each in answer.targets} == covered
        for target in answer.targets:
            assert (target.phase == "already_terminal") is (target.app_id in ended)
        until = self.world.now + grace_ms * 1_000_000 + ESCALATION
        self.model.cancels[answer.correlation_id] = CancelModel(frozenset(covered), until)

    def _covered(self, app_id: str, *, cascade: bool, include_detached: bool) -> set[str]:
        """Return whom a cancel is for: walk every kept app up to the one that is named."""
        apps = self.world.kept.apps
        if app_id not in apps:
            return set()
        covered = {app_id}
        for each in apps.values():
            if not cascade or each.status in TERMINAL or app_id not in each.path:
                continue
            below = each.path[each.path.index(app_id) + 1 :]
            is_free = any(
                apps[step].orphans.detached and apps[step].status not in TERMINAL for step in below
            )
            if include_detached or not is_free:
                covered.add(each.app_id)
        return covered

    def _check_authority(self, caller: str, app_id: str, answer: Any) -> None:
        """Check that an app may act below itself and nowhere else."""
        app = self.world.kept.apps.get(app_id)
        may = app is not None and caller in app.path[:-1]
        if not may:
            assert isinstance(answer, Refused)
        elif isinstance(answer, Refused):
            assert answer.code == "conflict"

    @rule(data=st.data(), is_yes=st.sampled_from([True, True, False]))
    def answer(self, data: st.DataObject, *, is_yes: bool) -> None:
        """Let an app answer something that was sent to it, perhaps long ago, where it is now."""
        orders = [
            (link, frame)
            for link, frame in self.world.sent
            if isinstance(frame, Control) and link in self._open_links()
        ]
        if not orders:
            return
        link, frame = data.draw(st.sampled_from(orders), label="order")
        assert frame.app_id is not None
        self.world.ack(link, frame.app_id, frame.correlation_id, ack=is_yes, action=frame.action)

    @rule(data=st.data())
    def wait_for(self, data: st.DataObject) -> None:
        ids = sorted({each[0] for each in self.world.kept.commands})
        if ids:
            ticket = self.world.await_end(data.draw(st.sampled_from(ids), label="command"))
            self.model.waiting.add(ticket)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.model.waiting:
            ticket = data.draw(st.sampled_from(sorted(self.model.waiting)), label="ticket")
            if ticket not in self.world.answers:
                self.model.waiting.discard(ticket)
                self.model.forgotten.add(ticket)
            self.world.do(events.Forget(ticket=ticket))

    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        """Let apps be forgotten that ended, as the upkeep finds them: with nothing kept below."""
        apps = self.world.kept.apps
        above = {app.parent_id for app in apps.values()}
        old = sorted(e.app_id for e in apps.values() if e.is_terminal and e.app_id not in above)
        if not old or data.draw(st.integers(0, 3), label="seldom"):
            return
        chosen = data.draw(st.lists(st.sampled_from(old), unique=True), label="old")
        links = self.world.machine._tree.links
        reached = {app_id for app_id in chosen if links.is_reached(app_id)}
        ticket = self.world.ticket()
        found = tuple((app_id, apps[app_id].version) for app_id in chosen)
        self.world.do(events.Retire(ticket=ticket, apps=found))
        answer = self.world.answers[ticket]
        assert isinstance(answer, Retired)
        assert not reached & set(answer.app_ids)
        for app_id in answer.app_ids:
            assert app_id not in self.world.kept.apps
            self._statuses.pop(app_id)
            self.model.said = {k: v for k, v in self.model.said.items() if k[0] != app_id}
            self.model.acked = {key for key in self.model.acked if key[0] != app_id}
            self.world.seqs = {k: v for k, v in self.world.seqs.items() if k[0] != app_id}
            for cancel in self.model.cancels.values():
                cancel.covered -= {app_id}

    @rule(seconds=st.sampled_from([0.5, 0.5, 2.5, 11, 35, 120]))
    def wait(self, seconds: float) -> None:
        self.world.wait_s(seconds)

    @rule()
    def tick(self) -> None:
        self.world.do(events.Tick())

    @rule()
    def restart(self) -> None:
        self.world.restart()
        self.world.dropped |= set(self.links)
        self.model.forgotten |= self.model.waiting
        self.model.waiting.clear()
        self.model.has_restarted = True
        # While there was no server nobody could be told: each phase of a cancel begins anew.
        for cancel in self.model.cancels.values():
            cancel.until = max(cancel.until, self.world.now + 20 * SECOND + ESCALATION)

    def _caller(self, app_id: str | None) -> Caller:
        return LOCAL if app_id is None else app_caller(app_id)

    def _open_cancels(self, app_id: str) -> bool:
        return any(
            record.app_id == app_id and record.kind == "cancel" and is_open(record)
            for record in self.world.kept.commands.values()
        )

    # The promises.

    @invariant()
    def moves_are_legal(self) -> None:
        happened = self.world.kept.happened
        recovered = {(each.app_id, each.at) for each in self.world.kept.recovered}
        for each in happened[self._seen :]:
            if each.kind != "transition":
                continue
            told = msgspec.json.decode(each.document)
            source, to = told["from"], told["to"]
            before = self._statuses.get(each.app_id)
            assert source == before
            assert before is None or told["reason"] == "adopted" or to in MOVES[source]
            if source == "crashed":
                assert (each.app_id, each.at) in recovered
            self._statuses[each.app_id] = to
        self._seen = len(happened)
        for app_id, app in self.world.kept.apps.items():
            assert app.status == self._statuses[app_id]

    @invariant()
    def what_is_acknowledged_is_kept_once_as_it_was_said(self) -> None:
        kept = self.world.kept.messages
        for key in self.model.acked:
            msg_type, payload = self.model.said[key]
            assert (kept[key].msg_type, kept[key].payload) == (msg_type, payload)
        assert kept.keys() <= self.model.said.keys()

    @invariant()
    def paths_lead_from_the_root_to_the_app(self) -> None:
        apps = self.world.kept.apps
        for app in apps.values():
            assert app.path[-1] == app.app_id
            assert len(set(app.path)) == len(app.path)
            assert app.parent_id == (app.path[-2] if len(app.path) > 1 else None)
            # One that has ended may tell of an ancestor that is removed since it was adopted.
            live = [each for each in app.path[:-1] if each in apps and not apps[each].is_terminal]
            if not app.is_terminal and live:
                above = apps[live[-1]].path
                assert app.path[: len(above)] == above

    @invariant()
    def nothing_lives_on_below_what_was_cancelled(self) -> None:
        apps = self.world.kept.apps
        for app in apps.values():
            parent = apps.get(app.parent_id or "")
            if parent is None or app.is_terminal or parent.status is not Status.CANCELLED:
                continue
            assert self._open_cancels(app.app_id)
        for cancel in self.model.cancels.values():
            if self.world.now > cancel.until:
                assert all(apps[each].is_terminal for each in cancel.covered)

    @invariant()
    def whatever_waits_has_a_deadline(self) -> None:
        for app in self.world.kept.apps.values():
            waits = app.status in {Status.SCHEDULED, Status.RECONNECTING}
            if (waits or app.held is not None) and not app.is_terminal:
                assert app.deadline is not None or self._open_cancels(app.app_id), app

    @invariant()
    def a_cancel_is_over_with_its_targets(self) -> None:
        apps = self.world.kept.apps
        for record in self.world.kept.commands.values():
            if is_open(record) and record.kind == "cancel":
                assert not apps[record.app_id].is_terminal
            if record.kind == "cancel" and record.status == "done" and record.confirmed:
                app = apps[record.app_id]
                assert app.is_terminal or record.phase == "already_terminal"

    @invariant()
    def whoever_waits_is_answered_when_it_is_over(self) -> None:
        world = self.world
        open_ids = {each.correlation_id for each in world.kept.open_commands()}
        waiting = {
            ticket for order in world.machine._tree.orders.open_orders() for ticket in order.waiting
        }
        assert waiting <= self.model.waiting
        for ticket in self.model.waiting:
            assert (ticket in world.answers) is (ticket not in waiting)
        assert not self.model.forgotten & waiting
        assert {e.correlation_id for e in world.machine._tree.orders.open_orders()} == open_ids

    @invariant()
    def a_server_that_starts_over_what_is_kept_knows_the_same(self) -> None:
        world = self.world
        fresh = digest(world.kept.machine(world.options, world.now))
        current = digest(world.machine)
        if self.model.has_restarted:
            for each in (fresh, current):
                del each["next"]
                each["orders"] = {
                    key: (*told[:3], *told[4:]) for key, told in each["orders"].items()
                }
        assert fresh == current

    def teardown(self) -> None:
        """Let time pass until nothing waits for it: everything must be over then."""
        world = self.world
        for _ in range(10_000):
            due = world.machine.next_deadline()
            if due is None:
                break
            assert due >= world.now or world.now - due < 10_000 * SECOND
            world.now = max(world.now, due)
            world.do(events.Tick())
        assert world.machine.next_deadline() is None
        assert not world.kept.open_commands()
        assert not self.model.waiting - world.answers.keys()
        for app in world.kept.apps.values():
            assert app.status not in {Status.SCHEDULED, Status.RECONNECTING}, app
            assert app.held is None or app.is_terminal


TestTreeStory = TreeStory.TestCase
TestTreeStory.settings = settings(stateful_step_count=60, deadline=None, print_blob=True)
