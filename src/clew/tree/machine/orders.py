"""Commands and cancels in memory: what each of them came to, for each of its targets."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.frames.outbound import CancelPayload
from clew.tree.machine.options import ENDED_MAX, FINISHED_MAX, KILL_AFTER_MS, KILL_GRACE, MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.tree.machine.record import CommandRecord

SERVER_PREFIX: Final = "server-"
"""How the ids of the server's own orders begin, and nobody else's: they can be foreseen, and
whoever took one before would be in the way of the server's order when it comes."""


class Kind(StrEnum):
    """Whether it is a command for the app to understand, or the end."""

    COMMAND = "command"
    CANCEL = "cancel"


class OrderStatus(StrEnum):
    """How far a command got with one target."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({OrderStatus.ACCEPTED, OrderStatus.SENT})


class Phase(StrEnum):
    """How far a cancel had to go."""

    SCHEDULED = "scheduled"
    """The app had not started; now it never will."""
    COOPERATIVE = "cooperative"
    TERM = "term"
    KILL = "kill"
    ALREADY_TERMINAL = "already_terminal"
    """The app had ended by itself before."""


@dataclass(slots=True)
class Item:
    """What a command came to for one target."""

    status: OrderStatus
    phase: Phase | None = None
    confirmed: bool = False
    result: bytes | None = None
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything may still come of it."""
        return self.status in OPEN


