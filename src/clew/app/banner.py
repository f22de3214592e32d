"""What the server says on stderr when it is ready: where everything is, and how to send to it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from clew.app.configuration.values import SQLITE
from clew.store.database.address import hide_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clew.app.configuration.settings import Configuration
    from clew.app.sockets import Addresses
    from clew.store.replication.standing import Standing


def write_banner(
    configuration: Configuration,
    addresses: Addresses,
    *,
    decoder: str,
    recovered_frames: int,
    warnings: Iterable[str],
    standing: Standing | None = None,
) -> str:
    """Return the banner, its last line ``clew is ready``.

    `standing` is what a server of a group knows of leadership.
    """
    recovered = f" ({recovered_frames} requests read back from the log)" if recovered_frames else ""
    kept = "" if configuration.store == "chdb" else f"   rows: {_without_user(configuration.store)}"
    if configuration.registry != SQLITE:
        kept += f"   registry: {hide_password(configuration.registry)}"
    # The HTTP door takes OTLP too, so there is always an endpoint to name.
    endpoint = addresses.otlp_http or addresses.http
    if configuration.shards:
        return _write_tier_banner(configuration, addresses, warnings)
    lines = [
        f"clew {version('clew')}",
        f"  page, REST, feeds    http://{addresses.http}",
        f"  OTLP over HTTP       {_shown(addresses.otlp_http)}",
        f"  OTLP over gRPC       {_shown(addresses.otlp_grpc)}",
        f"  apps of the tree     {_shown_socket(addresses.trails, configuration)}",
        f"  link sets            {addresses.links or 'off'}",
        f"  Jaeger UI, Grafana   http://{addresses.http}/jaeger",
        f"  agents (MCP)         http://{addresses.http}/mcp",
        f"  data                 {configuration.data_dir}{kept}{recovered}",
        f"  decoder              {decoder}",
        *_group_lines(standing, addresses.http),
        "",
        *_sending_lines(f"http://{endpoint}", standing),
        "",
        *(f"warning: {warning}" for warning in warnings),
        "clew is ready",
    ]
    return "\n".join(lines) + "\n"


def _group_lines(standing: Standing | None, http: str) -> Iterator[str]:
    """Say which group a server is of, and as what."""
    if standing is None:
        return
    if standing.is_leading:
        role = f"it leads epoch {standing.epoch}"
    else:
        role = f"a standby of {standing.leader_url or 'a leader that was not heard yet'}"
    yield f"  its group            {role}"
    yield f"  its servers          clew servers --server http://{http}"


def _sending_lines(endpoint: str, standing: Standing | None) -> list[str]:
    """Say where telemetry is to be sent: to the leader, where this is a standby."""
    where = "here"
    if standing is not None and not standing.is_leading:
        if standing.leader_url is None:
            return ["this server refuses telemetry until it leads: send it to the leader"]
        # Its HTTP door takes OTLP, whatever other doors it has.
        endpoint, where = standing.leader_url, "to the leader"
    return [
        f"to send telemetry {where}:",
        f"  export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}",
        "  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        "  export OTEL_SERVICE_NAME=my-service",
    ]


def _write_tier_banner(
    configuration: Configuration, addresses: Addresses, warnings: Iterable[str]
) -> str:
    """Return what a query tier says: where to ask it, and whom it asks."""
    first, *others = (f"{shard.name}  {', '.join(shard.urls)}" for shard in configuration.shards)
    lines = [
        f"clew {version('clew')}, a query tier: it keeps nothing, send telemetry to its shards",
        f"  page, REST, feeds    http://{addresses.http}",
        f"  Jaeger UI, Grafana   http://{addresses.http}/jaeger",
        f"  agents (MCP)         http://{addresses.http}/mcp",
        f"  shards               {first}",
        *(f"                       {other}" for other in others),
        "",
        *(f"warning: {warning}" for warning in warnings),
        "clew is ready",
    ]
    return "\n".join(lines) + "\n"


def _shown(address: str | None) -> str:
    return f"http://{address}" if address else "off"


def _shown_socket(address: str | None, configuration: Configuration) -> str:
    scheme = "ws" if configuration.trails_certificate is None else "wss"
    return f"{scheme}://{address}/ws" if address else "off"


def _without_user(store: str) -> str:
    return store.rpartition("@")[2]
