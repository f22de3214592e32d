"""A workflow of the editor as code runs it: one trace, one process of the blueprint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace

from clew.twin import Process, TriLogLogger, tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

P = TypeVar("P", bound=Process)

logger = TriLogLogger(__name__)
tracer = trace.get_tracer(__name__)


@contextmanager
def running(kind: type[P], **fields: Any) -> Iterator[P]:
    """Run a block as a process: its steps are told as they are recorded, and how it ended.

    with running(Rendering, export=export) as flow:
        flow.record_step("queued")
    """
    with tracer.start_as_current_span(kind.__name__) as span:
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        with tracked(kind(trace_id, **fields)) as flow:
            logger.created(flow)
            try:
                yield flow
            except Exception as error:
                flow.fail(error)
                raise
            flow.complete()
