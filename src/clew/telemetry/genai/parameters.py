"""The questions about GenAI telemetry, as plain values: REST parameters and CLI flags."""

from __future__ import annotations

from typing import Final

import msgspec

from clew.telemetry.query.parameters import TimeParameters

LIMIT_DEFAULT: Final = 100

STEPS_DEFAULT: Final = 200
"""Steps of one page of a transcript: a run of an hour, and some ten thousand tokens."""

CHARS_DEFAULT: Final = 1200
"""Characters of one text of a transcript: about three hundred tokens, what a person reads before
skipping."""

CHARS_MAX: Final = 1_000_000
"""The largest text asked for at once: longer than the context of today's models."""


class ConversationQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which conversations; by default those with activity in the last day.

    `service`, `agent`, `model` and `tool` keep conversations in which one of that name took part,
    `errors` those in which something failed.
    """

    service: str | None = None
    agent: str | None = None
    model: str | None = None
    tool: str | None = None
    errors: bool | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class AgentQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which agents; by default those that ran in the last day."""

    service: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class TranscriptQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run is told: so many steps, from where a page before ended, texts cut to `max_chars`.

    `full` shows the history that each call of a model repeats, too.
    """

    limit: int = STEPS_DEFAULT
    next: str | None = None
    max_chars: int = CHARS_DEFAULT
    full: bool | None = None
