"""The gRPC server: one port for OTLP export and, beside it, whatever other services are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAMS_PER_CONNECTION_MAX: Final = 128
"""Calls that one client may have open; further ones wait on the client's side."""

HEAD_BYTES_MAX: Final = 64 << 10
"""The largest metadata of a call, as for the head of an HTTP request."""

KEEPALIVE_MS_MIN: Final = 10_000
"""How often a client may ping at most: OpenTelemetry's collectors ping every 10 s when told to."""


STANDBY_CONNECTION_SECONDS_MAX: Final = 5.0
"""How long a connection to a standby lasts. What stands in front of a group chooses a server when a
connection is made: an exporter that came to a standby, or to a leader that became one, would be
refused for as long as it keeps its connection, and exporters keep theirs for ever."""

LEADER_CONNECTION_SECONDS_MAX: Final = 30.0
"""How long a connection to a leader of a group lasts. One that gets no acknowledgements may have
been deposed, and has not heard so. This library can hang up on all alone, and not on whoever was
refused; to connect anew costs a client a round trip, and exporters send again for a minute."""


def open_server(
    handlers: Sequence[grpc.GenericRpcHandler],
    *,
    message_bytes_max: int,
    connection_seconds_max: float | None = None,
) -> grpc.aio.Server:
    """Return a server that is not started, with gzip understood in requests.

    After `connection_seconds_max` clients are told to connect anew; calls under way go on.
    """
    age = (
        ()
        if connection_seconds_max is None
        else (("grpc.max_connection_age_ms", round(connection_seconds_max * 1000)),)
    )
    return grpc.aio.server(
        handlers=handlers,
        options=(
            ("grpc.max_receive_message_length", message_bytes_max),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
            # A call counts until the server has forgotten it, a moment after the client has. With
            # this protection on, a busy client that keeps to the limit has calls refused at random.
            ("grpc.http.overload_protection", 0),
            ("grpc.max_metadata_size", HEAD_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", HEAD_BYTES_MAX),
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS_MIN),
            ("grpc.keepalive_permit_without_calls", 1),
            # Without this two servers share a port in silence, and each gets half of the spans.
            ("grpc.so_reuseport", 0),
            *age,
        ),
    )


def bind(server: grpc.aio.Server, address: str) -> int:
    """Take an address (``host:port``, port 0 for a free one) and return the port.

    Raises:
        ClewError: UNAVAILABLE when the address is in use or not ours.
    """
    try:
        port: int = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ClewError(ErrorCode.UNAVAILABLE, f"cannot listen on {address}") from error
    if port == 0:
        raise ClewError(ErrorCode.UNAVAILABLE, f"cannot listen on {address}")
    return port
