"""A run as a conversation: a page of steps, and figures and findings over all of them."""

from __future__ import annotations

import shlex
from bisect import bisect_left
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S, TimeRange, format_time
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.findings import FINDINGS_MAX, find
from clew.telemetry.genai.messages import (
    CallPart,
    OtherPart,
    ResultPart,
    Said,
    TextPart,
    canonical,
)
from clew.telemetry.genai.parameters import CHARS_MAX
from clew.telemetry.genai.records import RecordReader
from clew.telemetry.genai.run import Moment, read_run
from clew.telemetry.genai.steps import Teller, Told
from clew.telemetry.genai.usage import Bill
from clew.telemetry.query.slices import cut_slice, read_slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.telemetry.genai import parameters as ask
    from clew.telemetry.genai.messages import Json, Part
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.genai.run import GenAiSpan, Run
    from clew.telemetry.query.store import Store

NO_CONTENT: Final = (
    "what was said is not recorded: instrumentations leave it out unless told otherwise,"
    " mostly by OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
)

_STATUSES: Final[Mapping[str, Any]] = {"Ok": "ok", "Error": "error", "Unset": "unset"}

MESSAGES_MAX: Final = 200
"""Messages shown of one step; the rest are counted as left out."""


def get_transcript(
    store: Store, prices: PriceBook, name: str, query: ask.TranscriptQuery
) -> doc.Transcript:
    """Return a trace or a conversation as a transcript.

    Raises:
        ClewError: NOT_FOUND when there is none; INVALID_ARGUMENT for a parameter out of bounds.
    """
    if not name:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "no trace and no conversation is named",
            hint="clew conversations lists them",
        )
    if not 1 <= query.max_chars <= CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"max_chars must be between 1 and {CHARS_MAX}",
            hint="it bounds each text of the transcript",
        )
    snapshot = store.snapshot()
    # A run is told whole, whenever it was: there is no range, and no moment that one ends at.
    page = read_slice(f"steps of {name}", query, snapshot, window=TimeRange(), now=0)
    moment = Moment(store, snapshot, page.condition)
    run = read_run(moment, name)
    teller = Teller(run.spans, run.parents, full=bool(query.full))
    reader = RecordReader(moment, run.spans)
    for span, record in reader.read():
        teller.take(span, record)
    steps = teller.steps()
    shown, rest = cut_slice(list(enumerate(steps, 1)), page)
    writer = _Writer(prices, run.spans[0].at, query.max_chars)
    total = Bill(prices)
    for step in steps:
        if step.kind == "model":
            total.add(_cell(step.span, prices.tiers))
    has_content = any(
        step.given or step.answered or step.arguments is not None or step.result is not None
        for step in steps
    )
    findings, findings_left_out = find(steps)
    end = max(span.at + span.duration for span in run.spans)
    return doc.Transcript(
        conversation=run.conversation,
        trace_ids=list(run.trace_ids),
        agents=_distinct(span.agent for span in run.spans),
        models=_distinct(_model(step.span) for step in steps if step.kind == "model"),
        services=_distinct(span.service for span in run.spans),
        start_time=format_time(run.spans[0].at),
        end_time=format_time(end),
        duration_ms=(end - run.spans[0].at) / NS_PER_MS,
        turns=sum(step.kind == "model" for step in steps),
        tool_calls=sum(step.kind == "tool" for step in steps),
        error_count=sum(step.error is not None for step in steps),
        tokens=total.tokens(),
        cost=total.cost(),
        findings=findings,
        findings_left_out=findings_left_out,
        content=has_content,
        steps=[writer.step(number, step) for number, step in shown],
        count=len(shown),
        total=len(steps),
        truncated=rest is not None
        or any(
            (
                run.traces_left_out,
                run.spans_left_out,
                run.parents_left_out,
                reader.log_records_left_out,
            )
        ),
        other_spans=run.other_spans,
        traces_left_out=run.traces_left_out,
        spans_left_out=run.spans_left_out,
        parents_left_out=run.parents_left_out,
        log_records_left_out=reader.log_records_left_out,
        notes=[
            *_notes(run, writer, query, has_content=has_content),
            *_limits(run, reader.log_records_left_out, findings_left_out),
        ],
        next=rest,
    )


