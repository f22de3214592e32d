"""Steps of a run, each with what is new in it.

Theory of operation. A call of a model is given the whole history each time. What was told before in
the same thread is left out: a thread is the talk of one agent, whichever trace it goes on in.
Messages are compared by their identity, and counted: a "yes" that a person says twice is told
twice. What a tool gave is told where the tool ran, if its run was recorded; the message that brings
it to the model is then nothing new.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.telemetry.genai.content import Content, read_content
from clew.telemetry.genai.messages import CallPart, Json, ResultPart, Said, canonical
from clew.telemetry.genai.run import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.telemetry.genai.content import Record
    from clew.telemetry.genai.run import GenAiSpan

Kind = Literal["agent", "model", "tool", "other"]

KINDS: Final[Mapping[str, Kind]] = {
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "agent",
    "chat": "model",
    "text_completion": "model",
    "generate_content": "model",
    "embeddings": "model",
    "rerank": "model",
    "execute_tool": "tool",
}

DEPTH_MAX: Final = 10_000
"""Parents that are followed upwards; a circle of them ends here."""


@dataclass(slots=True)
class Told:
    """One step: its span, where it stands, and what is new in it.

    `thread` is the agent whose talk it is part of. `arguments` and `result` are a tool's.
    """

    span: GenAiSpan
    kind: Kind
    thread: str
    error: str | None = None
    given: list[Said] = field(default_factory=list)
    answered: list[Said] = field(default_factory=list)
    repeated: int = 0
    arguments: Json = None
    result: Json = None
    asked: str = ""
    """What a model or a tool was asked: equal for equal questions, empty when nobody knows."""
    above: Told | None = None
    below: list[Told] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many steps it ran under."""
        count, step = 0, self.above
        while step is not None and count < DEPTH_MAX:
            count, step = count + 1, step.above
        return count


class Teller:
    """Takes spans in the order of their start and makes steps of them."""

    def __init__(
        self,
        spans: Sequence[GenAiSpan],
        parents: Mapping[tuple[str, str], str],
        *,
        full: bool = False,
    ) -> None:
        """Prepare; with `full`, history that was told before is told again."""
        self._full = full
        self._steps = {
            (span.trace_id, span.span_id): Told(span, KINDS.get(span.operation, "other"), "")
            for span in spans
        }
        for step in self._steps.values():
            step.above = self._find_above(step, parents)
        for step in self._steps.values():
            step.thread = _thread(step)
            if step.above is not None:
                step.above.below.append(step)
        self._told: defaultdict[str, Counter[bytes]] = defaultdict(Counter)
        self._tool_runs = {
            str(span.row["GenAiToolCallId"])
            for span in spans
            if span.operation == "execute_tool" and span.row["GenAiToolCallId"]
        }
        self._results_told: set[str] = set()
        self._asked: dict[str, Json] = {}
        self._gave: dict[str, Json] = {}
        self._late: list[tuple[Told, tuple[Said, ...]]] = []

    def take(self, span: GenAiSpan, record: Record) -> None:
        """Add what one span says. Spans MUST come in the order of their start."""
        step = self._steps[span.trace_id, span.span_id]
        step.error = error_text(span, record)
        content = read_content(record)
        match step.kind:
            case "model":
                self._take_given(step, content)
                step.answered = list(content.answered)
                self._note(step.thread, content.answered)
            case "agent":
                self._take_given(step, content)
                # What an agent answers is mostly what its last model did, which comes later.
                self._late.append((step, content.answered))
            case "tool":
                self._take_tool(step, content)
            case "other":
                # Chains and tasks repeat what the steps below them say.
                return

    def steps(self) -> list[Told]:
        """Return all steps as they are read: each followed by those that ran under it."""
        for step in self._steps.values():
            self._complete(step)
        for step, answered in self._late:
            told = self._told[step.thread]
            step.answered = [said for said in answered if self._full or not told[said.identity()]]
        ordered: list[Told] = []
        waiting = [step for step in reversed(self._steps.values()) if step.above is None]
        while waiting:
            step = waiting.pop()
            ordered.append(step)
            waiting.extend(reversed(step.below))
        return ordered

    def _find_above(self, step: Told, parents: Mapping[tuple[str, str], str]) -> Told | None:
        trace, parent = step.span.trace_id, step.span.parent_id
        seen = {step.span.span_id}
        while parent and parent not in seen and len(seen) < DEPTH_MAX:
            above = self._steps.get((trace, parent))
            if above is not None:
                return None if _is_under(above, step) else above
            seen.add(parent)
            parent = parents.get((trace, parent), "")
        return None

    def _take_given(self, step: Told, content: Content) -> None:
        identities = [said.identity() for said in content.given]
        step.asked = b"".join(identities).hex()
        if self._full:
            step.given = list(content.given)
            return
        left = self._told[step.thread].copy()
        for said, identity in zip(content.given, identities, strict=True):
            rest = self._without_results(said)
            if left[identity] > 0:
                left[identity] -= 1
                step.repeated += 1
            elif rest is None:
                self._told[step.thread][identity] += 1
                step.repeated += 1
            else:
                self._told[step.thread][identity] += 1
                step.given.append(rest)

    def _without_results(self, said: Said) -> Said | None:
        """Return a message without what tools gave that is told where they ran."""
        kept = []
        for part in said.parts:
            if isinstance(part, ResultPart):
                if part.id:
                    self._gave.setdefault(part.id, part.result)
                if part.id in self._tool_runs or canonical(part.result) in self._results_told:
                    continue
            kept.append(part)
        return Said(said.role, tuple(kept), said.name) if kept else None

    def _take_tool(self, step: Told, content: Content) -> None:
        step.arguments, step.result = content.arguments, content.result
        for said in content.given:
            for part in said.parts:
                if isinstance(part, CallPart) and step.arguments is None:
                    step.arguments = part.arguments
        for said in (*content.given, *content.answered):
            for part in said.parts:
                if isinstance(part, ResultPart) and step.result is None:
                    step.result = part.result
        if step.result is not None:
            self._results_told.add(canonical(step.result))

    def _complete(self, step: Told) -> None:
        """Fill in what only the messages of models say of a tool."""
        if step.kind != "tool":
            return
        call_id = str(step.span.row["GenAiToolCallId"])
        if step.arguments is None:
            step.arguments = self._asked.get(call_id)
        if step.result is None and step.error is None:
            step.result = self._gave.get(call_id)
        if step.arguments is not None:
            step.asked = canonical(step.arguments)

    def _note(self, thread: str, answered: Iterable[Said]) -> None:
        for said in answered:
            self._told[thread][said.identity()] += 1
            for part in said.parts:
                if isinstance(part, CallPart) and part.id:
                    self._asked.setdefault(part.id, part.arguments)


def _is_under(step: Told, top: Told) -> bool:
    """Whether a step lies under another already: ids that run in a circle."""
    place: Any = step
    for _ in range(DEPTH_MAX):
        if place is None:
            return False
        if place is top:
            return True
        place = place.above
    return True


def _thread(step: Told) -> str:
    place: Told | None = step
    for _ in range(DEPTH_MAX):
        if place is None:
            break
        if place.span.agent:
            return place.span.agent
        place = place.above
    return ""
