"""`clew lineage items` and `clew lineage nodes`: the items of lineage, and who makes its ids."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.parameters import ItemQuery
from clew.lineage.remote import LineageClient
from clew.lineage.terms import LeaseQuery
from clew.surfaces.cli.commands.lineages import read_id
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, PageNumber, read_whole_number, to_query
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.views.lineage_lists import item_lines, items_legend, node_lines, nodes_legend


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ItemFlags:
    """`ItemQuery`."""

    trace_id: Annotated[str | None, Parameter(converter=read_id)] = None
    """The items that have this id: decimal, hexadecimal behind 0x, or TRACEID/SPANID of a span."""

    stream_id: str | None = None
    """The item of this stream …"""

    epoch: str | None = None
    """… and epoch. [default: any]"""

    seq: str | None = None
    """… with this number."""

    limit: PageNumber = None
    """Items at most, up to 10000. [default: 100]"""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class LeaseFlags:
    """`LeaseQuery`."""

    node_id: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """Who has this one, and who had it before."""

    limit: PageNumber = None
    """Leases at most. [default: 1023]"""


def items(*, flags: ItemFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show the items of a trace id, or the trace ids of an item."""
    session = Session(answer)
    client = LineageClient(session.client.server)
    ask = paged(client.find_items, to_query(flags, ItemQuery))
    listing = Listing(
        ask(), "items", "item", item_lines, again=ask, how="a larger --limit", legend=items_legend
    )
    return session.show(listing, _no_item)


def nodes(*, flags: LeaseFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Show who has which node id on lease."""
    session = Session(answer)
    client = LineageClient(session.client.server)
    ask = paged(client.find_nodes, to_query(flags, LeaseQuery))
    lines = functools.partial(node_lines, now=time.time())
    listing = Listing(
        ask(), "leases", "lease", lines, again=ask, how="a larger --limit", legend=nodes_legend
    )
    return session.show(listing, _no_lease)


def _no_item() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "no such item is known",
        hint="what tells of it may be on its way, or lost: clew ingest tells what was dropped",
    )


def _no_lease() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "no node id was leased",
        hint="a process leases one by TraceIdGenerator(lease=ServerLease())",
    )
