"""Agents: how often each ran, what it called, what failed, what it took and cost.

Theory of operation. A call of a model or a tool belongs to the agent that its span names; most
instrumentations leave that to the agent's own span above. So the spans without a name are given
that of the nearest span above which has one. The engine does so where a trace has one agent only,
which is nearly every trace; of the others the ids are read, and looked up here, all at once.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.store.engine.contract import Scan
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.usage import (
    CELL_COLUMNS,
    CELL_KEYS,
    TOOL_CALLS,
    Bill,
    cell_sums,
    read_tiers,
)
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import cut_slice, read_slice
from clew.telemetry.query.window import read_window, time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai import parameters as ask
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 24 * 3600 * NS_PER_S
"""Asked without a range: a day, as of services."""

RESOLVED_SPANS_MAX: Final = 200_000
"""Spans of traces with several agents that are looked through: a second or two, and 200 MB."""

NAMES_MAX: Final = 50
"""Tools, models, services and ids that one agent names: more are made up by a sender. One more of
services and ids is looked for, to say that there are more."""

_COLUMNS: Final = (
    *CELL_COLUMNS,
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "Duration",
    "GenAi",
    "ServiceName",
    "GenAiAgentName",
    "GenAiAgentId",
    "GenAiToolName",
)

_RUNS: Final = "GenAiOperation IN ('invoke_agent', 'invoke_workflow')"

# The agents of each trace: where there is one, it is that of every span that names none. Of all
# services, whichever is asked for: an agent calls through others, and they do not name it.
_NAMES: Final = (
    "SELECT TraceId, any(GenAiAgentName) AS only, uniqExact(GenAiAgentName) AS names"
    " FROM @named WHERE GenAiAgentName != '' GROUP BY TraceId"
)

_SEVERAL: Final = (
    "SELECT TraceId FROM @named WHERE GenAiAgentName != ''{concerned} GROUP BY TraceId"
    " HAVING uniqExact(GenAiAgentName) > 1"
)

_FIGURES: Final = (
    f"{CELL_KEYS}, GenAiOperation AS operation, GenAiToolName AS tool, {cell_sums()},"
    f" countIf({TOOL_CALLS}) AS tool_calls,"
    f" countIf({TOOL_CALLS} AND StatusCode = 'Error') AS tool_failures,"
    # A float: spans that never end would wrap 64 bits.
    f" sumIf(toFloat64(Duration), {TOOL_CALLS}) AS tool_ns,"
    f" groupUniqArray({NAMES_MAX + 1})(toString(ServiceName)) AS services,"
    f" groupUniqArrayIf({NAMES_MAX + 1})(GenAiAgentId, GenAiAgentId != '') AS ids,"
    " max(toUnixTimestamp64Nano(Timestamp) + Duration) AS last"
)


@dataclass(slots=True)
class _Tool:
    calls: int = 0
    failures: int = 0
    nanoseconds: float = 0.0


@dataclass(slots=True)
class _Agent:
    """What is known so far of one agent, or of a service whose calls ran under none."""

    bill: Bill
    ids: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    tools: dict[str, _Tool] = field(default_factory=dict)
    last: int = 0

    def add(self, cell: dict[str, Any]) -> None:
        """Add one row of `_FIGURES`."""
        self.bill.add(cell)
        self.ids.update(cell["ids"])
        self.services.update(cell["services"])
        if cell["calls"]:
            self.models.update(
                name for name in (cell["response_model"] or cell["request_model"],) if name
            )
        if cell["tool_calls"]:
            tool = self.tools.setdefault(cell["tool"], _Tool())
            tool.calls += cell["tool_calls"]
            tool.failures += cell["tool_failures"]
            tool.nanoseconds += cell["tool_ns"]
        self.last = max(self.last, cell["last"])


_Key = tuple[str, bool]
"""A name, and whether it is an agent's (else a service's)."""


def list_agents(store: Store, prices: PriceBook, query: ask.AgentQuery, now: int) -> doc.AgentList:
    """Return one page of agents, most tokens first."""
    snapshot = store.snapshot()
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    page = read_slice("agents", query, snapshot, window=window, now=now)
    window, now = page.window, page.now
    parameters: dict[str, object] = {}
    if query.service is not None:
        parameters["service"] = query.service
    where = f"{time_condition(TRACES, window)} AND {page.condition}"
    reading = _Reading(store, snapshot, where, parameters, query.service)
    parameters["tiers"] = read_tiers(
        store, prices, reading.snapshot, reading.scans(), dict(parameters)
    )
    agents: dict[_Key, _Agent] = {}
    for key, cell in reading.cells():
        agents.setdefault(key, _Agent(Bill(prices))).add(cell)
    runs = reading.runs()
    listed = sorted(
        (
            _document(key, agent, runs.get(key))
            for key, agent in agents.items()
            if key in runs or agent.bill.calls or agent.tools
        ),
        key=lambda each: (
            -(each.tokens.input + each.tokens.output),
            -each.runs,
            -each.llm_calls,
            each.agent,
            each.named,
        ),
    )
    shown, rest = cut_slice(listed, page)
    return doc.AgentList(
        agents=shown,
        count=len(shown),
        total=len(listed),
        truncated=rest is not None,
        next=rest,
        start_time=format_time(window.start or 0),
        end_time=format_time(now if window.end is None else window.end),
        unresolved_calls=reading.unresolved,
    )


class _Reading:
    """The GenAI spans of one window at one moment."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        where: str,
        parameters: dict[str, object],
        service: str | None,
    ) -> None:
        self.snapshot = snapshot
        self.unresolved = 0
        self._service = service
        self._store = store
        self._where = where
        self._parameters = parameters
        # Agents of traces that have nothing of the service need not be sorted out.
        concerned = "" if service is None else " AND TraceId IN (SELECT TraceId FROM @spans)"
        self._several = f"TraceId IN ({_SEVERAL.format(concerned=concerned)})"

    def scans(self) -> dict[str, Scan]:
        """Return what is read of the window, by what it is called in statements.

        ``@spans`` are the GenAI spans whose figures count, ``@named`` those that may name an agent,
        ``@all`` all spans.
        """
        genai = f"{self._where} AND GenAi"
        own = genai if self._service is None else f"{genai} AND ServiceName = {{service:String}}"
        return {
            "spans": Scan(TRACES, _COLUMNS, own),
            "named": Scan(TRACES, ("TraceId", "GenAiAgentName"), genai),
            "all": Scan(TRACES, _COLUMNS, self._where),
        }

    def cells(self) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield figures with whose they are."""
        for cell in self._query(
            "SELECT if(GenAiAgentName != '', GenAiAgentName, names.only) AS agent, names.names > 1"
            f" AND GenAiAgentName = '' AS several, toString(ServiceName) AS service, {_FIGURES}"
            f" FROM @spans AS spans LEFT JOIN ({_NAMES}) AS names ON spans.TraceId = names.TraceId"
            " GROUP BY ALL HAVING NOT several"
        ).to_pylist():
            yield _key(cell), cell
        size = self._query(f"SELECT count() AS spans FROM @all WHERE {self._several}")
        spans = size.to_pylist()[0]["spans"]
        if spans > RESOLVED_SPANS_MAX:
            yield from self._unresolved()
        elif spans:
            yield from self._resolved()

    def _resolved(self) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield figures of single spans that name no agent, by the nearest above that does."""
        import pyarrow.compute as pc  # a start need not wait for it

        rows = self._query(
            "SELECT TraceId, SpanId, ParentSpanId, GenAiAgentName AS agent, GenAi AS genai,"
            f" toString(ServiceName) AS service, {_FIGURES}"
            f" FROM @all WHERE {self._several} GROUP BY ALL"
        )
        owners = inherit(
            pc.binary_join_element_wise(rows["TraceId"], rows["SpanId"], ""),
            pc.binary_join_element_wise(rows["TraceId"], rows["ParentSpanId"], ""),
            rows["agent"],
        )
        is_wanted = pc.and_(rows["genai"], pc.equal(rows["agent"], ""))
        if self._service is not None:
            is_wanted = pc.and_(is_wanted, pc.equal(rows["service"], self._service))
        found = rows.set_column(rows.column_names.index("agent"), "agent", owners)
        for cell in found.filter(is_wanted).to_pylist():
            yield _key(cell), cell

    def _unresolved(self) -> Iterator[tuple[_Key, dict[str, Any]]]:
        """Yield the same figures under their services: they are too many to look through."""
        for cell in self._query(
            f"SELECT '' AS agent, toString(ServiceName) AS service, {_FIGURES}, count() AS spans"
            f" FROM @spans WHERE GenAiAgentName = '' AND {self._several} GROUP BY ALL"
        ).to_pylist():
            self.unresolved += cell["spans"]
            yield _key(cell), cell

    def runs(self) -> dict[_Key, dict[str, Any]]:
        """Return figures of the invocations of each agent."""
        rows = self._query(
            "SELECT GenAiAgentName AS agent, count() AS runs,"
            " countIf(StatusCode = 'Error') AS failures, avg(toFloat64(Duration)) AS mean,"
            " quantilesExact(0.5, 0.95)(Duration) AS quantiles"
            f" FROM @spans WHERE {_RUNS} AND GenAiAgentName != '' GROUP BY agent"
        ).to_pylist()
        return {(row["agent"], True): row for row in rows}

    def _query(self, sql: str) -> pa.Table:
        return self._store.engine.query(
            sql,
            snapshot=self.snapshot,
            scans=self.scans(),
            parameters=self._parameters,
            limits=LIMITS,
        )


