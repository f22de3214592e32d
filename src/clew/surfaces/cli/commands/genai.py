"""`clew conversations`, `clew agents` and `clew transcript`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    FILTERS,
    PAGE,
    AnswerFlags,
    PageNumber,
    PageText,
    Service,
    Switch,
    TimeFlags,
    to_query,
)
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.genai import (
    agent_legend,
    agent_table,
    conversation_legend,
    conversation_table,
)
from clew.surfaces.cli.views.transcript import transcript_lines, transcript_notes
from clew.telemetry.genai.parameters import AgentQuery, ConversationQuery, TranscriptQuery
from clew.telemetry.genai.remote import GenAiClient


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ConversationFlags(TimeFlags):
    """`ConversationQuery`."""

    service: Service = None
    """One that this service took part in."""

    agent: str | None = None
    """One that this agent took part in."""

    model: str | None = None
    """One that this model was asked or answered in."""

    tool: str | None = None
    """One in which this tool was used."""

    errors: Annotated[bool | None, Parameter(negative=("--no-errors",), show_default=False)] = None
    """Only those in which something failed, or nothing did."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class AgentFlags(TimeFlags):
    """`AgentQuery`."""

    service: Service = None
    """Exact name of the service."""

    limit: PageNumber = None
    """Items of one page, at most 10000. [default: 100]"""

    next: PageText = None
    """The cursor of the answer before."""


@Parameter(name="*", group=PAGE)
@dataclass(frozen=True, kw_only=True)
class TranscriptFlags:
    """`TranscriptQuery`."""

    limit: PageNumber = None
    """Steps of one page. [default: 200]"""

    next: PageText = None
    """The cursor of the answer before."""

    max_chars: PageNumber = None
    """Cut each text to so many characters. [default: 1200]"""

    full: Switch = False
    """The history that each call of a model repeats, too."""


def conversations(
    *, flags: ConversationFlags | None = None, answer: AnswerFlags | None = None
) -> ExitCode:
    """List conversations, last active first."""
    session = Session(answer)
    client = GenAiClient(session.client.server)
    query = _with_errors(to_query(flags, ConversationQuery), flags)
    find = paged(client.list_conversations, query)
    listing = Listing(
        find(),
        "conversations",
        "conversation",
        conversation_table,
        find,
        legend=conversation_legend,
    )
    return session.show(listing, lambda: explain_nothing(session.client, "conversations", flags))


def _with_errors(query: ConversationQuery, flags: ConversationFlags | None) -> ConversationQuery:
    """Keep a "no" that was said: other switches can only be turned on."""
    if flags is None or flags.errors is None:
        return query
    return msgspec.structs.replace(query, errors=flags.errors)


def agents(*, flags: AgentFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List agents with their runs, calls, failures, tokens and cost."""
    session = Session(answer)
    client = GenAiClient(session.client.server)
    query = to_query(flags, AgentQuery)
    find = paged(client.list_agents, query)
    listing = Listing(find(), "agents", "agent", agent_table, find, legend=agent_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "agents", flags))


def transcript(
    name: Annotated[str, Parameter(help="A trace's id, or a conversation's.")],
    /,
    *,
    flags: TranscriptFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show a run as a conversation."""
    session = Session(answer)
    client = GenAiClient(session.client.server)
    query = to_query(flags, TranscriptQuery)
    find = paged(partial(client.get_transcript, name), query)
    listing = Listing(
        find(),
        "steps",
        "step",
        transcript_lines,
        find,
        how="raise --max-tokens, or lower --max-chars",
        legend=transcript_notes,
    )
    return session.show(listing, lambda: _no_step(name))


def _no_step(name: str) -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"nothing more of {name[:80]!r} is here",
        hint="leave --next out to begin at the beginning",
    )
