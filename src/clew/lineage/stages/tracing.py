"""Tracing of one process: off unless enabled, and then one generator and one way out for all.

A stage asks `current_tracing` at each call, which is one look at an attribute; so it may be
switched on and off at any time, and costs nothing that could be measured while it is off.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, Self

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.generator import TraceIdGenerator
from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.publisher import TraceLinkPublisher
from clew.lineage.tally import Tally
from clew.lineage.transport.address import LINKS_DEFAULT
from clew.lineage.transport.ring import LinkRing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.lineage.generator import GeneratorStatistics
    from clew.lineage.nodes import NodeLease
    from clew.lineage.publisher import PublisherStatistics

OTLP: Final = "otlp"
"""Where link sets go as log records."""

STREAMS_MAX: Final = 4096
"""Of one process: a stage has one, and more than so many are numbers that someone counts up."""


class LinkPublisher(Protocol):
    """What tells of the outputs of one stream. Nothing of it MAY raise or wait, `close` aside."""

    def emit(
        self, seq: int, trace_id: int, parents: Sequence[int], *, epoch: int | None = None
    ) -> bool:
        """Tell which inputs an output was made of; return whether it is on its way."""
        ...

    def describe(
        self,
        seq: int,
        trace_id: int,
        *,
        epoch: int | None = None,
        timestamp_ns: int | None = None,
    ) -> bool:
        """Tell which trace id an output has; return whether it is on its way."""
        ...

    def open_stream(self, stream_id: int, *, epoch: int | None = None) -> LinkPublisher:
        """Return one for another stream, which goes the same way and ends with this one."""
        ...

    def statistics(self) -> PublisherStatistics:
        """Return what was counted."""
        ...

    def close(self) -> None:
        """Send what waits, within a bound. Repeatable."""
        ...


@dataclass(frozen=True, slots=True)
class Stream:
    """The outputs of one stage in this process."""

    publisher: LinkPublisher
    number: Callable[[], int]
    """Return the number of the next output, from 1."""


@dataclass(frozen=True, slots=True)
class TracingStatistics:
    """What did not go as wished, since tracing was enabled."""

    generator: GeneratorStatistics
    late_inputs: int
    """Inputs that came to an output whose id was an input's already, and that no set tells of."""

    failures: int
    """Times that something of ours failed, and the stage went on as if it were not traced."""


class Tracing:
    """What the stages of a process have in common. From any thread.

    Args:
        generator: of the ids.
        publisher: whose way the streams of all stages go.
        epoch: of all outputs, unless a stage says another; one that no other process has, nor this
            one after a restart, where it is an id of the generator, as by default.
        reuse_single: several inputs of one id give an output of that id.
        spans: stages are spans of OpenTelemetry, linked to those that made their inputs.
    """

    def __init__(
        self,
        generator: TraceIdGenerator,
        publisher: LinkPublisher,
        *,
        epoch: int,
        reuse_single: bool = False,
        spans: bool = False,
    ) -> None:
        self.generator: Final = generator
        self.epoch: Final = epoch
        self.reuse_single: Final = reuse_single
        self.spans: Final = spans
        self.late_inputs: Final = Tally()
        self.failures: Final = Tally()
        self._publisher = publisher
        self._streams: dict[int, Stream] = {}
        self._opening = threading.Lock()

    def open_stream(self, stream_id: int) -> Stream:
        """Return a stream, the same each time; its outputs are numbered through.

        Raises:
            ClewError: INVALID_ARGUMENT for a number that is none; TOO_LARGE beyond `STREAMS_MAX`.
        """
        found = self._streams.get(stream_id)
        if found is not None:
            return found
        with self._opening:
            found = self._streams.get(stream_id)
            if found is None:
                if len(self._streams) >= STREAMS_MAX:
                    raise ClewError(
                        ErrorCode.TOO_LARGE,
                        f"{STREAMS_MAX} streams are open already",
                        hint="a stage has one stream; what counts up is the number of the item",
                    )
                publisher = self._publisher.open_stream(stream_id, epoch=self.epoch)
                found = self._streams[stream_id] = Stream(publisher, count(1).__next__)
            return found

    def statistics(self) -> TracingStatistics:
        """Return what was counted; that of a stream is its publisher's."""
        return TracingStatistics(
            self.generator.statistics(), self.late_inputs.read(), self.failures.read()
        )

    def close(self) -> None:
        """Send what waits, within a bound; disable tracing, if this is what is enabled."""
        if SWITCH.tracing is self:
            SWITCH.tracing = None
        self._publisher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Switch:
    """What is enabled."""

    __slots__ = ("lock", "tracing")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tracing: Tracing | None = None