def inherit(keys: pa.ChunkedArray, parents: pa.ChunkedArray, names: pa.ChunkedArray) -> pa.Array:
    """Return for each span its name, else that of the nearest span above that has one, else "".

    Each round doubles how far above a span was looked, so twenty rounds go past a million. A span
    whose parent is not among `keys` is at the top; a circle of parents without a name ends too.
    """
    import pyarrow.compute as pc

    found = names.combine_chunks()
    above = pc.index_in(parents, value_set=keys.combine_chunks()).combine_chunks()
    for _ in range(ROUNDS_MAX):
        if above.null_count == len(above):
            break
        theirs = pc.fill_null(found.take(above), "")
        found = pc.if_else(pc.equal(found, ""), theirs, found)
        above = above.take(above)
    return found


ROUNDS_MAX: Final = 20
"""Twice as deep each: more than the spans of one trace."""


def _key(cell: dict[str, Any]) -> _Key:
    return (cell["agent"], True) if cell["agent"] else (cell["service"], False)


def _document(key: _Key, agent: _Agent, run: dict[str, Any] | None) -> doc.Agent:
    name, is_named = key
    p50, p95 = run["quantiles"] if run else (None, None)
    tools = sorted(agent.tools.items(), key=lambda each: (-each[1].calls, each[0]))
    return doc.Agent(
        agent=name,
        named=is_named,
        agent_ids=sorted(agent.ids)[:NAMES_MAX],
        services=sorted(agent.services)[:NAMES_MAX],
        models=sorted(agent.models)[:NAMES_MAX],
        more_names=max(map(len, (agent.ids, agent.services, agent.models))) > NAMES_MAX,
        runs=run["runs"] if run else 0,
        run_failures=run["failures"] if run else 0,
        failure_rate=run["failures"] / run["runs"] if run else 0.0,
        llm_calls=agent.bill.calls,
        llm_failures=agent.bill.errors,
        tool_calls=sum(tool.calls for tool in agent.tools.values()),
        tool_failures=sum(tool.failures for tool in agent.tools.values()),
        tools=[_tool(name, tool) for name, tool in tools[:NAMES_MAX]],
        tools_left_out=max(0, len(tools) - NAMES_MAX),
        tokens=agent.bill.tokens(),
        cost=agent.bill.cost(),
        avg_ms=run["mean"] / NS_PER_MS if run else None,
        p50_ms=None if p50 is None else p50 / NS_PER_MS,
        p95_ms=None if p95 is None else p95 / NS_PER_MS,
        last_activity=format_time(agent.last),
    )


def _tool(name: str, tool: _Tool) -> doc.ToolUsage:
    return doc.ToolUsage(
        tool=name,
        calls=tool.calls,
        failures=tool.failures,
        failure_rate=tool.failures / tool.calls,
        avg_ms=tool.nanoseconds / tool.calls / NS_PER_MS,
    )
