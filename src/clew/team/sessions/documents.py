"""The documents of work sessions. Times are RFC 3339 UTC with nanoseconds. Light install."""

from __future__ import annotations

import msgspec

from clew.team.sessions.parameters import Target


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was looked at. `count` is how often: what is seen again soon is one look.

    `how` is the command that shows it again, `path` the address over REST; null where there is
    none, or where it would be too long.
    """

    kind: str
    id: str
    title: str | None
    how: str | None
    path: str | None
    first_at: str
    last_at: str
    count: int


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something found out: a note, or a comment that was made while the session was open."""

    id: str
    kind: str
    body: str
    about: Target | None
    created_at: str


class SessionHead(msgspec.Struct, frozen=True, kw_only=True):
    """A work session, as lists have it.

    `owner` is who they proved to be (``key:ann``, ``app:…``, ``local``). `end_reason` is
    ``stopped``, ``switched`` when another one was begun, ``forgotten`` when nothing had been done
    in it for a day; it ended then when something last was. `seconds` is how long it took, or has so
    far, `overrun_seconds` how much of that is beyond what was planned. `visits_left_out` counts
    looks for which there was no room among the links.
    """

    id: str
    title: str
    owner: str
    kind: str
    started_at: str
    ended_at: str | None
    end_reason: str | None
    planned_minutes: int | None
    seconds: float
    overrun_seconds: float
    note_count: int
    link_count: int
    visits_left_out: int
    shared: bool


class Session(SessionHead, frozen=True, kw_only=True):
    """A work session with its notes as they were made, and its links by when they were first."""

    notes: list[Note]
    links: list[Link]


class SessionList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sessions, the newest first."""

    sessions: list[SessionHead]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What one did in a time range: `sessions` ran in it, `open` of them still do.

    `hours` are those within the range, `findings` the notes and comments that were made in it.
    """

    owner: str
    sessions: int
    open: int
    hours: float
    findings: int
    notes: int
    comments: int
    last_at: str


class ActivityReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody's activity from `start_time` to `end_time`, the most hours first."""

    start_time: str
    end_time: str
    members: list[Activity]
    count: int
    total: int
    truncated: bool
