"""Tokens and cost of calls of models, added up exactly over a window.

Only answers of models count (`MODEL_CALLS`): the span of an agent often repeats the tokens of the
calls below it, and would have them counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS
from clew.store.engine.contract import Scan
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.prices import Use
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.query.store import Store

MODEL_CALLS: Final = (
    "GenAiOperation IN ('chat', 'text_completion', 'generate_content', 'embeddings', 'rerank')"
)
TOOL_CALLS: Final = "GenAiOperation = 'execute_tool'"

MODEL: Final = "if(GenAiResponseModel != '', GenAiResponseModel, GenAiRequestModel)"

UNPRICED_NAMED_MAX: Final = 20
"""Models without a price that an answer names: more are a sign of names made up by a sender."""

CELL_COLUMNS: Final = (
    "Timestamp",
    "StatusCode",
    "GenAiOperation",
    "GenAiProvider",
    "GenAiRequestModel",
    "GenAiResponseModel",
    "GenAiInputTokens",
    "GenAiOutputTokens",
    "GenAiCacheReadTokens",
    "GenAiCacheCreationTokens",
    "GenAiReasoningTokens",
    "GenAiReportedCost",
)
"""What `CELL_KEYS` and `CELL_SUMS` are made of."""

CELL_KEYS: Final = {
    "day": "toDate32(Timestamp)",
    "provider": "GenAiProvider",
    "request_model": "GenAiRequestModel",
    "response_model": "GenAiResponseModel",
    "tier": "arrayCount(start -> GenAiInputTokens > start, {tiers:Array(UInt64)})",
}
"""What makes calls have one price; `tiers` is to be bound to those of the price book."""

CELL_SUMS: Final = (
    Aggregate("calls", "countIf", MODEL_CALLS),
    Aggregate("errors", "countIf", f"{MODEL_CALLS} AND StatusCode = 'Error'"),
    Aggregate("without", "countIf", f"{MODEL_CALLS} AND GenAiInputTokens + GenAiOutputTokens = 0"),
    Aggregate("input_largest", "maxIf", f"GenAiInputTokens, {MODEL_CALLS}"),
    Aggregate("input", "sumIf", f"GenAiInputTokens, {MODEL_CALLS}"),
    Aggregate("output", "sumIf", f"GenAiOutputTokens, {MODEL_CALLS}"),
    Aggregate("cache_read", "sumIf", f"GenAiCacheReadTokens, {MODEL_CALLS}"),
    Aggregate("cache_creation", "sumIf", f"GenAiCacheCreationTokens, {MODEL_CALLS}"),
    Aggregate("reasoning", "sumIf", f"GenAiReasoningTokens, {MODEL_CALLS}"),
    Aggregate("reported", "sumIf", f"GenAiReportedCost, {MODEL_CALLS}"),
    Aggregate("reported_calls", "countIf", f"{MODEL_CALLS} AND GenAiReportedCost > 0"),
)
"""The sums of a cell, over its calls of models."""

_CELLS: Final = Groups(
    TRACES,
    {**CELL_KEYS, "agent": "GenAiAgentName"},
    CELL_SUMS,
    (*CELL_COLUMNS, "GenAiAgentName"),
)
_SPEEDS: Final = Groups(
    TRACES,
    {"provider": "GenAiProvider", "model": MODEL},
    (Aggregate("quantiles", "quantilesExact(0.5, 0.95)", "Duration"),),
    ("GenAiProvider", "GenAiRequestModel", "GenAiResponseModel", "Duration"),
)
_WHOLE: Final = Groups(
    TRACES,
    {},
    (
        Aggregate("tool_calls", "countIf", TOOL_CALLS),
        Aggregate("tool_errors", "countIf", f"{TOOL_CALLS} AND StatusCode = 'Error'"),
        Aggregate("conversations", "uniqExactIf", "GenAiConversation, GenAiConversation != ''"),
    ),
    ("GenAiOperation", "StatusCode", "GenAiConversation"),
)


@dataclass(slots=True)
class _Sums:
    """Tokens of calls that have one price."""

    input_largest: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0


class Bill:
    """Adds up cells: calls of models that have one price. Prices are looked up at the end."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self.calls = self.errors = 0
        self._without = self._reasoning = 0
        self._sums: dict[tuple[str, str, str, date, int], _Sums] = {}
        self._reported = 0.0
        self._reported_calls = 0

    def add(self, cell: Mapping[str, Any]) -> None:
        """Add one row of `CELL_KEYS` and `CELL_SUMS`."""
        self.calls += cell["calls"]
        self.errors += cell["errors"]
        self._without += cell["without"]
        self._reasoning += cell["reasoning"]
        self._reported += cell["reported"]
        self._reported_calls += cell["reported_calls"]
        if not (cell["input"] or cell["output"] or cell["cache_read"] or cell["cache_creation"]):
            return
        key = (
            cell["provider"],
            cell["response_model"],
            cell["request_model"],
            cell["day"],
            cell["tier"],
        )
        sums = self._sums.setdefault(key, _Sums())
        sums.input_largest = max(sums.input_largest, cell["input_largest"])
        sums.input += cell["input"]
        sums.output += cell["output"]
        sums.cache_read += cell["cache_read"]
        sums.cache_creation += cell["cache_creation"]

    def tokens(self) -> doc.Tokens:
        """Return the tokens so far."""
        sums = self._sums.values()
        return doc.Tokens(
            input=sum(each.input for each in sums),
            output=sum(each.output for each in sums),
            cache_read=sum(each.cache_read for each in sums),
            cache_creation=sum(each.cache_creation for each in sums),
            reasoning=self._reasoning,
            calls_without=self._without,
        )

    def cost(self) -> doc.Cost:
        """Return what they cost."""
        usd: Decimal | None = None
        priced = unpriced = 0
        unpriced_models = set()
        for (provider, answered, asked, day, _), sums in self._sums.items():
            models = tuple(dict.fromkeys(name for name in (answered, asked) if name))
            price = self._prices.price(
                Use(
                    provider=provider,
                    models=models,
                    day=day,
                    input_largest=sums.input_largest,
                    input=sums.input,
                    output=sums.output,
                    cache_read=sums.cache_read,
                    cache_creation=sums.cache_creation,
                )
            )
            if price is None:
                unpriced += sums.input + sums.output
                unpriced_models.add(models[0] if models else "(not named)")
            else:
                priced += sums.input + sums.output
                usd = price if usd is None else usd + price
        return doc.Cost(
            usd=None if usd is None else float(usd),
            computed=True,
            priced_tokens=priced,
            unpriced_tokens=unpriced,
            unpriced_models=sorted(unpriced_models)[:UNPRICED_NAMED_MAX],
            reported_usd=self._reported if self._reported_calls else None,
            reported_calls=self._reported_calls,
            prices=self._prices.name,
            # Nothing was looked up where there is nothing to price.
            prices_dated=self._prices.dated if self._sums else None,
        )

    @property
    def weight(self) -> int:
        """All tokens: what lists are ordered by."""
        return sum(each.input + each.output for each in self._sums.values())


