"""Link sets as log records of OpenTelemetry: for who exports telemetry anyway, and opens no port.

It is `TraceLinkPublisher` by another way, and holds what it is given to the same rules. A record
takes some twenty times as long as a datagram's slot; from there on it waits in the queue of the
SDK, which is bounded, and whose losses the SDK counts. What the records look like is told in
docs/internals/lineage.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger_provider
from opentelemetry._logs._internal import ProxyLoggerProvider

from clew.base.beginning import begin_telemetry
from clew.lineage.layout import NULL_TRACE_ID, TRACE_ID_MAX
from clew.lineage.publisher import (
    EPOCH_MAX,
    STREAM_ID_MAX,
    Drop,
    PublisherStatistics,
    check_range,
)
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import PARENTS_MAX_DEFAULT, find_fault
from clew.lineage.stages import names
from clew.lineage.stages.context import describe_item
from clew.lineage.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry._logs import LoggerProvider

SCOPE: Final = "clew.lineage"
"""The instrumentation scope of the records."""

SET_EVENT: Final = "tracelink.set"
"""The event name of a record that tells which inputs an output was made of."""

ITEM_EVENT: Final = "tracelink.item"
"""The event name of a record that tells which trace id an item has."""


class LogLinkPublisher:
    """Publishes the link sets of one stream as log records. From any thread.

    Args:
        stream_id: of the outputs, 0 to 2^32 - 1.
        epoch: of the outputs, where no other is given with them.
        max_parents: of one set.
        provider: of the loggers; by default that of the process, which is set up as `clew.init`
            does where nobody did.

    Raises:
        ClewError: INVALID_ARGUMENT where one of them cannot be.
        BeginningError: telemetry could not be set up.
    """

    def __init__(
        self,
        *,
        stream_id: int,
        epoch: int = 0,
        max_parents: int = PARENTS_MAX_DEFAULT,
        provider: LoggerProvider | None = None,
    ) -> None:
        check_range("stream_id", stream_id, STREAM_ID_MAX)
        check_range("epoch", epoch, EPOCH_MAX)
        if provider is None:
            if isinstance(get_logger_provider(), ProxyLoggerProvider):
                begin_telemetry()
            provider = get_logger_provider()
        self.stream_id: Final = stream_id
        self.epoch = epoch
        self.max_parents: Final = max_parents
        self._provider = provider
        self._logger = provider.get_logger(SCOPE)
        # Where OpenTelemetry is switched off nobody takes what is said.
        self._is_heard = not isinstance(provider, ProxyLoggerProvider)
        self._is_closed = False
        self._streams: list[LogLinkPublisher] = []
        self._accepted = Tally()
        self._dropped: Mapping[Drop | Fault, Tally] = {
            reason: Tally() for reason in (*Drop, *Fault)
        }
        self._untraced = Tally()
        self._duplicate = Tally()

    def emit(
        self, seq: int, trace_id: int, parents: Sequence[int], *, epoch: int | None = None
    ) -> bool:
        """Tell which inputs an output was made of; return whether it is on its way.

        As `TraceLinkPublisher.emit`: never raises, never waits.
        """
        try:
            fault = self._find_fault(seq, trace_id, parents, epoch)
            if fault is not None:
                return self._drop(fault)
            said = self._describe(seq, trace_id, epoch)
            said[names.PARENTS] = [str(each) for each in self._tidied(parents)]
            return self._hand_over(SET_EVENT, said, time.time_ns())
        except Exception:  # noqa: BLE001 - what is traced must not break; `parents` may be anything
            return self._drop(Drop.INVALID)

    def describe(
        self,
        seq: int,
        trace_id: int,
        *,
        epoch: int | None = None,
        timestamp_ns: int | None = None,
    ) -> bool:
        """Tell which trace id an output has; return whether it is on its way.

        As `TraceLinkPublisher.describe`: never raises, never waits.
        """
        try:
            if not _fits(seq, trace_id, self.epoch if epoch is None else epoch):
                return self._drop(Fault.OUT_OF_RANGE)
            at = time.time_ns() if timestamp_ns is None else timestamp_ns
            return self._hand_over(ITEM_EVENT, self._describe(seq, trace_id, epoch), at)
        except Exception:  # noqa: BLE001 - as above
            return self._drop(Drop.INVALID)

    def open_stream(self, stream_id: int, *, epoch: int | None = None) -> LogLinkPublisher:
        """Return a publisher of another stream, which ends with this one.

        Raises:
            ClewError: INVALID_ARGUMENT where one of them cannot be.
        """
        made = LogLinkPublisher(
            stream_id=stream_id,
            epoch=self.epoch if epoch is None else epoch,
            max_parents=self.max_parents,
            provider=self._provider,
        )
        self._streams.append(made)
        return made

    def statistics(self) -> PublisherStatistics:
        """Return what was counted. Sent is what the SDK took; what it lost, it counts itself."""
        accepted = self._accepted.read()
        return PublisherStatistics(
            accepted=accepted,
            sent=accepted,
            waiting=0,
            dropped={reason: tally.read() for reason, tally in self._dropped.items()},
            untraced_parents=self._untraced.read(),
            duplicate_parents=self._duplicate.read(),
        )

    def close(self) -> None:
        """Drop everything as closed from now on. What was said is the SDK's to send."""
        self._is_closed = True
        for stream in self._streams:
            stream.close()

    def _find_fault(
        self, seq: int, trace_id: int, parents: Sequence[int], epoch: int | None
    ) -> Fault | None:
        kept = dict.fromkeys(parents)
        kept.pop(NULL_TRACE_ID, None)
        fault = find_fault(trace_id, kept, self.max_parents)
        if fault is not None:
            return fault
        fits = _fits(seq, trace_id, self.epoch if epoch is None else epoch, *kept)
        return None if fits else Fault.OUT_OF_RANGE

    def _tidied(self, parents: Sequence[int]) -> list[int]:
        """Return the parents that are no zeros, each once, in their order; count the others."""
        kept: dict[int, None] = {}
        for parent in parents:
            if parent == NULL_TRACE_ID:
                self._untraced.add()
            elif parent in kept:
                self._duplicate.add()
            else:
                kept[parent] = None
        return list(kept)

    def _describe(self, seq: int, trace_id: int, epoch: int | None) -> dict[str, Any]:
        at = self.epoch if epoch is None else epoch
        return {**describe_item(trace_id, self.stream_id, at, seq)}

    def _hand_over(self, event: str, said: dict[str, Any], at: int) -> bool:
        if self._is_closed or not self._is_heard:
            return self._drop(Drop.CLOSED if self._is_closed else Drop.UNREACHABLE)
        self._logger.emit(
            LogRecord(
                timestamp=at,
                observed_timestamp=at,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=event,
                attributes=said,
                event_name=event,
            )
        )
        self._accepted.add()
        return True

    def _drop(self, reason: Drop | Fault) -> bool:
        self._dropped[reason].add()
        return False


def _fits(*numbers: int) -> bool:
    """Return whether all are whole numbers of 64 bits."""
    return all(isinstance(each, int) and 0 <= each <= TRACE_ID_MAX for each in numbers)
