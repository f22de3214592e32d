"""The load: trace requests to a server, from a process of its own, bounded in time and count.

``python -m bench.load`` prints one JSON object (`LoadResult`) as its last line. Each of the
connections has one request under way. A request that is turned away (429, 503,
RESOURCE_EXHAUSTED, UNAVAILABLE) is sent again after the time the server asked for; the latency of
its ack then counts from its first sending.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

import grpc
import msgspec
import uvloop
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from bench.data import TEMPLATES, SpanRequests
from bench.figures import percentile
from bench.processes import run_child

if TYPE_CHECKING:
    from collections.abc import Iterator

GRPC_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

RETRY_S_MAX: Final = 5.0
"""A server that asks for more patience than this is asked again after this."""

ANSWER_S_MAX: Final = 60.0
"""No ack takes this long unless the server hangs; the run then fails."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. Ends at `seconds` or `spans_max`, whichever comes first."""

    door: str
    port: int
    spans_per_request: int
    connections: int
    seconds: float
    spans_max: int
    start_ns: int
    rate: float = 0.0
    """Spans a second; as fast as the acks come when 0."""
    seed: int = 1


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latencies are milliseconds from sending to the server's answer."""

    acked_spans: int
    refused_spans: int
    """Refused one by one in a partial success."""
    retries: int
    seconds: float
    ack_p50_ms: float
    ack_p99_ms: float
    ack_max_ms: float
    client_cpu_s: float


def send(load: Load) -> LoadResult:
    """Run the load in a child process and return what came of it."""
    arguments = [f"--{name}={value}" for name, value in msgspec.structs.asdict(load).items()]
    result = run_child("bench.load", arguments, timeout_s=load.seconds + 2 * ANSWER_S_MAX)
    return msgspec.convert(result, LoadResult)


class Answer(NamedTuple):
    """A server's answer: taken (with the response's body), or to be sent again after a while."""

    body: bytes | None
    retry_s: float = 0.0


class Connection(Protocol):
    """One connection with one request under way at a time."""

    async def export(self, body: bytes) -> Answer:
        """Send a request and return its answer."""
        ...


class HttpConnection(asyncio.Protocol):
    """OTLP/HTTP over a kept-alive connection, with just enough HTTP for our own server."""

    def __init__(self, port: int) -> None:
        self._head = (
            f"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            "content-type: application/x-protobuf\r\ncontent-length: "
        ).encode()
        self._received = b""
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> HttpConnection:
        """Connect to a port of this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: cls(port), "127.0.0.1", port
        )
        return connection

    async def export(self, body: bytes) -> Answer:
        """Send a request and return its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"".join((self._head, b"%d\r\n\r\n" % len(body), body)))
        return await asyncio.wait_for(self._answer, ANSWER_S_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not of asyncio's classes, though they have all their methods.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits, if one does."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the server hung up: {exc}"))

    def data_received(self, data: bytes) -> None:
        """Gather an answer; when it is whole, hand it over."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        first, *lines = head.split(b"\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        if len(body) < int(headers[b"content-length"]):
            return
        self._received = b""
        status = int(first.split(b" ", 2)[1])
        if status == 200:
            self._answer.set_result(Answer(body))
        elif status in {429, 503}:
            self._answer.set_result(Answer(None, float(headers.get(b"retry-after", b"1"))))
        else:
            self._answer.set_exception(RuntimeError(f"answer {status}: {body[:500]!r}"))


class GrpcConnection:
    """OTLP/gRPC over a channel of its own, bodies as they are."""

    def __init__(self, port: int) -> None:
        # Without it, equal channels share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._call = self._channel.unary_unary(GRPC_METHOD)

    async def export(self, body: bytes) -> Answer:
        """Send a request and return its answer."""
        try:
            return Answer(await self._call(body, timeout=ANSWER_S_MAX))
        except grpc.aio.AioRpcError as error:
            again = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
            if error.code() in again:
                return Answer(None, 0.25)
            raise


class _Sender:
    """Sends from several connections and keeps count."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.acked = self.refused = self.retries = self.taken = 0
        self.latencies_ms: list[float] = []
        self._supply = self._requests()
        self._begin = 0.0

    async def run(self) -> LoadResult:
        """Send until the bound of time or count, and return the sums."""
        load = self.load
        connections: list[Connection] = [
            await HttpConnection.open(load.port)
            if load.door == "http"
            else GrpcConnection(load.port)
            for _ in range(load.connections)
        ]
        # The templates are built before the clock starts.
        for number in range(TEMPLATES):
            SpanRequests(load.spans_per_request).block(number)
        self._begin = time.perf_counter()
        await asyncio.gather(*(self._work(connection) for connection in connections))
        seconds = time.perf_counter() - self._begin
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return LoadResult(
            acked_spans=self.acked,
            refused_spans=self.refused,
            retries=self.retries,
            seconds=seconds,
            ack_p50_ms=percentile(self.latencies_ms, 0.5),
            ack_p99_ms=percentile(self.latencies_ms, 0.99),
            ack_max_ms=max(self.latencies_ms),
            client_cpu_s=usage.ru_utime + usage.ru_stime,
        )

    def _requests(self) -> Iterator[bytes]:
        """Yield requests until a bound is reached; the clock is asked before each."""
        load = self.load
        supply = iter(SpanRequests(load.spans_per_request, load.start_ns, load.seed))
        while self.taken < load.spans_max and time.perf_counter() - self._begin < load.seconds:
            self.taken += load.spans_per_request
            yield next(supply)

    async def _work(self, connection: Connection) -> None:
        for body in self._supply:
            if self.load.rate:
                due = self._begin + self.taken / self.load.rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await self._deliver(connection, body)

    async def _deliver(self, connection: Connection, body: bytes) -> None:
        sent = time.perf_counter()
        while (answer := await connection.export(body)).body is None:
            self.retries += 1
            await asyncio.sleep(min(answer.retry_s, RETRY_S_MAX))
            if time.perf_counter() - sent > ANSWER_S_MAX:
                raise TimeoutError(f"turned away for {ANSWER_S_MAX} s")
        self.latencies_ms.append((time.perf_counter() - sent) * 1000)
        refused = 0
        if answer.body:
            response = trace_service_pb2.ExportTraceServiceResponse.FromString(answer.body)
            refused = response.partial_success.rejected_spans
        self.refused += refused
        self.acked += self.load.spans_per_request - refused


def main() -> None:
    """Read the load from the command line, send it, print the result."""
    parser = argparse.ArgumentParser(prog="bench.load")
    for field in msgspec.structs.fields(Load):
        parser.add_argument(f"--{field.name}", type=field.type, default=field.default)
    load = Load(**vars(parser.parse_args()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_Sender(load).run())
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


if __name__ == "__main__":
    main()