def summarize_usage(
    store: Store,
    prices: PriceBook,
    window: TimeRange,
    *,
    service: str | None = None,
    snapshot: Snapshot | None = None,
) -> doc.UsageSummary:
    """Return tokens and cost of a window, in all, by model and by agent.

    `snapshot` is the moment that the rest of an answer sees; now when it is None.
    """
    moment = snapshot if snapshot is not None else store.snapshot()
    where = f"{time_condition(TRACES, window)} AND GenAi"
    parameters: dict[str, object] = {}
    if service is not None:
        where += " AND ServiceName = {service:String}"
        parameters["service"] = service
    if not _is_any(store, moment, where, parameters):
        nothing = Bill(prices)
        return doc.UsageSummary(
            calls=0,
            errors=0,
            tool_calls=0,
            tool_errors=0,
            conversations=0,
            tokens=nothing.tokens(),
            cost=nothing.cost(),
            models=[],
            agents=[],
        )
    parameters["tiers"] = read_tiers(store, prices, moment, where, parameters)
    calls = f"{where} AND {MODEL_CALLS}"
    cells, speeds, (whole,) = (
        _read_groups(store, moment, groups, condition, parameters)
        for groups, condition in ((_CELLS, calls), (_SPEEDS, calls), (_WHOLE, where))
    )
    total = Bill(prices)
    by_model: dict[tuple[str, str], Bill] = {}
    by_agent: dict[str, Bill] = {}
    for cell in cells:
        model = (cell["provider"], cell["response_model"] or cell["request_model"])
        total.add(cell)
        by_model.setdefault(model, Bill(prices)).add(cell)
        by_agent.setdefault(cell["agent"], Bill(prices)).add(cell)
    quantiles = {(row["provider"], row["model"]): row["quantiles"] for row in speeds}
    return doc.UsageSummary(
        calls=total.calls,
        errors=total.errors,
        **whole,
        tokens=total.tokens(),
        cost=total.cost(),
        models=[
            _model_usage(provider, model, bill, quantiles[provider, model])
            for (provider, model), bill in heaviest_first(by_model.items())
        ],
        agents=[
            doc.AgentUsage(
                agent=agent or None,
                calls=bill.calls,
                errors=bill.errors,
                tokens=bill.tokens(),
                cost=bill.cost(),
            )
            for agent, bill in heaviest_first(by_agent.items())
        ],
    )


