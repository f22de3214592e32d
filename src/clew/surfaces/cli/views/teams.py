"""Teams: how things stand, who is in, what was shared and done."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import (
    Clock,
    escape,
    escape_lines,
    plural,
    show_count,
    show_duration,
    show_number,
    show_time,
)

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.team.teams import documents as doc

FOLD_WIDTH_MAX: Final = 100
"""Lines wider than this tire the eye."""

CONNECT_HINT: Final = "connect with: clew team connect URL --email …"

_TEAM_COLUMNS: Final = (
    Column(""),
    Column("id"),
    Column("name", flexible=True, least=12),
    Column("you are"),
    Column("members", right=True),
    Column("may be shared", flexible=True),
    Column("sync", drop=1),
)

_MEMBER_COLUMNS: Final = (
    Column("name", flexible=True),
    Column("email", flexible=True, least=16),
    Column("role"),
    Column("joined", drop=1),
    Column("id", flexible=True, drop=2, middle=True),
)

_INVITE_COLUMNS: Final = (
    Column("id"),
    Column("role"),
    Column("used", right=True),
    Column("ends"),
    Column("state"),
)

_MEMBER_ACTIVITY_COLUMNS: Final = (
    Column("member", flexible=True),
    Column("sessions", right=True),
    Column("hours", right=True),
    Column("findings", right=True),
)

_RECENT_COLUMNS: Final = (
    Column("id"),
    Column("title", flexible=True, least=16),
    Column("by", flexible=True),
    Column("began"),
    Column("took", right=True),
    Column("found", right=True, drop=1),
)

_QUERY_COLUMNS: Final = (
    Column("id"),
    Column("name", flexible=True, least=12),
    Column("language"),
    Column("query", flexible=True, least=16),
    Column("sync", drop=1),
)

_LINK_STYLES: Final = {
    "online": Style.GREEN,
    "offline": Style.YELLOW,
    "paused": Style.BOLD_RED,
    "unknown": Style.DIM,
}

_STATUS_STYLES: Final = {"synced": Style.DIM, "pending": Style.YELLOW, "failed": Style.BOLD_RED}


def status_lines(document: doc.TeamStatus, width: int) -> list[Line]:
    """Return how things stand; where nobody is connected, how to be."""
    if not document.connected:
        return [plain("not connected to a team's server"), styled(f"  {CONNECT_HINT}", Style.DIM)]
    team = document.team or (None if document.team_id is None else short_id(document.team_id))
    link: Line = [
        (document.link, _LINK_STYLES.get(document.link, Style.PLAIN)),
        (", hears of changes as they happen" if document.live else "", Style.PLAIN),
    ]
    rows: list[tuple[str, Line]] = [
        ("server", plain(escape(document.server or ""))),
        ("user", styled(escape(document.user or ""), Style.CYAN)),
        ("team", styled(escape(team), Style.BOLD) if team else styled("none chosen", Style.DIM)),
        ("link", link),
        ("tokens", plain(f"kept in {_PLACES.get(document.tokens, document.tokens)}")),
        ("queue", _queue(document.queue)),
        ("conflicts", _conflicts(document.conflicts)),
    ]
    if document.pause is not None:
        rows.insert(4, ("paused", styled(escape(document.pause), Style.YELLOW)))
    if document.conflicts_dropped:
        told = f"{document.conflicts_dropped} of the oldest were forgotten: they were too many"
        rows.append(("", styled(told, Style.YELLOW)))
    if document.last_round is not None:
        rows.append(("last sync", plain(_round(document.last_round))))
    lines = [cut_line([(f"{name:<10}", Style.DIM), *told], width) for name, told in rows]
    others = [each for each in document.accounts if not each.current]
    for each in others:
        told = f"{'also':<10}{escape(each.email)} at {escape(each.server)}, id {escape(each.id)}"
        lines.append(cut_line(styled(told, Style.DIM), width))
    return lines


_PLACES: Final = {
    "keyring": "the keyring of the system",
    "file": "an encrypted file",
    "memory": "memory: a restart asks to connect again",
}


def connection_lines(document: doc.Connection, _width: int) -> list[Line]:
    """Return who the server knows us as."""
    return [
        [
            ("connected to ", Style.PLAIN),
            (escape(document.server), Style.BOLD),
            (" as ", Style.PLAIN),
            (escape(document.email), Style.CYAN),
        ],
        styled(f"tokens are kept in {_PLACES.get(document.tokens, document.tokens)}", Style.DIM),
    ]


def team_table(document: doc.TeamList, width: int) -> list[Line]:
    """Return a line per team; the chosen one is marked."""
    return lay_out(_TEAM_COLUMNS, [_team(each) for each in document.teams], width)


def team_lines(document: doc.TeamHead, width: int) -> list[Line]:
    """Return one team."""
    return lay_out(_TEAM_COLUMNS, [_team(document)], width)


def joined_lines(document: doc.Joined, _width: int) -> list[Line]:
    """Return the team that one came into."""
    name = document.name or "the team"
    return [
        [("you are in ", Style.PLAIN), (escape(name), Style.BOLD)],
        styled(f"id {escape(document.team_id)}", Style.DIM),
    ]


def member_table(document: doc.MemberList, width: int) -> list[Line]:
    """Return a line per member."""
    lines = lay_out(_MEMBER_COLUMNS, [_member(each) for each in document.members], width)
    if document.as_of_last_sync:
        lines.append(styled("as of the last sync: the server does not answer now", Style.YELLOW))
    return lines


def member_lines(document: doc.MemberHead, width: int) -> list[Line]:
    """Return one member."""
    return lay_out(_MEMBER_COLUMNS, [_member(document)], width)


def invite_table(document: doc.InviteList, width: int) -> list[Line]:
    """Return a line per invite, without its code, which is told once."""
    rows = [
        [
            plain(short_id(escape(each.id))),
            plain(escape(each.role)),
            plain(f"{each.uses} of {each.uses_max}"),
            plain(show_time(each.expires_at)),
            _invite_state(each),
        ]
        for each in document.invites
    ]
    return lay_out(_INVITE_COLUMNS, rows, width)


def invite_lines(document: doc.InviteHead, _width: int) -> list[Line]:
    """Return a new invite and how it is used: the one time that its code is shown."""
    code = document.code or ""
    return [
        [(escape(code), Style.BOLD)],
        plain(f"clew team join {escape(code)}"),
        styled(
            f"comes in as {escape(document.role)} · good for {plural(document.uses_max, 'use')}"
            f" until {show_time(document.expires_at)} · shown this once · id"
            f" {short_id(escape(document.id))}",
            Style.DIM,
        ),
    ]


def activity_lines(document: doc.TeamActivity, width: int) -> list[Line]:
    """Return what a team did: in all, by member, and what was shared last."""
    told = (
        f"{plural(document.total_sessions, 'session')} · "
        f"{show_number(round(document.total_focus_hours, 2))} h · "
        f"{plural(document.active_members, 'member')} active"
    )
    lines: list[Line] = [[(told, Style.BOLD)]]
    if document.members:
        rows = [
            [
                styled(escape(each.display_name or each.user_id), Style.CYAN),
                plain(show_count(each.sessions)),
                plain(show_number(round(each.hours, 2))),
                plain(show_count(each.findings)),
            ]
            for each in document.members
        ]
        lines += [[], *lay_out(_MEMBER_ACTIVITY_COLUMNS, rows, width)]
    if document.recent_sessions:
        clock = Clock(each.start_time for each in document.recent_sessions)
        recent = [
            [
                plain(short_id(escape(each.id))),
                plain(escape(each.title)),
                styled(escape(each.display_name or each.user_id), Style.CYAN),
                plain(clock.show(each.start_time, digits=0)),
                _took(each),
                plain(show_count(each.findings)),
            ]
            for each in document.recent_sessions
        ]
        lines += [[], *lay_out(_RECENT_COLUMNS, recent, width), styled(clock.legend(), Style.DIM)]
    return lines


def shared_session_table(document: doc.TeamSessionList, width: int) -> list[Line]:
    """Return a line per session that was shared with a team."""
    clock = Clock(each.start_time for each in document.sessions)
    rows = [
        [
            plain(short_id(escape(each.id))),
            plain(escape(each.title)),
            _whose(each),
            plain(clock.show(each.start_time, digits=0)),
            _took(each),
            plain(show_count(each.findings)),
        ]
        for each in document.sessions
    ]
    lines = lay_out(_RECENT_COLUMNS, rows, width)
    return [*lines, styled(clock.legend(), Style.DIM)] if rows else lines


def shared_session_lines(document: doc.TeamSession, width: int) -> list[Line]:
    """Return a session of somebody of a team: what they found, and what they looked at."""
    lines: list[Line] = [
        [(escape(document.title), Style.BOLD)],
        [*_took(document), (" · ", Style.PLAIN), *_whose(document), (" · shared", Style.GREEN)],
        styled(f"began {show_time(document.start_time)}", Style.DIM),
        styled(f"id {escape(document.id)}", Style.DIM),
    ]
    if document.notes:
        lines += [[], styled("found", Style.DIM)]
        for note in document.notes:
            for line in escape_lines(str(note.get("body", "")).rstrip()):
                folded = textwrap.wrap(line, max(20, min(width, FOLD_WIDTH_MAX) - 2)) or [""]
                lines += [plain(f"  {each}") for each in folded]
    if document.links:
        lines += [[], styled("looked at", Style.DIM)]
        for link in document.links:
            shown = link.get("how") or link.get("title") or link.get("id") or ""
            told: Line = [
                (f"  {escape(str(link.get('kind', '')))}", Style.CYAN),
                (f"  {escape(str(shown))}", Style.PLAIN),
            ]
            lines.append(cut_line(told, width))
    return lines


def shared_lines(document: doc.Shared, _width: int) -> list[Line]:
    """Return what is shared, and how far that is."""
    said = {
        "synced": "shared",
        "pending": "shared: it goes out with the next sync",
        "failed": "shared here, but refused by the server: clew team queue --failed",
    }
    style = _STATUS_STYLES.get(document.sync_status, Style.PLAIN)
    return [
        styled(said.get(document.sync_status, document.sync_status), style),
        styled(f"team {escape(document.team_id)} · id {escape(document.id)}", Style.DIM),
    ]


def query_table(document: doc.QueryList, width: int) -> list[Line]:
    """Return a line per saved query."""
    return lay_out(_QUERY_COLUMNS, [_query(each) for each in document.queries], width)


def query_lines(document: doc.QueryHead, width: int) -> list[Line]:
    """Return one saved query."""
    return lay_out(_QUERY_COLUMNS, [_query(document)], width)


def _team(team: doc.TeamHead) -> list[Line]:
    return [
        styled("*" if team.chosen else " ", Style.GREEN),
        plain(short_id(escape(team.id))),
        styled(escape(team.name), Style.BOLD if team.chosen else Style.PLAIN),
        plain(escape(team.role or "-")),
        plain(show_count(team.members)),
        plain(", ".join(map(escape, team.consents))) if team.consents else styled("no", Style.DIM),
        _sync(team.sync_status),
    ]


def _member(member: doc.MemberHead) -> list[Line]:
    name = member.display_name or member.email.partition("@")[0]
    return [
        styled(escape(name), Style.CYAN),
        plain(escape(member.email)),
        plain(escape(member.role)),
        plain(escape(member.joined_at[:10])),
        plain(escape(member.id)),
    ]


def _invite_state(invite: doc.InviteHead) -> Line:
    if invite.revoked:
        return styled("revoked", Style.DIM)
    if invite.uses >= invite.uses_max:
        return styled("used up", Style.DIM)
    return styled("open", Style.GREEN)


def _whose(session: doc.TeamSessionHead) -> Line:
    who = escape(session.display_name or session.user_id)
    return styled(f"{who} (you)" if session.mine else who, Style.CYAN)


def _took(session: doc.RecentSession | doc.TeamSessionHead) -> Line:
    if session.seconds is None:
        return styled("open", Style.GREEN)
    return plain(show_duration(session.seconds * 1000))


def _query(query: doc.QueryHead) -> list[Line]:
    return [
        plain(short_id(escape(query.id))),
        styled(escape(query.name), Style.CYAN),
        plain(escape(query.language)),
        plain(escape(query.query)),
        _sync(query.sync_status),
    ]


def _sync(status: str) -> Line:
    return styled(escape(status), _STATUS_STYLES.get(status, Style.PLAIN))


def _queue(queue: doc.QueueCounts) -> Line:
    waiting = f"{show_count(queue.pending)} waiting"
    if queue.in_flight:
        waiting += f" ({show_count(queue.in_flight)} on the way)"
    line: Line = [(waiting, Style.YELLOW if queue.pending else Style.PLAIN)]
    if queue.failed:
        aside = f" · {show_count(queue.failed)} set aside: clew team queue --failed"
        line.append((aside, Style.BOLD_RED))
    return [*line, (f" · {show_count(queue.synced)} sent lately", Style.DIM)]


def _conflicts(count: int) -> Line:
    if not count:
        return styled("none", Style.DIM)
    return styled(f"{show_count(count)} to look at: clew team conflicts", Style.YELLOW)


def _round(done: doc.RoundReport) -> str:
    told = f"{show_time(done.ended_at)} {escape(done.outcome)}: {done.sent} sent, {done.pulled} in"
    return f"{told} · {escape(done.error)}" if done.error else told