@dataclass(slots=True)
class Order:
    """A command or a cancel, with all of its targets.

    `deadline` is when the server acts by itself: the end of its life, or of the phase of a cancel.
    `requested_by` is the id of an app or the name of a caller. `waiting` are the tickets of those
    who want to hear when it is over.
    """

    correlation_id: str
    root_id: str
    kind: Kind
    action: str
    payload: bytes
    requested_by: str
    auth_domain: str
    at: int
    expires_at: int
    cascade: bool
    deadline: int
    grace_ms: int | None = None
    kill_after_ms: int = KILL_AFTER_MS
    phase: Phase | None = None
    items: dict[str, Item] = field(default_factory=dict)
    open_count: int = 0
    waiting: list[int] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it for any target."""
        return self.open_count == 0

    def length_of(self, phase: Phase) -> int:
        """Return how long a phase of a cancel lasts, in nanoseconds."""
        match phase:
            case Phase.KILL:
                return KILL_GRACE
            case Phase.TERM:
                return self.kill_after_ms * MS
            case _:
                return (self.grace_ms or 0) * MS

    def says(self, other: Order) -> bool:
        """Whether the other asks for the very same, as far as that is kept."""
        return (
            self.root_id == other.root_id
            and self.kind is other.kind
            and self.action == other.action
            and self.payload == other.payload
            and self.requested_by == other.requested_by
            and self.auth_domain == other.auth_domain
            and self.cascade == other.cascade
            and self.grace_ms == other.grace_ms
        )


class Orders:
    """Open orders, and lately finished ones as far as they fit."""

    def __init__(self) -> None:
        self._open: dict[str, Order] = {}
        self._of_app: dict[str, dict[str, Order]] = {}
        self._finished: OrderedDict[str, Order] = OrderedDict()
        self._finished_items = 0
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._tickets: dict[int, Order] = {}

    def find(self, correlation_id: str) -> Order | None:
        """Return an order that is open or still known."""
        return self._open.get(correlation_id) or self._finished.get(correlation_id)

    def is_known(self, correlation_id: str) -> bool:
        """Whether it is held, or known not to exist."""
        return self.find(correlation_id) is not None or correlation_id in self._absent

    def learn_absent(self, correlation_id: str) -> None:
        """Take it that there is no such order."""
        self._absent[correlation_id] = None
        self._absent.move_to_end(correlation_id)
        if len(self._absent) > ENDED_MAX:
            self._absent.popitem(last=False)

    def deadline(self, correlation_id: str) -> int | None:
        """Return when an open order has something to do."""
        order = self._open.get(correlation_id)
        return order.deadline if order is not None else None

    def open_orders(self) -> tuple[Order, ...]:
        """Return all that are open, in the order in which they were issued."""
        return tuple(self._open.values())

    def open_of(self, app_id: str) -> tuple[Order, ...]:
        """Return the open orders for an app, in the order in which they were issued."""
        orders = self._of_app.get(app_id)
        return tuple(orders.values()) if orders else ()

    def cancels_of(self, app_id: str) -> tuple[Order, ...]:
        """Return the open cancels of an app, in the order in which they were issued."""
        orders = self._of_app.get(app_id)
        if not orders:
            return ()
        return tuple(order for order in orders.values() if order.kind is Kind.CANCEL)

    def is_cancelled(self, app_id: str) -> bool:
        """Whether an app is being cancelled."""
        orders = self._of_app.get(app_id)
        return orders is not None and any(each.kind is Kind.CANCEL for each in orders.values())

    def add(self, order: Order) -> None:
        """Take a new order with all of its targets."""
        self._absent.pop(order.correlation_id, None)
        order.open_count = sum(item.is_open for item in order.items.values())
        if order.is_over:
            self._finish(order)
            return
        self._open[order.correlation_id] = order
        for app_id, item in order.items.items():
            if item.is_open:
                self._of_app.setdefault(app_id, {})[order.correlation_id] = order

    def load(self, records: Iterable[CommandRecord]) -> list[Order]:
        """Take orders as they are kept; return those that are open."""
        grouped: dict[str, list[CommandRecord]] = {}
        for record in records:
            grouped.setdefault(record.correlation_id, []).append(record)
        loaded = [_from_records(group) for group in grouped.values()]
        for order in loaded:
            self.add(order)
        return [order for order in loaded if not order.is_over]

    def close_item(self, order: Order, app_id: str) -> bool:
        """Take note that nothing more comes of it for a target; tell whether all of it is over."""
        order.open_count -= 1
        orders = self._of_app[app_id]
        del orders[order.correlation_id]
        if not orders:
            del self._of_app[app_id]
        if not order.is_over:
            return False
        del self._open[order.correlation_id]
        self._finish(order)
        return True

    def wait(self, order: Order, ticket: int) -> None:
        """Let somebody wait for the end of an order."""
        order.waiting.append(ticket)
        self._tickets[ticket] = order

    def forget(self, ticket: int) -> None:
        """Let a ticket wait no more."""
        order = self._tickets.pop(ticket, None)
        if order is not None:
            order.waiting.remove(ticket)

    def take_waiting(self, order: Order) -> tuple[int, ...]:
        """Return who waits for an order, and let them wait no more."""
        tickets = tuple(order.waiting)
        order.waiting.clear()
        for ticket in tickets:
            del self._tickets[ticket]
        return tickets

    def _finish(self, order: Order) -> None:
        self._finished[order.correlation_id] = order
        self._finished_items += len(order.items)
        while self._finished_items > FINISHED_MAX and len(self._finished) > 1:
            _, oldest = self._finished.popitem(last=False)
            self._finished_items -= len(oldest.items)


def _from_records(records: list[CommandRecord]) -> Order:
    """Return an order from the kept rows of its targets."""
    first = records[0]
    order = Order(
        correlation_id=first.correlation_id,
        root_id=first.root_id,
        kind=Kind(first.kind),
        action=first.action,
        payload=first.payload,
        requested_by=first.requested_by,
        auth_domain=first.auth_domain,
        at=first.at,
        expires_at=first.expires_at,
        cascade=first.cascade,
        deadline=first.expires_at,
        grace_ms=first.grace_ms,
        items={record.app_id: _item(record) for record in records},
    )
    if order.kind is Kind.CANCEL:
        payload = msgspec.json.decode(first.payload, type=CancelPayload)
        if payload.kill_after_ms is not None:
            order.kill_after_ms = payload.kill_after_ms
        order.phase, since = _find_phase(records)
        order.deadline = since + order.length_of(order.phase)
    return order


def _item(record: CommandRecord) -> Item:
    return Item(
        status=OrderStatus(record.status),
        phase=Phase(record.phase) if record.phase is not None else None,
        confirmed=record.confirmed,
        result=record.result,
        error=record.error,
    )


def _find_phase(records: list[CommandRecord]) -> tuple[Phase, int]:
    """Return how far a cancel has got and since when: what its open targets tell."""
    for phase in (Phase.KILL, Phase.TERM):
        since = [
            record.changed_at
            for record in records
            if record.status in OPEN and record.phase == phase
        ]
        if since:
            return phase, min(since)
    return Phase.COOPERATIVE, records[0].at
