"""What both OTLP doors do with a request once its bytes are at hand, and what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import Decoded, MalformedRecordError
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clew.surfaces.otlp.walls import BodyBudget

NOTHING = Decoded(0)


@dataclass(slots=True)
class SignalCounters:
    """What the doors did with one signal's requests since the server started.

    `malformed` and `shed` are those that a door turned away before the store saw them: `shed` are
    to be sent again, `malformed` are not. The store counts what it turns away itself.
    """

    requests: int = 0
    malformed: int = 0
    shed: int = 0


class Intake:
    """The way from a door to the store, shared by both doors.

    `accept` maps each signal to what makes a request of it durable: it returns once the records
    would survive a crash, and raises MalformedRecordError or ClewError. `check` raises ClewError
    where no records are taken at all.
    """

    def __init__(
        self,
        accept: Mapping[Signal, Callable[[bytes], Awaitable[Decoded]]],
        budget: BodyBudget,
        check: Callable[[], object],
    ) -> None:
        self._accept = accept
        self._check = check
        self.budget = budget
        self.counters = {signal: SignalCounters() for signal in Signal}

    async def accept(self, signal: Signal, body: bytes) -> Decoded:
        """Keep the records of a serialised export request durably; say how many were refused.

        Raises:
            ClewError: INVALID_ARGUMENT when the bytes are no such request (sending them again is
                useless), OVERLOADED or UNAVAILABLE when they are to be sent again later.
        """
        try:
            if body:
                decoded = await self._accept[signal](body)
            else:
                # A valid request without records; it needs no log. Where none are taken it is
                # refused like any other: it may be a probe of whether to send here.
                self._check()
                decoded = NOTHING
        except MalformedRecordError as error:
            raise malformed(signal, error) from error
        self.counters[signal].requests += 1
        return decoded

    def count_refusal(self, signal: Signal, error: ClewError) -> None:
        """Count a request that a door turned away itself."""
        counters = self.counters[signal]
        match error.code:
            case ErrorCode.OVERLOADED | ErrorCode.UNAVAILABLE:
                counters.shed += 1
            case ErrorCode.INVALID_ARGUMENT | ErrorCode.TOO_LARGE | ErrorCode.UNSUPPORTED:
                counters.malformed += 1
            case _:
                # The sender's own doing (too slow, not allowed): nothing of ours was lost by it.
                return


def malformed(signal: Signal, error: MalformedRecordError) -> ClewError:
    """Say to the sender that its bytes are no request; sending them again is useless."""
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"not an OTLP {signal} request: {error}")
