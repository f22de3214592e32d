"""What may be asked of work sessions, and said in them. Light install.

REST parameters and CLI flags have these names. Times follow the one grammar of `clew.base.times`
and mean when a session began; `last` excludes `start` and `end`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000
"""Sessions of a page, each with the counts of its notes and links: a year of a team's."""

TITLE_CHARS_MAX: Final = 200
"""A line: what is looked for."""

PLANNED_MIN: Final = 1
PLANNED_MAX: Final = 480
"""Minutes: a working day, as the integration with TrailBase documents it."""

NOTE_BYTES_MAX: Final = 16 << 10
"""Of one note: three pages. A thousand of them fit into an answer."""

NOTES_MAX: Final = 1000
"""Notes and comments of a session: one a minute for two days."""

LINKS_MAX: Final = 1000
"""Links of a session: more than anybody reads; what was looked at beyond that is counted."""

CURRENT: Final = "current"
"""In the stead of an id: the session of whoever asks that is open."""

ME: Final = "me"
"""In the stead of an owner: whoever asks. No owner is called so: keys are ``key:…``."""

OFF: Final = "off"
"""In the header ``x-clew-session``, instead of an id: what is asked belongs to none."""

AGENT: Final = "agent"
"""There as well: to that of the caller's agent, or its own where the agent has none."""

SessionKind = Literal["own", "agent", "beside"]
LinkKindName = Literal["trace", "span", "app", "object", "query", "lineage", "metric", "service"]


class NewSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session to be started.

    Of kind ``own`` and ``agent`` everybody has one open at the most. What is asked over MCP belongs
    to that of ``agent``, everything else to ``own``. Any number may run ``beside``, to which
    belongs what names them. `switch` ends the one that is open. `id` is for clients that may have
    to send again: a UUID of their own.
    """

    title: str
    planned_minutes: int | None = None
    kind: SessionKind = "own"
    switch: bool = False
    id: str | None = None


class SessionChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is left out stays. A plan of null is none."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    planned_minutes: int | msgspec.UnsetType | None = msgspec.UNSET


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that can be looked at.

    The id of a span is ``TRACE/SPAN``, that of an object ``TYPE/ID``; a service and a metric are
    named. A query cannot be named: it becomes a link by being asked.
    """

    kind: LinkKindName
    id: str


class NewNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something found out. What it is about becomes a link of the session. `id` as of a session."""

    body: str
    about: Target | None = None
    id: str | None = None


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sessions; the newest first. `open` says whether they must be open, or must not."""

    last: str | None = None
    start: str | None = None
    end: str | None = None
    owner: str | None = None
    open: bool | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class ActivityQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose activity, and when: of the last seven days where no time is given."""

    last: str | None = None
    start: str | None = None
    end: str | None = None
    owner: str | None = None