SWITCH: Final = _Switch()
"""Of this process. Stages look at it themselves, which is sooner than a call."""


def enable_tracing(
    node_id: int | None = None,
    *,
    lease: NodeLease | None = None,
    to: str | LinkRing | LinkPublisher | None = None,
    epoch: int | None = None,
    clock: Callable[[], int] | None = None,
    reuse_single: bool = False,
    spans: bool = False,
) -> Tracing:
    """Trace the stages of this process from now on. Closing what is returned ends it.

    Args:
        node_id: of the generator, one of its own to each process of the deployment.
        lease: who lent a node id, where none is given.
        to: where link sets go: an address, ``otlp`` for log records through the process's own
            telemetry, a ring of this process, or a publisher; by default the address of
            CLEW_LINKS, else that of a server on this machine.
        epoch: of all outputs, 0 to 2^64 - 1; by default a new trace id.
        clock: Unix milliseconds, where not the machine's clock counts.
        reuse_single: several inputs of one id give an output of that id, and not a new one.
        spans: make each stage a span, linked to those that made its inputs.

    Raises:
        ClewError: INVALID_ARGUMENT where there is no node id, or an argument cannot be; CONFLICT
            when tracing is enabled already.
        BeginningError: telemetry could not be set up, where it is needed.
    """
    with SWITCH.lock:
        if SWITCH.tracing is not None:
            raise ClewError(
                ErrorCode.CONFLICT,
                "tracing is enabled already",
                hint="close what enable_tracing returned, or call disable_tracing()",
            )
        generator = TraceIdGenerator(node_id, lease=lease, clock=clock)
        first = generator.next() if epoch is None else epoch
        way = os.environ.get("CLEW_LINKS") or LINKS_DEFAULT if to is None else to
        publisher = _open_publisher(way, first)
        if spans:
            from clew.lineage.stages.spans import begin_spans

            begin_spans()
        made = Tracing(generator, publisher, epoch=first, reuse_single=reuse_single, spans=spans)
        SWITCH.tracing = made
        return made


def _open_publisher(to: str | LinkRing | LinkPublisher, epoch: int) -> LinkPublisher:
    if to == OTLP:
        from clew.lineage.logs import LogLinkPublisher

        return LogLinkPublisher(stream_id=0, epoch=epoch)
    if isinstance(to, str | LinkRing):
        return TraceLinkPublisher(to, stream_id=0, epoch=epoch)
    return to


def disable_tracing() -> None:
    """Trace no more; what waits is sent within a bound. Does nothing where tracing is off."""
    found = SWITCH.tracing
    if found is not None:
        found.close()


def current_tracing() -> Tracing | None:
    """Return what is enabled; None while tracing is off."""
    return SWITCH.tracing


def trace_id_for_output(source: Tracing | TraceIdGenerator | None, parents: Sequence[int]) -> int:
    """Return the id of an output by the ids of its inputs, for a stage that is written by hand.

    None that was traced: a new id. One input: its own. Several: a new one. Without a `source`, or
    where there is no id to give, 0. Never raises.
    """
    if source is None:
        return NULL_TRACE_ID
    if isinstance(source, Tracing):
        return source.generator.from_parents(parents, reuse_single=source.reuse_single)
    return source.from_parents(parents)


def emit_tracelink(
    publisher: LinkPublisher | None,
    seq: int,
    trace_id: int,
    parents: Sequence[int],
    *,
    epoch: int | None = None,
) -> bool:
    """Tell which inputs an output was made of; return whether it is on its way.

    Call it when the output is out. Without a publisher nothing is told. Never raises, never waits.
    """
    return publisher is not None and publisher.emit(seq, trace_id, parents, epoch=epoch)
