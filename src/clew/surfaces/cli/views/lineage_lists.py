"""Lists of lineage: items with what tells of them, and node ids with who has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, read_time, show_count, show_duration

if TYPE_CHECKING:
    from clew.lineage import documents as doc
    from clew.lineage.terms import Lease, LeaseList
    from clew.surfaces.cli.grid import Line

_ITEMS: Final = (
    Column("put out", drop=1),
    Column("stream/epoch/seq"),
    Column("trace id"),
    Column("told by", flexible=True, least=16, drop=2),
    Column("its trace", drop=3),
    Column("apps", flexible=True, drop=4),
)

_NODES: Final = (
    Column("node", right=True),
    Column("process", flexible=True),
    Column("host", flexible=True),
    Column("state", flexible=True, least=20),
    Column("since", drop=1),
    Column("leased by", flexible=True, drop=2),
)


def item_lines(document: doc.ItemList, width: int) -> list[Line]:
    """Return items, those that were put out first first."""
    clock = _items_clock(document)
    return lay_out(_ITEMS, [_item(item, clock) for item in document.items], width)


def items_legend(document: doc.ItemList) -> str:
    """Return the day and the zone of the times."""
    return _items_clock(document).legend()


def node_lines(document: LeaseList, width: int, *, now: float) -> list[Line]:
    """Return leases with what has become of them by now (Unix seconds)."""
    clock = _nodes_clock(document)
    return lay_out(_NODES, [_node(lease, clock, now) for lease in document.leases], width)


def nodes_legend(document: LeaseList) -> str:
    """Return the day and the zone of the times."""
    return _nodes_clock(document).legend()


def _item(item: doc.TracedItem, clock: Clock) -> list[Line]:
    record = item.record
    told = trace = plain("")
    if record:
        told = [(f"{record.kind} ", Style.DIM), (escape(record.service), Style.CYAN)]
        told.append((f" {escape(record.name)}", Style.PLAIN))
        trace = plain(record.trace_id or "")
    apps = ", ".join(escape(app.app_name or app.app_id) for app in item.apps)
    return [
        styled(clock.show(item.at), Style.DIM),
        plain(f"{item.stream_id}/{item.epoch}/{item.seq}"),
        styled(item.trace_id, Style.BOLD),
        told,
        trace,
        styled(apps, Style.DIM),
    ]


def _node(lease: Lease, clock: Clock, now: float) -> list[Line]:
    return [
        styled(f"{show_count(lease.node_id)}", Style.BOLD),
        plain(escape(lease.process)),
        plain(escape(lease.host)),
        _state(lease, now),
        styled(clock.show(lease.leased_at), Style.DIM),
        styled(escape(lease.leased_by), Style.DIM),
    ]


def _state(lease: Lease, now: float) -> Line:
    if lease.released_at is not None:
        return styled(f"given back {_ago(lease.released_at, now)}", Style.DIM)
    left = _seconds(lease.expires_at) - now
    if left > 0:
        return styled(f"leased, {show_duration(left * 1000)} left", Style.GREEN)
    return styled(f"ran out {_ago(lease.expires_at, now)}", Style.YELLOW)


def _ago(text: str, now: float) -> str:
    return f"{show_duration(max(0.0, now - _seconds(text)) * 1000)} ago"


def _seconds(text: str) -> float:
    moment, nanoseconds = read_time(text)
    return moment.timestamp() + nanoseconds / 1e9


def _items_clock(document: doc.ItemList) -> Clock:
    return Clock(item.at for item in document.items)


def _nodes_clock(document: LeaseList) -> Clock:
    return Clock(lease.leased_at for lease in document.leases)