def _read_groups(
    store: Store,
    snapshot: Snapshot,
    groups: Groups,
    where: str,
    parameters: Mapping[str, object],
) -> list[dict[str, Any]]:
    sql, scan = groups.ask(snapshot, "spans", where)
    answer = store.engine.query(
        sql, snapshot=snapshot, scans={"spans": scan}, parameters=parameters, limits=LIMITS
    )
    rows: list[dict[str, Any]] = answer.to_pylist()
    return rows


def _is_any(store: Store, snapshot: Snapshot, where: str, parameters: Mapping[str, object]) -> bool:
    """Whether any span matches: without one, the dear columns of hot rows need no computing."""
    found = store.engine.query(
        "@spans",
        snapshot=snapshot,
        scans={"spans": Scan(TRACES, ("Timestamp",), where, limit=1)},
        parameters=parameters,
        limits=LIMITS,
    )
    return bool(found.num_rows)


def read_tiers(
    store: Store,
    prices: PriceBook,
    snapshot: Snapshot,
    where: str,
    parameters: Mapping[str, object],
) -> list[int]:
    """Return the tiers to bind for `CELL_KEYS`, none when no span is a call of a model.

    Most windows of most stores have none, and then the table of prices is not read at all.
    """
    is_any = _is_any(store, snapshot, f"{where} AND {MODEL_CALLS}", parameters)
    return list(prices.tiers) if is_any else []


def heaviest_first(bills: Iterable[tuple[Any, Bill]]) -> list[tuple[Any, Bill]]:
    """Return named bills by their tokens and calls, most first, then by name."""
    return sorted(bills, key=lambda each: (-each[1].weight, -each[1].calls, each[0]))


def _model_usage(
    provider: str, model: str, bill: Bill, quantiles: tuple[int, int]
) -> doc.ModelUsage:
    p50, p95 = quantiles
    return doc.ModelUsage(
        provider=provider,
        model=model,
        calls=bill.calls,
        errors=bill.errors,
        p50_ms=p50 / NS_PER_MS,
        p95_ms=p95 / NS_PER_MS,
        tokens=bill.tokens(),
        cost=bill.cost(),
    )
