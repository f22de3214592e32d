"""Stages as spans of OpenTelemetry, linked to the spans that made their inputs.

Imported where that is wished, since it brings OpenTelemetry with it. A link is there where the
input came in our hand, which knows its span; an input that came over a wire has its id alone, by
which the server finds its span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

from clew.base.beginning import begin_telemetry
from clew.lineage.stages import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.trace import Span

    from clew.lineage.stages.carrier import Input

SCOPE: Final = "clew.lineage"

_ENDS: Final = (StopIteration, StopAsyncIteration, GeneratorExit)
"""How a generator says that there is no more, which is no failure of it."""


class StageSpan:
    """The span of one output, from its beginning until it is out. Nothing of it raises."""

    __slots__ = ("_span", "_token", "context")

    def __init__(self, name: str, inputs: Iterable[Input]) -> None:
        self._span: Span = trace.get_tracer(SCOPE).start_span(
            name,
            links=[_link(found) for found in inputs if isinstance(found[1], SpanContext)],
            attributes={names.STAGE: name},
        )
        self.context: Final = self._span.get_span_context()
        self._token: Any = attach(trace.set_span_in_context(self._span))

    def link(self, inputs: Iterable[Input]) -> None:
        """Link inputs that came later."""
        for found in inputs:
            if isinstance(found[1], SpanContext):
                self._span.add_link(found[1], {names.TRACE_ID: str(found[0])})

    def leave(self, *, is_here: bool) -> None:
        """Be no more the span of here, unless here is another context than it was opened in."""
        token, self._token = self._token, None
        if token is not None and is_here:
            detach(token)

    def end(self, item: Mapping[str, str]) -> None:
        """End it with what is known of the output; nothing where there is none."""
        self._span.set_attributes(item)
        self._span.end()

    def fail(self, error: BaseException) -> None:
        """End it by what the stage raised."""
        if not isinstance(error, _ENDS):
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self._span.end()


def begin_spans() -> None:
    """Have a provider of spans, as `clew.init` sets one up, where nobody did.

    Raises:
        BeginningError: it could not be.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        begin_telemetry()


def _link(found: Input) -> Link:
    assert isinstance(found[1], SpanContext)
    return Link(found[1], {names.TRACE_ID: str(found[0])})
