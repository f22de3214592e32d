"""What came of a run, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.testing.conformance.trial import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.testing.conformance.target import Target
    from clew.testing.conformance.trial import Outcome

_WORDS: Final = {Verdict.PASSED: "ok", Verdict.FAILED: "FAILED", Verdict.SKIPPED: "skipped"}


class ScenarioReport(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario. `left_out` counts checks of the server's state that could not be made."""

    name: str
    verdict: str
    reason: str
    seconds: float
    left_out: int
    transcript: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. Transcripts are told of scenarios that failed."""

    url: str
    tier: str
    passed: int
    failed: int
    skipped: int
    left_out: int
    scenarios: list[ScenarioReport]


def describe(target: Target, outcomes: Sequence[Outcome]) -> Report:
    """Return the document of a run."""
    counts = dict.fromkeys(Verdict, 0)
    for outcome in outcomes:
        counts[outcome.verdict] += 1
    return Report(
        url=target.url,
        tier=target.tier,
        passed=counts[Verdict.PASSED],
        failed=counts[Verdict.FAILED],
        skipped=counts[Verdict.SKIPPED],
        left_out=sum(outcome.left_out for outcome in outcomes),
        scenarios=[
            ScenarioReport(
                name=outcome.name,
                verdict=outcome.verdict.value,
                reason=outcome.reason,
                seconds=round(outcome.seconds, 3),
                left_out=outcome.left_out,
                transcript=outcome.transcript if outcome.verdict is Verdict.FAILED else [],
            )
            for outcome in outcomes
        ],
    )


def write_line(outcome: Outcome) -> str:
    """Return what a person reads of a scenario, with the transcript of one that failed."""
    head = f"{_WORDS[outcome.verdict]:8}{outcome.name}"
    match outcome.verdict:
        case Verdict.SKIPPED:
            return f"{head}: {outcome.reason}"
        case Verdict.FAILED:
            return "\n".join(
                [f"{head}: {outcome.reason}", *(f"    {line}" for line in outcome.transcript)]
            )
    left_out = f", {outcome.left_out} checks of state left out" if outcome.left_out else ""
    return f"{head} ({outcome.seconds:.2f} s{left_out})"


def write_summary(report: Report) -> str:
    """Return the last line of a run."""
    text = (
        f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped"
        f" at {report.url}, tier {report.tier}"
    )
    if report.left_out:
        text += f"; {report.left_out} checks of state were left out: name an HTTP door with --http"
    return text
