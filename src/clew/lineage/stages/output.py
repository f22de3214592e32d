"""One output of a stage: what it was made of, its id, and what is told of it when it is out.

The id is settled when somebody asks for it, or when the output is out: until then inputs may come,
as with an agent that calls one tool after the other. What is told goes out at the end, when the
item is there; a stage that fails has no output, and nothing is told.

Nothing of tracing raises here. Where something of ours fails, that is counted, and the output has
the id 0.
"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Final, Self, TypeVar

from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.sbe.linkset import PARENTS_MAX
from clew.lineage.stages.carrier import Traced, carry, find_trace_id, span_of
from clew.lineage.stages.context import CURRENT, describe_item
from clew.lineage.stages.tracing import current_tracing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextvars import Token

    from clew.lineage.stages.carrier import Input
    from clew.lineage.stages.spans import StageSpan
    from clew.lineage.stages.tracing import Stream, Tracing

T = TypeVar("T")

PARENTS_KEPT_MAX: Final = PARENTS_MAX + 1
"""Of one output. A set of so many is refused as having too many; to keep more would say no more."""


class Stage:
    """What the outputs of one stage have in common. From any thread.

    Args:
        name: of the stage, for people.
        stream_id: of its outputs, 0 to 2^32 - 1; by default a checksum of the name.
        new_id: outputs have an id of their own though they have one input, and a link set tells of
            it: what splits an item, or tags it anew.
    """

    __slots__ = ("_opened", "name", "new_id", "stream_id")

    def __init__(self, name: str, *, stream_id: int | None = None, new_id: bool = False) -> None:
        self.name: Final = name
        self.stream_id: Final = zlib.crc32(name.encode()) if stream_id is None else stream_id
        self.new_id: Final = new_id
        self._opened: tuple[Tracing, Stream] | None = None

    def stream_of(self, tracing: Tracing) -> Stream:
        """Return where the outputs are numbered and told of.

        Raises:
            ClewError: as `Tracing.open_stream`.
        """
        found = self._opened
        if found is None or found[0] is not tracing:
            found = self._opened = (tracing, tracing.open_stream(self.stream_id))
        return found[1]


class Output:
    """An output that is being made. Used with `with`, in one thread; or handed in by a stage.

    Attributes:
        epoch: of the item, that of the tracing unless it is set before the end.
        seq: its number in the stream, counted by the stage unless it is set before the end.
    """

    __slots__ = (
        "_epoch",
        "_is_discarded",
        "_parents",
        "_seq",
        "_span",
        "_spans",
        "_stage",
        "_token",
        "_trace_id",
        "_tracing",
    )

    def __init__(self, stage: Stage, inputs: Collection[object] = ()) -> None:
        self._tracing = current_tracing()
        self._stage = stage
        self._parents: list[int] = []
        self._spans: list[Input] = []
        self._trace_id: int | None = None
        self._seq: int | None = None
        self._epoch: int | None = None
        self._is_discarded = False
        self._token: Token[Output | None] | None = None
        self._span: StageSpan | None = None
        if self._tracing is not None:
            try:
                self.add(*inputs)
            except Exception:  # noqa: BLE001 - what is traced must not break; they may be anything
                self._tracing.failures.add()

    @property
    def is_traced(self) -> bool:
        """Whether tracing is on."""
        return self._tracing is not None

    @property
    def is_settled(self) -> bool:
        """Whether the id is settled, so that inputs cannot change it any more."""
        return self._trace_id is not None

    @property
    def stream_id(self) -> int:
        """The stream of the item."""
        return self._stage.stream_id

    @property
    def parents(self) -> tuple[int, ...]:
        """The ids of the inputs so far, 0 for those that were not traced."""
        return tuple(self._parents)

    @property
    def seq(self) -> int:
        """The number of the item in its stream; 0 where nothing is traced."""
        if self._seq is None:
            self._seq = self._number()
        return self._seq

    @seq.setter
    def seq(self, value: int) -> None:
        self._seq = value

    @property
    def epoch(self) -> int:
        """The epoch of the item."""
        if self._epoch is not None:
            return self._epoch
        return 0 if self._tracing is None else self._tracing.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch = value

    @property
    def trace_id(self) -> int:
        """The id of the output, settled by the first look; 0 where nothing is traced."""
        if self._trace_id is None:
            self._trace_id = self._settle()
        return self._trace_id

    @property
    def attributes(self) -> dict[str, str]:
        """The item as attributes of spans and logs; nothing where it is not traced."""
        trace_id = self.trace_id
        if trace_id == NULL_TRACE_ID:
            return {}
        return describe_item(trace_id, self.stream_id, self.epoch, self.seq)

    def add(self, *inputs: object) -> None:
        """Say what the output is made of, besides what was said.

        An input that carries no id was not traced: it is counted, and no link tells of it. An input
        that comes when the id was settled as that of another one is counted as late.
        """
        if self._tracing is None:
            return
        for each in inputs:
            self.take(((find_trace_id(each) or NULL_TRACE_ID, span_of(each)),))

    def take(self, inputs: Sequence[Input]) -> None:
        """Say what the output is made of, by ids."""
        tracing = self._tracing
        if tracing is None:
            return
        is_reused = self._trace_id is not None and self._trace_id in self._parents
        if self._span is not None:
            self._span.link(inputs)
        for found in inputs:
            if is_reused:
                tracing.late_inputs.add()
            elif len(self._parents) < PARENTS_KEPT_MAX:
                self._parents.append(found[0])
                if found[1] is not None:
                    self._spans.append(found)

    def carry(self, value: T) -> Traced[T]:
        """Return a value as this output: with its id, and in its metadata where it has any."""
        trace_id = self.trace_id
        if trace_id == NULL_TRACE_ID:
            return Traced(value)
        span = None if self._span is None else self._span.context
        return Traced(carry(value, trace_id), trace_id, span)

    def discard(self) -> None:
        """Say that there is no output: nothing is told."""
        self._is_discarded = True

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._tracing is None:
            return
        self.leave(error)
        if error is None:
            self.tell()

    def enter(self, *, is_whole: bool = False) -> None:
        """Be what is made here; settle the id, where no further inputs are to come."""
        if self._tracing is not None:
            if is_whole and self._trace_id is None:
                self._trace_id = self._settle()
            self._token = CURRENT.set(self)
            if self._tracing.spans:
                self._open_span()

    def leave(self, error: BaseException | None = None) -> None:
        """Be no more what is made here; with an `error` there is no output."""
        token, self._token = self._token, None
        is_here = True
        if token is not None:
            try:
                CURRENT.reset(token)
            except ValueError:
                # Another task ends what this one began, in a context that ends by itself.
                is_here = False
        span, tracing = self._span, self._tracing
        if span is None or tracing is None:
            return
        try:
            span.leave(is_here=is_here)
            if error is not None:
                span.fail(error)
        except Exception:  # noqa: BLE001 - what the stage raised may do anything when it is told of
            tracing.failures.add()

    def tell(self) -> None:
        """Publish what the output was made of: it is out. Never raises, never waits."""
        tracing = self._tracing
        if tracing is None:
            return
        try:
            if self._span is not None:
                self._span.end({} if self._is_discarded else self.attributes)
            if not self._is_discarded:
                self._publish(tracing)
        except Exception:  # noqa: BLE001 - what is traced must not break
            tracing.failures.add()

    def _publish(self, tracing: Tracing) -> None:
        trace_id = self.trace_id
        publisher = self._stage.stream_of(tracing).publisher
        if any(self._parents) and trace_id not in self._parents:
            publisher.emit(self.seq, trace_id, self._parents, epoch=self.epoch)
        elif trace_id != NULL_TRACE_ID:
            now = time.time_ns()
            publisher.describe(self.seq, trace_id, epoch=self.epoch, timestamp_ns=now)

    def _open_span(self) -> None:
        tracing = self._tracing
        assert tracing is not None
        try:
            from clew.lineage.stages.spans import StageSpan

            self._span = StageSpan(self._stage.name, self._spans)
        except Exception:  # noqa: BLE001 - what is traced must not break
            tracing.failures.add()

    def _number(self) -> int:
        tracing = self._tracing
        if tracing is None:
            return 0
        try:
            return self._stage.stream_of(tracing).number()
        except Exception:  # noqa: BLE001 - what is traced must not break
            tracing.failures.add()
            return 0

    def _settle(self) -> int:
        tracing = self._tracing
        if tracing is None:
            return NULL_TRACE_ID
        try:
            generator = tracing.generator
            if self._stage.new_id:
                return generator.next()
            return generator.from_parents(self._parents, reuse_single=tracing.reuse_single)
        except Exception:  # noqa: BLE001 - what is traced must not break
            tracing.failures.add()
            return NULL_TRACE_ID


def join(
    inputs: Collection[object] = (),
    *,
    stage: str | Stage = "join",
    stream_id: int | None = None,
    new_id: bool = False,
) -> Output:
    """Make an output of several inputs, and tell of it at the end.

        with lineage.join([camera, lidar], stage="fusion") as out:
            fused = out.carry(fuse(camera.value, lidar.value))

    `inputs` are values that carry ids; more may come by `out.add(...)` until the id is asked for.
    Where the block raises, there is no output, and nothing is told.

    While tracing is off, all of this does nothing, and the id is 0.
    """
    if isinstance(stage, Stage):
        return Output(stage, inputs)
    return Output(Stage(stage, stream_id=stream_id, new_id=new_id), inputs)
