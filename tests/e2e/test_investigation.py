"""Planted faults are found over MCP alone, by following what the answers offer."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from mcp import Client, StdioServerParameters

from clew.base.times import format_time
from clew.testing.server import ServerProcess
from tests.e2e.incidents import Company, Fault
from tests.e2e.investigator import Investigator, Verdict

CALLS_MAX = 8
TOKENS_MAX = 8000
"""An investigation that takes more is none that an agent can afford many of."""

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class Case:
    """A fault, and what an investigation must come to."""

    fault: Fault
    kind: str
    service: str
    operation: str
    attribute: str | None
    findings: tuple[str, ...] = ()


CASES = (
    Case(
        Fault(name="slow dependency", slow_stock_ms=400.0),
        *("latency", "inventory", "SELECT stock", None),
    ),
    Case(
        Fault(name="bad deploy", bad_version="2.1.0"),
        *("errors", "payments", "POST /charge", "service.version=2.1.0"),
    ),
    Case(
        Fault(name="failing tool", failing_tool="search_flights"),
        *("errors", "assistant", "execute_tool search_flights", None),
        findings=("failing_tool", "retry"),
    ),
    Case(
        Fault(name="noisy neighbour", bad_host="node-3", louder=10),
        *("latency", "payments", "POST bank", "host.name=node-3"),
    ),
    Case(
        Fault(name="suspended tenant", bad_tenant="cedar"),
        *("errors", "payments", "POST /charge", "tenant=cedar"),
    ),
)


@pytest.fixture(scope="module")
def incidents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, int]]:
    """A server that knows all incidents, one on each of the last days, and the newest's start."""
    newest = time.time_ns() - DAY_NS
    with ServerProcess(tmp_path_factory.mktemp("incidents") / "data") as server:
        for number, case in enumerate(CASES):
            Company(case.fault, newest - number * DAY_NS, seed=number).send(server)
        yield server, newest


def find_cause(
    server: ServerProcess, newest: int, case: Case, *, over_stdio: bool
) -> tuple[Verdict | None, Investigator]:
    company = Company(case.fault, newest - CASES.index(case) * DAY_NS, seed=0)
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "clew.app.main", "mcp", "--server", server.url]
    )

    async def investigate() -> tuple[Verdict | None, Investigator]:
        async with Client(command if over_stdio else f"{server.url}/mcp") as client:
            who = Investigator(client, format_time(company.trouble_ns), format_time(company.end_ns))
            return await who.investigate(), who

    return asyncio.run(investigate())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault.name)
def test_the_planted_fault_is_found_and_the_neighbour_is_not_blamed(
    incidents: tuple[ServerProcess, int], case: Case, record_property: Callable[[str, object], None]
) -> None:
    verdict, who = find_cause(*incidents, case, over_stdio=False)
    assert verdict is not None
    assert (verdict.kind, verdict.service, verdict.operation) == (
        *(case.kind, case.service, case.operation),
    )
    assert verdict.attribute == case.attribute
    assert "reports" in who.changed_services, "the neighbour must be loud enough to mislead"
    assert set(case.findings) <= set(verdict.findings)
    assert (who.calls <= CALLS_MAX, who.tokens <= TOKENS_MAX) == (True, True), who
    record_property("calls", who.calls)
    record_property("tokens", who.tokens)
    sys.stdout.write(
        f"{case.fault.name}: {who.calls} calls, {who.tokens} tokens: {' > '.join(who.path)}\n"
    )


def test_stdio_leads_to_the_same_cause_by_the_same_way(
    incidents: tuple[ServerProcess, int],
) -> None:
    case = CASES[1]
    over_http = find_cause(*incidents, case, over_stdio=False)
    over_stdio = find_cause(*incidents, case, over_stdio=True)
    assert over_stdio[0] == over_http[0]
    assert over_stdio[1].path == over_http[1].path
