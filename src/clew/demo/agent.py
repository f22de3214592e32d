"""`assistant`: an agent that shops for people, in conversations of model calls and tool calls.

The model is a pretence; the spans are those that an instrumented one makes, by the GenAI semantic
conventions of OpenTelemetry.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Final

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from clew.demo.chance import Chance
from clew.demo.service import DURATION_BOUNDS_S, Refusal, call, work

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

AGENT: Final = "shopper"
PROVIDER: Final = "clew.demo"
PLANNER: Final = "demo-large"
WRITER: Final = "demo-small"

logger = logging.getLogger(__name__)


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

    def converse(self, number: int) -> bool:
        """Hold one conversation; return whether an order came of it."""
        chance = Chance(self._seed, f"conversation {number}")
        conversation = f"conv-{self._seed}-{number}"
        with self._tracer.start_as_current_span(
            f"invoke_agent {AGENT}",
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": PROVIDER,
                "gen_ai.agent.name": AGENT,
                "gen_ai.agent.id": "agent_shopper_1",
                "gen_ai.conversation.id": conversation,
                "gen_ai.request.model": PLANNER,
            },
        ):
            self._chat(chance, conversation, PLANNER, 0, "tool_calls")
            self._tool(conversation, "search_products", {"query": "something warm"}, self._search)
            self._chat(chance, conversation, PLANNER, 1, "tool_calls")
            is_ordered = self._order(conversation, number)
            self._chat(chance, conversation, WRITER, 2, "stop")
        return is_ordered

    def _chat(self, chance: Chance, conversation: str, model: str, turn: int, finish: str) -> None:
        sent = int(chance.between(f"input {turn}", 180, 420)) * (turn + 1)
        received = int(chance.between(f"output {turn}", 20, 160))
        started = time.perf_counter()
        with self._tracer.start_as_current_span(
            f"chat {model}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": PROVIDER,
                "gen_ai.conversation.id": conversation,
                "gen_ai.request.model": model,
                "gen_ai.request.temperature": 0.2,
                "gen_ai.request.max_tokens": 512,
            },
        ) as span:
            work(chance.between(f"chat {turn}", 0.01, 0.02) + received / 8000)
            span.set_attributes(
                {
                    "gen_ai.response.model": f"{model}-2026-01",
                    "gen_ai.response.id": f"resp-{conversation}-{turn}",
                    "gen_ai.response.finish_reasons": [finish],
                    "gen_ai.usage.input_tokens": sent,
                    "gen_ai.usage.output_tokens": received,
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
        self, conversation: str, name: str, arguments: dict[str, str], use: Callable[[Span], str]
    ) -> None:
        with self._tracer.start_as_current_span(
            f"execute_tool {name}",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": f"call-{conversation}-{name}",
                "gen_ai.tool.call.arguments": json.dumps(arguments),
                "gen_ai.conversation.id": conversation,
            },
        ) as span:
            span.set_attribute("gen_ai.tool.call.result", use(span))

    def _search(self, _span: Span) -> str:
        found = call(self._port, "GET", "/products?q=warm").body
        return json.dumps(found)

    def _order(self, conversation: str, number: int) -> bool:
        order_id = f"agent-{number}"

        def place(_span: Span) -> str:
            return json.dumps(call(self._port, "POST", "/checkout", {"order_id": order_id}).body)

        try:
            self._tool(conversation, "place_order", {"order_id": order_id}, place)
        except Refusal as refusal:
            # The tool's span is the error; the agent itself goes on and tells its person.
            logger.warning("order not placed: %s", refusal, extra={"order.id": order_id})
            return False
        logger.info("order placed", extra={"order.id": order_id})
        return True
