"""What is worth a look in a run: loops, retries, failing tools, contexts that grow.

Each finding is a count that the reader can check against the steps it names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.telemetry.genai import documents as doc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.telemetry.genai.steps import Told

LOOP_CALLS_MIN: Final = 3
"""The same question asked a third time: once is work, twice may be a retry."""

GROWTH_CALLS_MIN: Final = 4
"""Calls of one thread before its growth means anything."""

GROWTH_FACTOR_MIN: Final = 3.0
GROWTH_TOKENS_MIN: Final = 4000
"""A context that trebled and is larger than this costs more than its work."""

CUT_REASONS: Final = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"})

STEPS_NAMED_MAX: Final = 20
"""Steps that one finding names; `count` says how many there are."""

FINDINGS_MAX: Final = 100
"""Findings of one kind: past this the run as a whole is the finding."""

ERROR_CHARS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class _Numbered:
    number: int
    step: Told


def find(steps: Sequence[Told]) -> tuple[list[doc.Finding], int]:
    """Return the findings of a run, and how many more there are of kinds that have too many.

    `steps` are all of the run, in the order they are read.
    """
    numbered = [_Numbered(number, step) for number, step in enumerate(steps, 1)]
    by_time = sorted(numbered, key=lambda each: each.step.span.at)
    found: list[doc.Finding] = []
    left_out = 0
    for kind in (_loops, _failing_tools, _failing_models, _retries, _growth, _cut_answers):
        of_kind = list(kind(by_time))
        found.extend(of_kind[:FINDINGS_MAX])
        left_out += len(of_kind[FINDINGS_MAX:])
    return found, left_out


def _loops(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    same: defaultdict[tuple[str, str, str], list[_Numbered]] = defaultdict(list)
    for each in steps:
        if each.step.kind == "tool" and each.step.asked:
            same[each.step.thread, _tool(each.step), each.step.asked].append(each)
    for (agent, tool, _), calls in same.items():
        if len(calls) >= LOOP_CALLS_MIN:
            yield _finding(
                "loop",
                f"{tool} was called {len(calls)} times with the same arguments",
                calls,
                agent,
                tool,
            )


def _failing_tools(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    calls: defaultdict[str, list[_Numbered]] = defaultdict(list)
    for each in steps:
        if each.step.kind == "tool":
            calls[_tool(each.step)].append(each)
    for tool, all_calls in calls.items():
        failed = [each for each in all_calls if each.step.error is not None]
        if failed:
            yield _finding(
                "failing_tool",
                f"{tool} failed {len(failed)} of {len(all_calls)} times: {_error(failed[0])}",
                failed,
                _one_thread(failed),
                tool,
            )


def _failing_models(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    calls: defaultdict[str, list[_Numbered]] = defaultdict(list)
    for each in steps:
        if each.step.kind == "model":
            calls[_model(each.step)].append(each)
    for model, all_calls in calls.items():
        failed = [each for each in all_calls if each.step.error is not None]
        if failed:
            yield _finding(
                "failing_model",
                f"{model} failed {len(failed)} of {len(all_calls)} times: {_error(failed[0])}",
                failed,
                _one_thread(failed),
            )


def _retries(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    """A call that failed, and was made again with the same question."""
    same: defaultdict[tuple[str, str, str], list[_Numbered]] = defaultdict(list)
    for each in steps:
        step = each.step
        if step.kind in {"tool", "model"} and step.asked:
            name = _tool(step) if step.kind == "tool" else _model(step)
            same[step.thread, name, step.asked].append(each)
    for (agent, name, _), calls in same.items():
        retried = sum(before.step.error is not None for before in calls[:-1])
        if retried:
            end = "and failed again" if calls[-1].step.error is not None else "and then succeeded"
            times = "once" if retried == 1 else f"{retried} times"
            yield _finding(
                "retry",
                f"{name} was retried {times} {end}",
                calls,
                agent,
                name if calls[0].step.kind == "tool" else None,
            )


def _growth(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    threads: defaultdict[str, list[_Numbered]] = defaultdict(list)
    for each in steps:
        if each.step.kind == "model" and _input(each.step):
            threads[each.step.thread].append(each)
    for agent, calls in threads.items():
        first, last = _input(calls[0].step), _input(calls[-1].step)
        has_grown = last >= GROWTH_TOKENS_MIN and last >= GROWTH_FACTOR_MIN * first
        if len(calls) >= GROWTH_CALLS_MIN and has_grown:
            yield _finding(
                "context_growth",
                f"the context grew from {first} to {last} tokens over {len(calls)} calls",
                calls,
                agent,
            )


def _cut_answers(steps: Sequence[_Numbered]) -> Iterator[doc.Finding]:
    cut = [
        each
        for each in steps
        if each.step.kind == "model" and CUT_REASONS & set(each.step.span.row["GenAiFinishReasons"])
    ]
    if cut:
        yield _finding(
            "cut_answer",
            f"{len(cut)} answer{'s were' if len(cut) > 1 else ' was'} cut off at the token limit",
            cut,
            _one_thread(cut),
        )


def _finding(
    kind: Any, message: str, steps: Sequence[_Numbered], agent: str | None, tool: str | None = None
) -> doc.Finding:
    return doc.Finding(
        kind=kind,
        message=message,
        steps=sorted(each.number for each in steps)[:STEPS_NAMED_MAX],
        count=len(steps),
        agent=agent or None,
        tool=tool,
    )


def _one_thread(steps: Sequence[_Numbered]) -> str | None:
    threads = {each.step.thread for each in steps}
    return threads.pop() if len(threads) == 1 else None


def _error(each: _Numbered) -> str:
    return (each.step.error or "")[:ERROR_CHARS_MAX]


def _tool(step: Told) -> str:
    return str(step.span.row["GenAiToolName"])


def _model(step: Told) -> str:
    row = step.span.row
    return str(row["GenAiRequestModel"] or row["GenAiResponseModel"] or "the model")


def _input(step: Told) -> int:
    return int(step.span.row["GenAiInputTokens"])
