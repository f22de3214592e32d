"""Conversations and agents, one a line; tokens and money as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import NOTHING, Clock, cut, escape, show_count, show_duration

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.genai.documents import (
        Agent,
        AgentList,
        Conversation,
        ConversationList,
        Cost,
        ToolUsage,
    )

# More than a UUID: an id is there to be asked with, so it is shown whole wherever it can be.
ID_WIDTH_MAX: Final = 48

_CONVERSATION_COLUMNS: Final = (
    Column("last active"),
    Column("conversation"),
    Column("agents", flexible=True, drop=2),
    Column("models", flexible=True, drop=3),
    Column("turns", right=True),
    Column("tools", right=True, drop=4),
    Column("tokens", right=True),
    Column("cost", right=True),
    Column("errors", right=True),
    Column("duration", right=True, drop=1),
)

_AGENT_COLUMNS: Final = (
    Column("agent", flexible=True),
    Column("runs", right=True),
    Column("failed", right=True),
    Column("calls", right=True),
    Column("tools", right=True),
    Column("failing tools", flexible=True, drop=1),
    Column("in", right=True),
    Column("out", right=True),
    Column("cost", right=True),
    Column("p50", right=True, drop=3),
    Column("p95", right=True, drop=2),
    Column("last active", drop=4),
)


def conversation_table(document: ConversationList, width: int) -> list[Line]:
    """Return conversations as lines."""
    clock = Clock(each.last_activity for each in document.conversations)
    rows = [_conversation_row(each, clock) for each in document.conversations]
    return lay_out(_CONVERSATION_COLUMNS, rows, width)


def conversation_legend(document: ConversationList) -> str:
    """Return the zone of the times, and where the prices are from."""
    clock = Clock(each.last_activity for each in document.conversations)
    costs = [each.cost for each in document.conversations]
    return " · ".join(text for text in (clock.legend(), price_legend(costs)) if text)


def agent_table(document: AgentList, width: int) -> list[Line]:
    """Return agents as lines."""
    clock = Clock(each.last_activity for each in document.agents)
    rows = [_agent_row(each, clock) for each in document.agents]
    return lay_out(_AGENT_COLUMNS, rows, width)


def agent_legend(document: AgentList) -> str:
    """Return what has to be known of the figures."""
    clock = Clock(each.last_activity for each in document.agents)
    texts = [clock.legend(), price_legend([each.cost for each in document.agents])]
    if any(not each.named for each in document.agents):
        texts.append("(no agent): calls of a service that ran under none")
    if document.unresolved_calls:
        texts.append(f"{show_count(document.unresolved_calls)} calls stand under their services")
    return " · ".join(text for text in texts if text)


def show_tokens(count: int) -> str:
    """Return a number of tokens, three digits that count."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if count >= size * 10:
            return f"{count / size:.0f}{unit}"
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def show_dollars(amount: float | None) -> str:
    """Return US dollars with enough digits to tell small amounts apart."""
    if amount is None:
        return NOTHING
    if amount >= 100 or amount == 0:
        return f"${amount:,.0f}"
    if amount >= 0.1:
        return f"${amount:.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else f"${amount:.2g}"


def show_cost(cost: Cost) -> str:
    """Return what something cost: computed, else as reported; with a mark where it is not all."""
    if cost.usd is not None:
        return f"{'≥' if cost.unpriced_tokens else ''}{show_dollars(cost.usd)}"
    if cost.reported_usd is not None:
        return f"{show_dollars(cost.reported_usd)}*"
    return NOTHING


def price_legend(costs: list[Cost]) -> str:
    """Return what the marks of costs mean, and where prices are from."""
    texts = []
    priced = next((cost for cost in costs if cost.usd is not None), None)
    if priced is not None:
        dated = f" of {priced.prices_dated}" if priced.prices_dated else ""
        texts.append(f"cost computed by {escape(priced.prices)}{dated}")
    if any(cost.usd is None and cost.reported_usd is not None for cost in costs):
        texts.append("* as reported")
    unpriced = sorted({model for cost in costs for model in cost.unpriced_models})
    if unpriced:
        more = f" and {len(unpriced) - 3} more" if len(unpriced) > 3 else ""
        texts.append(f"no price for {escape(', '.join(unpriced[:3]))}{more}")
    return " · ".join(texts)


def _conversation_row(each: Conversation, clock: Clock) -> list[Line]:
    return [
        styled(clock.show(each.last_activity, digits=0), Style.DIM),
        styled(
            cut(escape(each.conversation), ID_WIDTH_MAX),
            Style.DIM if each.kind == "trace" else Style.PLAIN,
        ),
        styled(escape(", ".join(each.agents)), Style.CYAN),
        styled(escape(", ".join(each.models)), Style.DIM),
        plain(show_count(each.turns)),
        plain(show_count(each.tool_calls)),
        plain(show_tokens(each.tokens.input + each.tokens.output)),
        plain(show_cost(each.cost)),
        styled(show_count(each.error_count), Style.BOLD_RED if each.error_count else Style.DIM),
        plain(show_duration(each.duration_ms)),
    ]


def _agent_row(each: Agent, clock: Clock) -> list[Line]:
    name: Line = [(escape(each.agent), Style.CYAN)]
    if not each.named:
        name.append((" (no agent)", Style.DIM))
    failing = [tool for tool in each.tools if tool.failures]
    return [
        name,
        plain(show_count(each.runs)),
        styled(show_count(each.run_failures), Style.BOLD_RED if each.run_failures else Style.DIM),
        plain(show_count(each.llm_calls)),
        plain(show_count(each.tool_calls)),
        styled(escape(", ".join(_failures(tool) for tool in failing)), Style.RED),
        plain(show_tokens(each.tokens.input)),
        plain(show_tokens(each.tokens.output)),
        plain(show_cost(each.cost)),
        plain(show_duration(each.p50_ms)),
        plain(show_duration(each.p95_ms)),
        styled(clock.show(each.last_activity, digits=0), Style.DIM),
    ]


def _failures(tool: ToolUsage) -> str:
    return f"{tool.failures}/{tool.calls} {tool.tool}"
