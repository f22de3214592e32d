"""`assistant`: an agent that shops for people, in conversations of model calls and tool calls.

The model is a pretence; the spans are those that an instrumented one makes, by the GenAI semantic
conventions of OpenTelemetry, what was said included.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from clew import lineage
from clew.demo.chance import Chance
from clew.demo.service import DURATION_BOUNDS_S, Refusal, call, work

if TYPE_CHECKING:
    from collections.abc import Callable

PROVIDER: Final = "clew.demo"
LARGE: Final = "demo-large"
SMALL: Final = "demo-small"

# Of a million tokens in and out, in USD: no table of prices knows a model that is a pretence.
PRICES: Final = {LARGE: (3.0, 15.0), SMALL: (0.25, 1.25)}

INSTRUCTIONS: Final = "You help people shop. Look products up before you order; order one thing."
REQUESTS: Final = (
    "I need something warm for the winter. Please order it for me.",
    "My feet are cold. Find something and buy it.",
    "A present for my brother, who is always freezing. Order whatever fits.",
)

_DONE: Final = "It is ordered, and on its way to you."
_REFUSED: Final = "I am sorry: the payment was refused, so nothing was ordered."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Agent:
    """Who holds conversations, and with which model it plans."""

    name: str
    id: str
    planner: str


AGENTS: Final = (
    Agent("shopper", "agent_shopper_1", LARGE),
    Agent("gift finder", "agent_gift_finder_1", SMALL),
)


def choose_agent(number: int) -> Agent:
    """Return who holds a conversation: presents have an agent of their own."""
    return AGENTS["present" in REQUESTS[number % len(REQUESTS)]]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What came of a conversation: whether an order, and the trace id of the answer."""

    is_ordered: bool
    answer_id: int


@dataclass(slots=True)
class _Talk:
    """One conversation: its id, and what was said so far, as the conventions write it."""

    name: str
    said: list[dict[str, Any]] = field(default_factory=list)

    def say(self, role: str, *parts: dict[str, Any]) -> dict[str, Any]:
        """Add a message and return it."""
        message = {"role": role, "parts": list(parts)}
        self.said.append(message)
        return message

    def call_id(self, tool: str) -> str:
        """Return the id of the call of a tool, of which there is one."""
        return f"call-{self.name}-{tool}"


@lineage.stage("take request")
def take_request(number: int) -> str:
    """Return what a person wants: with it begins the lineage of all that comes of it."""
    return REQUESTS[number % len(REQUESTS)]


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


