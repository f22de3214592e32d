"""The OTLP/gRPC door: the three Export services over raw bytes.

The handlers take the stream form although every call carries one message. On the wire the two are
the same, but a unary handler is only called once the message is in memory, however many clients
send at once; here a call waits for its turn before its message is read. (Cost: about 0.04 ms of
0.2 ms per call; measured with 10 spans per request.)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import grpc

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import ACKS_HEADER
from clew.surfaces.errors import grpc_status, retry_after_ms
from clew.surfaces.otlp.answers import Encoding, encode_response, encode_status
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clew.surfaces.otlp.intake import Intake
    from clew.surfaces.otlp.walls import Rate

    Call = Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]

SERVICES: Final = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}

MESSAGES_READ_MAX: Final = 16
"""Messages that arrive at once: times 64 MiB, a gibibyte at the very worst."""

TURN_SECONDS_MAX: Final = 5.0
"""How long a call waits for its turn: half the timeout that exporters have by default."""

MESSAGE_SECONDS_MAX: Final = 30.0
"""How long a message may take to arrive; the HTTP door gives a body the same."""

STATUS_DETAILS: Final = "grpc-status-details-bin"
"""The trailer in which google.rpc.Status travels, and with it RetryInfo."""

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class ExportServices:
    """Trace, Logs and Metrics Export. One instance belongs to one event loop."""

    def __init__(
        self,
        intake: Intake,
        *,
        request_rate: Rate,
        byte_rate: Rate,
        message_seconds_max: float = MESSAGE_SECONDS_MAX,
    ) -> None:
        self._intake = intake
        self._request_rate = request_rate
        self._byte_rate = byte_rate
        self._message_seconds_max = message_seconds_max
        self._turns = asyncio.Semaphore(MESSAGES_READ_MAX)
        self.answers: Counter[int] = Counter()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return what a server needs to answer the three services."""
        return [
            grpc.method_handlers_generic_handler(
                service, {"Export": grpc.stream_unary_rpc_method_handler(self._exporter(signal))}
            )
            for signal, service in SERVICES.items()
        ]

    def _exporter(self, signal: Signal) -> Call:
        async def export(_messages: AsyncIterator[bytes], context: Any) -> bytes:
            with self._intake.budget.hold() as hold:
                try:
                    self._request_rate.take(1)
                    self._byte_rate.take(0)
                    message = await self._read(context)
                    self._byte_rate.owe(len(message))
                    hold.grow(len(message))
                except ClewError as error:
                    self._intake.count_refusal(signal, error)
                    return await self._refuse(error, context)
                try:
                    decoded = await self._intake.accept(signal, message)
                except ClewError as error:
                    return await self._refuse(error, context)
            self.answers[0] += 1
            if decoded.copies is not None:
                context.set_trailing_metadata(((ACKS_HEADER, str(decoded.copies)),))
            return encode_response(signal, decoded.rejected, Encoding.PROTOBUF)

        return export

    async def _read(self, context: Any) -> bytes:
        """Return the message of a call, empty when the client sent none."""
        try:
            async with asyncio.timeout(TURN_SECONDS_MAX):
                await self._turns.acquire()
        except TimeoutError:
            raise ClewError(
                ErrorCode.OVERLOADED, "too many requests arrive at once", retry_after_ms=1000
            ) from None
        try:
            async with asyncio.timeout(self._message_seconds_max):
                message = await context.read()
        except TimeoutError:
            raise ClewError(
                ErrorCode.TIMEOUT,
                f"the message did not arrive in {self._message_seconds_max:g} s",
            ) from None
        finally:
            self._turns.release()
        return message if isinstance(message, bytes) else b""

    async def _refuse(self, error: ClewError, context: Any) -> bytes:
        """End the call with a status; RetryInfo tells exporters to come back, and when."""
        code = grpc_status(error.code)
        self.answers[code] += 1
        message = error.message if error.hint is None else f"{error.message}: {error.hint}"
        details = encode_status(
            code, message, Encoding.PROTOBUF, retry_after_ms=retry_after_ms(error)
        )
        context.set_trailing_metadata(((STATUS_DETAILS, details),))
        context.set_code(_STATUS_CODES[code])
        context.set_details(message)
        return b""
