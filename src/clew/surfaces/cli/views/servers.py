"""Servers that stand together, and how each is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import NOTHING, escape, plural, show_count, show_duration
from clew.surfaces.cli.views.checks import PAGE_WIDTH

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.surfaces.cli.servers import LeaseState, ServerReport, ServerState

_SERVERS: Final = (
    Column("server"),
    Column("role", drop=2),
    Column("how it is"),
    Column("epoch", right=True, drop=3),
    Column("has frames to", right=True, drop=1),
    Column("behind", right=True),
    Column("answered in", right=True, drop=4),
)
_SHARDS: Final = (
    Column("shard"),
    Column("server"),
    Column("how it is"),
    Column("has frames to", right=True, drop=1),
    Column("answered in", right=True),
)
_INDENT: Final = "    "


def server_lines(found: ServerReport, width: int) -> list[Line]:
    """Return a line for each server, what is not well, and how they stand together."""
    width = min(width, PAGE_WIDTH)
    if found.kind == "shards":
        rows = [row for each in found.servers for row in _shard(each)]
        lines = lay_out(_SHARDS, rows, width)
    else:
        lines = lay_out(_SERVERS, [_server(each) for each in found.servers], width)
    # Of a shard that does not answer, why each of its servers does not is in what it says.
    told = [one for shard in found.servers for one in (shard, *(shard.members if shard.ok else ()))]
    for each in told:
        if each.detail is not None:
            lines += _fold(_detail(each), width, _style_of(each))
    lines.append([])
    for sentence in _together(found):
        lines += _fold(sentence, width, Style.PLAIN)
    for note in found.notes:
        lines += _fold(f"→ {note}", width, Style.CYAN)
    return lines


def _server(each: ServerState) -> list[Line]:
    return [
        plain(escape(each.url)),
        plain(each.role or NOTHING),
        styled(each.state, _style_of(each)),
        plain(NOTHING if each.epoch is None else str(each.epoch)),
        plain(_count(each.has)),
        plain(_count(each.behind)),
        styled(_spent(each), Style.DIM),
    ]


def _shard(each: ServerState) -> list[list[Line]]:
    """Return the row of a shard; those of its servers, where it is a group that answers."""
    name = plain(escape(each.name or NOTHING))
    if each.members and each.ok:
        rows = [_of_shard(plain(""), member) for member in each.members]
        rows[0][0] = name
        return rows
    return [_of_shard(name, each), *(_of_shard(plain(""), member) for member in each.members)]


def _of_shard(name: Line, each: ServerState) -> list[Line]:
    return [
        name,
        plain(escape(each.url)),
        styled(each.state, _style_of(each)),
        plain(_count(each.has)),
        styled(_spent(each), Style.DIM),
    ]


def _detail(each: ServerState) -> str:
    """Return what is to be said of a server, and of which."""
    assert each.detail is not None, "there is something to say"
    if each.name is None and each.url in each.detail:
        return each.detail
    return f"{each.name or each.url}: {each.detail}"


def _together(found: ServerReport) -> list[str]:
    if found.kind == "alone":
        return ["it stands alone: it was started with neither --standby nor --shards"]
    if found.kind == "shards":
        there = sum(each.ok for each in found.servers)
        return [f"a query tier; {there} of {plural(found.total, 'shard')} answer"]
    told = []
    if found.leader is not None:
        waits = "nobody" if not found.required_acks else plural(found.required_acks, "standby")
        told.append(
            f"{found.leader} leads under epoch {found.epoch}; a write waits for {waits}; "
            f"{found.have_all} of {plural(found.total, 'server')} have all that is acknowledged"
        )
    if found.lease is not None:
        told.append(f"the lease at {found.lease.address} {_lease(found.lease)}")
        if found.lease.error is not None:
            told.append(f"the lease: {found.lease.error}")
    return told


def _lease(lease: LeaseState) -> str:
    if lease.holder is None:
        return "was not seen from there yet"
    if not lease.seconds_left:
        return f"is free; {lease.holder} had it last"
    return f"is held by {lease.holder} for {show_duration(lease.seconds_left * 1000)} more"


def _count(value: int | None) -> str:
    return NOTHING if value is None else show_count(value)


def _spent(each: ServerState) -> str:
    return NOTHING if each.answered_ms is None else show_duration(each.answered_ms)


def _style_of(each: ServerState) -> Style:
    if not each.ok:
        return Style.YELLOW if each.role is not None and each.state != "away" else Style.BOLD_RED
    return Style.GREEN if each.detail is None else Style.DIM


def _fold(text: str, width: int, style: Style) -> list[Line]:
    folded = textwrap.wrap(escape(text), max(20, width), subsequent_indent=_INDENT)
    return [styled(line, style) for line in folded]