def _notes(
    run: Run, writer: _Writer, query: ask.TranscriptQuery, *, has_content: bool
) -> list[str]:
    notes = []
    if not has_content:
        notes.append(NO_CONTENT)
    if writer.left_out:
        notes.append(
            f"{writer.left_out} characters are cut off texts longer than {query.max_chars}:"
            " raise max_chars"
        )
    if writer.messages_left_out:
        notes.append(f"{writer.messages_left_out} messages past {MESSAGES_MAX} of a step are cut")
    if run.other_spans:
        others = "span is" if run.other_spans == 1 else "spans are"
        notes.append(
            f"{run.other_spans} other {others} not of GenAI: clew trace {run.trace_ids[-1]}"
        )
    if run.traces_elsewhere:
        more = "trace" if run.traces_elsewhere == 1 else "traces"
        notes.append(
            f"the conversation goes on in {run.traces_elsewhere} other {more}:"
            # A sender chose the name, and somebody may run the line as it stands.
            f" clew transcript {shlex.quote(run.conversation or '')}"
        )
    return notes


def _limits(run: Run, log_records_left_out: int, findings_left_out: int) -> list[str]:
    """Return in words what a limit kept out."""
    notes = []
    if run.traces_left_out:
        notes.append(
            f"{run.traces_left_out} older traces of the conversation are left out:"
            " clew traces --attribute gen_ai.conversation.id=… --view traces lists them"
        )
    if run.spans_left_out:
        notes.append(
            f"{run.spans_left_out} later GenAI spans are left out:"
            f" these are the first {len(run.spans)}"
        )
    if run.parents_left_out:
        notes.append(
            f"of {run.parents_left_out} later spans it is not looked up what they ran under:"
            " steps below them stand higher than they ran"
        )
    if log_records_left_out:
        notes.append(
            f"{log_records_left_out} log records of what was said are left out:"
            f" clew logs --trace-id {run.trace_ids[-1]}"
        )
    if findings_left_out:
        notes.append(f"{findings_left_out} findings past {FINDINGS_MAX} of a kind are left out")
    return notes