class Assistant:
    """Holds conversations: plan, look at products, order one, answer."""

    def __init__(self, seed: int, shop_port: int) -> None:
        self._seed = seed
        self._port = shop_port
        self._tracer = trace.get_tracer("clew.demo.agent", "1.0")
        meter = metrics.get_meter("clew.demo.agent", "1.0")
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens used",
            explicit_bucket_boundaries_advisory=[64, 256, 1024, 4096],
        )
        self._durations = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Duration of GenAI operations",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDS_S,
        )

    def converse(self, number: int) -> Conversation:
        """Hold one conversation."""
        chance = Chance(self._seed, f"conversation {number}")
        agent = choose_agent(number)
        talk = _Talk(f"conv-{self._seed}-{number}")
        with self._tracer.start_as_current_span(
            f"invoke_agent {agent.name}",
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": PROVIDER,
                "gen_ai.agent.name": agent.name,
                "gen_ai.agent.id": agent.id,
                "gen_ai.conversation.id": talk.name,
                "gen_ai.request.model": agent.planner,
            },
        ):
            request = take_request(number)
            talk.say("user", _text(request.value))
            search = {"query": "something warm"}
            self._chat(chance, talk, agent.planner, 0, _asking(talk, "search_products", search))
            found = self._tool(talk, "search_products", search, request, self._search)
            order = {"order_id": f"agent-{number}"}
            self._chat(chance, talk, agent.planner, 1, _asking(talk, "place_order", order))
            placed = self._order(talk, order, found)
            known = [request, found] if placed is None else [request, found, placed]
            with lineage.join(known, stage="answer") as out:
                self._chat(chance, talk, SMALL, 2, [_text(_REFUSED if placed is None else _DONE)])
        return Conversation(placed is not None, out.trace_id)

    def _chat(
        self, chance: Chance, talk: _Talk, model: str, turn: int, answer: list[dict[str, Any]]
    ) -> None:
        sent = int(chance.between(f"input {turn}", 180, 420)) * (turn + 1)
        received = int(chance.between(f"output {turn}", 20, 160))
        price_in, price_out = PRICES[model]
        finish = "tool_calls" if answer[-1]["type"] == "tool_call" else "stop"
        started = time.perf_counter()
        with self._tracer.start_as_current_span(
            f"chat {model}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": PROVIDER,
                "gen_ai.conversation.id": talk.name,
                "gen_ai.request.model": model,
                "gen_ai.request.temperature": 0.2,
                "gen_ai.request.max_tokens": 512,
                "gen_ai.system_instructions": json.dumps([_text(INSTRUCTIONS)]),
                "gen_ai.input.messages": json.dumps(talk.said),
            },
        ) as span:
            first_chunk = chance.between(f"chat {turn}", 0.01, 0.02)
            work(first_chunk + received / 8000)
            message = talk.say("assistant", *answer)
            span.set_attributes(
                {
                    "gen_ai.response.model": f"{model}-2026-01",
                    "gen_ai.response.id": f"resp-{talk.name}-{turn}",
                    "gen_ai.response.finish_reasons": [finish],
                    "gen_ai.response.time_to_first_chunk": first_chunk,
                    "gen_ai.usage.input_tokens": sent,
                    "gen_ai.usage.output_tokens": received,
                    "gen_ai.usage.cost": (sent * price_in + received * price_out) / 1e6,
                    "gen_ai.output.messages": json.dumps([{**message, "finish_reason": finish}]),
                }
            )
        labels = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": model,
        }
        self._durations.record(time.perf_counter() - started, labels)
        self._tokens.record(sent, {**labels, "gen_ai.token.type": "input"})
        self._tokens.record(received, {**labels, "gen_ai.token.type": "output"})

    def _tool(
        self,
        talk: _Talk,
        name: str,
        arguments: dict[str, str],
        reason: lineage.Traced[Any],
        use: Callable[[], dict[str, Any]],
    ) -> lineage.Traced[dict[str, Any]]:
        """Return what a tool gives: made of why it was used, and of what it was told itself.

        Raises:
            Refusal: the tool fails.
        """
        with self._tracer.start_as_current_span(
            f"execute_tool {name}",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": talk.call_id(name),
                "gen_ai.tool.call.arguments": json.dumps(arguments),
                "gen_ai.conversation.id": talk.name,
            },
        ) as span:
            call_id = talk.call_id(name)
            try:
                with lineage.join([reason], stage=name) as out:
                    given = use()
                    # It carries the id of what the shop has made, however that came to be.
                    out.add(given)
            except Refusal as refusal:
                error = {"error": str(refusal)}
                talk.say("tool", {"type": "tool_call_response", "id": call_id, "response": error})
                raise
            talk.say("tool", {"type": "tool_call_response", "id": call_id, "response": given})
            span.set_attribute("gen_ai.tool.call.result", json.dumps(given))
            return out.carry(given)

    def _search(self) -> dict[str, Any]:
        return call(self._port, "GET", "/products?q=warm").body

    def _order(
        self, talk: _Talk, arguments: dict[str, str], found: lineage.Traced[Any]
    ) -> lineage.Traced[dict[str, Any]] | None:
        """Return the order; None where it was refused."""

        def place() -> dict[str, Any]:
            return call(self._port, "POST", "/checkout", arguments).body

        order = {"order.id": arguments["order_id"]}
        try:
            placed = self._tool(talk, "place_order", arguments, found, place)
        except Refusal as refusal:
            # The tool's span is the error; the agent itself goes on and tells its person.
            logger.warning("order not placed: %s", refusal, extra=order)
            return None
        logger.info("order placed", extra=order)
        return placed


def _asking(talk: _Talk, tool: str, arguments: dict[str, str]) -> list[dict[str, Any]]:
    return [{"type": "tool_call", "id": talk.call_id(tool), "name": tool, "arguments": arguments}]
