"""Many scenarios against one server, those that restart it first.

All of these share a restart; once it is over the others run beside what is left of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from clew.testing.conformance import scenario as steps
from clew.testing.conformance.gate import RestartGate
from clew.testing.conformance.trial import Outcome, Trial, Verdict
from clew.testing.conformance.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.testing.conformance.gate import Member
    from clew.testing.conformance.scenario import AnyStep, Library, Scenario
    from clew.testing.conformance.target import Target

CONCURRENT_MAX: Final = 16
"""Scenarios at a time: they wait most of the time, and a reader still finds the one that hangs."""

WAIT_MS_MAX: Final = 10_000
"""The longest window that a run waits for unless it is told to."""


async def run_scenarios(
    target: Target,
    library: Library,
    chosen: Sequence[Scenario],
    *,
    wait_ms_max: int = WAIT_MS_MAX,
    concurrent_max: int = CONCURRENT_MAX,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run scenarios, and return what came of each in the order given; `tell` hears of it at once.

    Raises:
        ClewError: NOT_FOUND when a scenario has a precondition that is not there.
    """
    sequences = {scenario.name: library.steps_of(scenario) for scenario in chosen}
    outcomes: dict[str, Outcome] = {}
    places = asyncio.Semaphore(concurrent_max)

    def put(outcome: Outcome) -> None:
        outcomes[outcome.name] = outcome
        tell(outcome)

    async def run_one(scenario: Scenario) -> None:
        async with places:
            put(await Trial(target, scenario, None).run(sequences[scenario.name]))

    async def run_restarting(scenario: Scenario, member: Member) -> None:
        # All of them must come to the restart, so none waits for a place.
        try:
            put(await Trial(target, scenario, member).run(sequences[scenario.name]))
        finally:
            member.leave()

    alone: list[Scenario] = []
    restarting: list[tuple[Scenario, Member]] = []
    gate = RestartGate(target)
    for scenario in chosen:
        sequence = sequences[scenario.name]
        why = find_obstacle(target, scenario, sequence, wait_ms_max)
        if why is not None:
            put(Outcome(name=scenario.name, verdict=Verdict.SKIPPED, reason=why))
        elif restarts := _count_restarts(sequence):
            restarting.append((scenario, gate.join(restarts)))
        else:
            alone.append(scenario)
    async with asyncio.TaskGroup() as group:
        for scenario, member in restarting:
            group.create_task(run_restarting(scenario, member))
        if restarting:
            await gate.is_over.wait()
        for scenario in alone:
            group.create_task(run_one(scenario))
    return [outcomes[scenario.name] for scenario in chosen]


def find_obstacle(
    target: Target, scenario: Scenario, sequence: Sequence[AnyStep], wait_ms_max: int
) -> str | None:
    """Return why a scenario cannot be run against a server, None when it can."""
    if target.tier not in scenario.tiers:
        return f"it is not about the tier {target.tier}"
    if target.restart is None and _count_restarts(sequence):
        return "nobody here can restart the server; see --restart-hook"
    if not target.has_tree and any(_asks(target, step) for step in sequence):
        if target.rest is None:
            return "it asks over HTTP, and no door was named; see --http"
        return "it asks over HTTP, and the server there does not know the tree"
    waits_ms = Values(target.windows.placeholders()).number(scenario.waits_ms)
    if waits_ms > wait_ms_max:
        return f"it waits {waits_ms / 1000:g} s for a window of the server; see --wait"
    return None


def _count_restarts(sequence: Sequence[AnyStep]) -> int:
    return sum(isinstance(step, steps.ServerAction) for step in sequence)


def _asks(target: Target, step: AnyStep) -> bool:
    """Whether a step cannot be taken without REST: a root is announced there."""
    if isinstance(step, steps.Setup) and step.parent is None:
        return bool(step.announce) or step.status == "scheduled" or target.tier != "open"
    if isinstance(step, steps.StateCheck):
        return step.required
    return isinstance(step, steps.Rest)