class _Writer:
    """Makes documents of steps, each text cut to so many characters."""

    def __init__(self, prices: PriceBook, start: int, chars_max: int) -> None:
        self._prices = prices
        self._start = start
        self._chars_max = chars_max
        self.left_out = 0
        self.messages_left_out = 0

    def step(self, number: int, step: Told) -> doc.Step:
        """Return one step."""
        span, row = step.span, step.span.row
        arguments, arguments_cut = self._value(step.arguments)
        result, result_cut = self._value(step.result)
        first = row["GenAiTimeToFirstToken"]
        return doc.Step(
            number=number,
            kind=step.kind,
            operation=span.operation or "unknown",
            name=_name(step),
            depth=step.depth,
            trace_id=span.trace_id,
            span_id=span.span_id,
            service=span.service,
            start_time=format_time(span.at),
            offset_ms=(span.at - self._start) / NS_PER_MS,
            duration_ms=span.duration / NS_PER_MS,
            status=_STATUSES.get(span.status, "unset"),
            agent=step.thread or None,
            model=_model(span) or None,
            provider=row["GenAiProvider"] or None,
            error=None if step.error is None else self._cut(step.error)[0],
            messages=self._messages(step),
            repeated_messages=step.repeated,
            arguments=arguments,
            result=result,
            call_id=row["GenAiToolCallId"] or None,
            left_out=arguments_cut + result_cut,
            finish_reasons=list(row["GenAiFinishReasons"]),
            time_to_first_token_ms=first / NS_PER_MS if first else None,
            **(self._figures(span) if step.kind == "model" else {}),
        )

    def _figures(self, span: GenAiSpan) -> dict[str, Any]:
        bill = Bill(self._prices)
        bill.add(_cell(span, self._prices.tiers))
        cost = bill.cost()
        return {
            "input_tokens": span.row["GenAiInputTokens"],
            "output_tokens": span.row["GenAiOutputTokens"],
            "cache_read_tokens": span.row["GenAiCacheReadTokens"],
            "cache_creation_tokens": span.row["GenAiCacheCreationTokens"],
            "reasoning_tokens": span.row["GenAiReasoningTokens"],
            "computed_usd": cost.usd,
            "reported_usd": cost.reported_usd,
        }

    def _messages(self, step: Told) -> list[doc.Message]:
        said = [
            *(self._message(each, "input") for each in step.given[:MESSAGES_MAX]),
            *(self._message(each, "output") for each in step.answered[:MESSAGES_MAX]),
        ]
        self.messages_left_out += len(step.given) + len(step.answered) - len(said)
        return said

    def _message(self, said: Said, direction: Any) -> doc.Message:
        return doc.Message(
            role=said.role[:40],
            direction=direction,
            parts=[self._part(part) for part in said.parts],
            name=said.name or None,
        )

    def _part(self, part: Part) -> doc.Part:
        match part:
            case TextPart(text, is_said):
                shown, left = self._cut(text)
                return doc.Part(type="text" if is_said else "reasoning", text=shown, left_out=left)
            case CallPart(id_, name, arguments):
                value, left = self._value(arguments)
                return doc.Part(
                    type="tool_call", id=id_ or None, name=name, arguments=value, left_out=left
                )
            case ResultPart(id_, name, result):
                value, left = self._value(result)
                return doc.Part(
                    type="tool_result",
                    id=id_ or None,
                    name=name or None,
                    result=value,
                    left_out=left,
                )
            case OtherPart(what):
                return doc.Part(type="other", text=what)

    def _value(self, value: Json) -> tuple[Json, int]:
        """Return a JSON value, or the beginning of its text where that is too long."""
        if value is None:
            return None, 0
        text = value if isinstance(value, str) else canonical(value)
        shown, left = self._cut(text)
        return (shown, left) if left or isinstance(value, str) else (value, 0)

    def _cut(self, text: str) -> tuple[str, int]:
        left = max(0, len(text) - self._chars_max)
        self.left_out += left
        return text[: self._chars_max], left


def _model(span: GenAiSpan) -> str:
    return str(span.row["GenAiResponseModel"] or span.row["GenAiRequestModel"])


def _name(step: Told) -> str:
    row = step.span.row
    named = {"agent": step.span.agent, "tool": row["GenAiToolName"], "model": _model(step.span)}
    return str(named.get(step.kind) or step.span.name)


def _distinct(names: Any) -> list[str]:
    return sorted({name for name in names if name})


def _cell(span: GenAiSpan, tiers: Sequence[int]) -> dict[str, Any]:
    """Return one call as the engine gives sums of many (`clew.telemetry.genai.usage`)."""
    row = span.row
    tokens = row["GenAiInputTokens"] + row["GenAiOutputTokens"]
    return {
        "calls": 1,
        "errors": int(span.status == "Error"),
        "without": int(tokens == 0),
        "day": datetime.fromtimestamp(span.at // NS_PER_S, UTC).date(),
        "provider": row["GenAiProvider"],
        "request_model": row["GenAiRequestModel"],
        "response_model": row["GenAiResponseModel"],
        "tier": bisect_left(tiers, row["GenAiInputTokens"]) if tokens else 0,
        "input_largest": row["GenAiInputTokens"],
        "input": row["GenAiInputTokens"],
        "output": row["GenAiOutputTokens"],
        "cache_read": row["GenAiCacheReadTokens"],
        "cache_creation": row["GenAiCacheCreationTokens"],
        "reasoning": row["GenAiReasoningTokens"],
        "reported": row["GenAiReportedCost"],
        "reported_calls": int(row["GenAiReportedCost"] > 0),
    }
